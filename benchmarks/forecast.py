"""Does a run become what `train --dry-run` foretold? Training time and peak memory, foretold against measured.

    python benchmarks/forecast.py --out benchmarks/results/forecast.json

For each recipe a dry run and a run of some hundred steps, each a process of its own, on pictures made here. The share
by which the forecast is off is (foretold / measured) - 1; the goal is within 0.25.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from blobs import save_blobs
from ganvas.versions import versions

CASES: dict[str, tuple[str, int, int, int]] = {  # recipe, side, channels, images
    "mlp, 28x28x1": ("mlp", 28, 1, 40_000),
    "fast, 28x28x1": ("fast", 28, 1, 32_000),
    "fast, 64x64x3": ("fast", 64, 3, 8_000),
    "dcgan, 32x32x1": ("dcgan", 32, 1, 6_400),
    "dcgan, 64x64x3": ("dcgan", 64, 3, 2_560),
    "wgan-gp, 32x32x3": ("wgan-gp", 32, 3, 6_400),
}


def run(words: list[str], cache: Path) -> tuple[str, float]:
    """What a command prints, and the most memory that it held, in MB."""
    command = [sys.executable, "-m", "ganvas", "train", *words]
    environment = {**os.environ, "GANVAS_CACHE": str(cache)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, process.stderr.read()
    return said, used.ru_maxrss / 1e3


def compare(name: str, folder: Path) -> dict[str, Any]:
    """One recipe: what was foretold, what came, and by what share the first is off."""
    recipe, side, channels, images = CASES[name]
    data = save_blobs(folder / f"{side}-{channels}.npz", 2_000, side, channels)
    words = [str(data), "--recipe", recipe, "--images", str(images), "--judge-samples", "500", "--report-to", "none"]
    words += ["--on-sick", "report"]
    said, _ = run([*words, "--dry-run"], folder / "cache")
    time = re.search(r"time +about ([\d,.]+) (s|minutes) of training", said)
    memory = re.search(r"memory +about ([\d,]+) MB", said)
    assert time, said
    assert memory, said
    foretold_s, foretold_mb = (float(found[1].replace(",", "")) for found in (time, memory))
    foretold_s *= 60 if time[2] == "minutes" else 1
    _, measured_mb = run([*words, "--out", str(folder / "run"), "--overwrite"], folder / "cache")
    facts = json.loads((folder / "run" / "run.json").read_text())
    measured_s = facts["train_seconds"]
    return {
        "training_s": {"foretold": foretold_s, "measured": measured_s},
        "peak_mb": {"foretold": foretold_mb, "measured": round(measured_mb)},
        "time_off": round(foretold_s / measured_s - 1, 3),
        "memory_off": round(foretold_mb / measured_mb - 1, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.cases:
            found[name] = compare(name, Path(folder))
            print(
                f"{name:20} time off {found[name]['time_off']:+.0%}  memory off {found[name]['memory_off']:+.0%}",
                flush=True,
            )
    if arguments.out:
        document = {"command": f"python benchmarks/forecast.py --out {arguments.out}", "versions": versions()}
        arguments.out.write_text(json.dumps({**document, "cores": os.cpu_count(), "cases": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
