"""Two processes with one thread each against one process with two threads: images per second of the same training.

    python benchmarks/two_processes.py --rounds 5 --out benchmarks/results/two_processes.json

The two sides take turns in one run; the ratio is the median over the rounds. Each side is started as users start it
(`python -m ganvas train`, `torchrun`), trains the same images on pictures made here, and says its own rate.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from blobs import save_blobs
from ganvas.versions import versions


@dataclass(frozen=True)
class Case:
    """A recipe on pictures of one size."""

    recipe: str
    side: int
    channels: int
    images: int
    words: tuple[str, ...] = ()


CASES = {
    "fast, 28x28x1": Case("fast", 28, 1, 16_000),
    "fast, 64x64x3": Case("fast", 64, 3, 4_000),
    "dcgan, 64x64x3": Case("dcgan", 64, 3, 1_280),
    "dcgan, 64x64x3, D without BatchNorm": Case("dcgan", 64, 3, 1_280, ("--d-norm", "none")),
}


def rate(case: Case, data: Path, out: Path, processes: int) -> float:
    """Images per second as the run wrote them down."""
    words = ["ganvas", "train", str(data), "--recipe", case.recipe, "--images", str(case.images), *case.words]
    words += ["--judge-samples", "64", "--on-sick", "report", "--report-to", "none", "--sheet-every", "100000000"]
    words += ["--judge-every", "100000000", "--checkpoint-every", "100000000", "--out", str(out), "--overwrite"]
    words += ["--threads", str(2 // processes)]
    launcher = ["-m"]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(2 // processes), "GANVAS_CACHE": str(out.parent / "cache")}
    done = subprocess.run([sys.executable, *launcher, *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in (out / "stats.jsonl").read_text().splitlines()]
    spans = [line["images_per_s"] for line in lines if line["event"] == "stats"]
    return statistics.median(spans)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.cases:
            case = CASES[name]
            data = save_blobs(Path(folder) / f"{case.side}.npz", 2_000, case.side, case.channels)
            one, two = [], []
            for _ in range(arguments.rounds):
                one.append(rate(case, data, Path(folder) / "one", 1))
                two.append(rate(case, data, Path(folder) / "two", 2))
            ratios = [b / a for a, b in zip(one, two, strict=True)]
            found[name] = {
                "one process, two threads, images/s": [round(x, 1) for x in one],
                "two processes, one thread each, images/s": [round(x, 1) for x in two],
                "ratio": round(statistics.median(ratios), 3),
                "ratios": [round(x, 3) for x in ratios],
            }
            print(f"{name:40} {found[name]['ratio']}  {found[name]['ratios']}", flush=True)
    if arguments.out:
        command = f"python benchmarks/two_processes.py --rounds {arguments.rounds} --out {arguments.out}"
        document = {"command": command, "versions": versions(), "cores": os.cpu_count(), "cases": found}
        document["backend"] = "gloo" if not torch.cuda.is_available() else "nccl"
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
