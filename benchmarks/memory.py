"""Memory of training from a store of a thousand to a million pictures, which must not grow with their number.

    python benchmarks/memory.py [--counts 1000 10000 100000 1000000] [--side 32] [--steps 200] [--out FILE]

For each count a synthetic store of random RGB pictures is written (side 32: 3 kB a picture, 3 GB for a million) and
trained on in a process of its own for some steps of the recipe `fast`. Reported is what the process holds for itself
at the end and at its peak (anonymous memory), and, apart from it, how much of the mapped file the system keeps in its
cache on the process's behalf, which it gives back when others need room. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data.contract import SourceDefaults
from ganvas.data.decode import Header, Pixels
from ganvas.data.options import StoreOptions
from ganvas.data.store import open_store


class Noise(SourceDefaults):
    """Random pictures with ten classes, made as they are read."""

    def __init__(self, count: int, side: int) -> None:
        self.name, self.fingerprint, self.side = "noise", f"{count:064d}", side
        self.names = [f"noise[{i}]" for i in range(count)]
        self.labels = np.arange(count) % 10
        self.class_names = tuple(map(str, range(10)))
        self.labels_note = "10 classes of noise"
        self.held_out = np.zeros(count, np.bool_)
        self._block = np.random.default_rng(0).integers(0, 256, (1000, side, side, 3), np.uint8)

    def read(self, index: int) -> Pixels:
        """A picture that differs from its neighbours."""
        return np.roll(self._block[index % 1000], index // 1000, axis=0)

    def header(self, index: int) -> Header:
        """The same for all."""
        return Header(self.side, self.side, 3, 8)


def memory_mb() -> dict[str, float]:
    """What /proc says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = {line.split(":")[0]: float(line.split()[1]) for line in lines if line.endswith(" kB")}
    return {
        "own": kilobytes["RssAnon"] / 1024,
        "mapped": kilobytes["RssFile"] / 1024,
        "peak": kilobytes["VmHWM"] / 1024,
    }


def train(store: Path, steps: int) -> None:
    """Some steps as `ganvas train` plays them; prints memory at several moments."""
    import torch

    from ganvas.data.batches import Batches
    from ganvas.data.store import read_store
    from ganvas.training.plan import DataFacts, make_plan
    from ganvas.training.play import train_step
    from ganvas.training.state import TrainState

    data = read_store(store)
    device = torch.device("cpu")
    plan = make_plan(DataFacts.of_store(data), "noise", "fast", {"images": 10**9}, device)
    state = TrainState.create(plan.settings, plan.config, device)
    s = plan.settings
    batches = Batches(data.train.images, data.train.labels, s.batch, s.seed, device, s.mirror)
    own = []
    for step in range(steps):
        train_step(state, batches, 0.0)
        if step >= steps // 2 and step % 10 == 0:
            own.append(memory_mb()["own"])
    print(json.dumps({"own_mb": round(max(own), 1), "mapped_mb": round(memory_mb()["mapped"], 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train, arguments.steps)
        return
    rows: list[dict[str, Any]] = []
    for count in arguments.counts:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            store = open_store(Noise(count, arguments.side), StoreOptions(), location=Path(folder) / "store")
            written_s = time.monotonic() - began
            command = [sys.executable, __file__, "--train", str(store.path), "--steps", str(arguments.steps)]
            measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append(
            {
                "pictures": count,
                **measured,
                "store_mb": round(count * arguments.side**2 * 3 / 2**20),
                "written_s": round(written_s, 1),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    growth = rows[-1]["own_mb"] / rows[0]["own_mb"]
    print(f"{rows[-1]['pictures'] // rows[0]['pictures']} times the pictures: {growth:.2f} times the memory")
    if arguments.out:
        document = {"command": " ".join(["python", *sys.argv]), "growth": round(growth, 3), "rows": rows}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
