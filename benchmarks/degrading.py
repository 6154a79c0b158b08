"""What each degradation costs: milliseconds of CPU time for a picture, one thread.

python benchmarks/degrading.py --out benchmarks/results/degrading.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from ganvas.degrading.chain import parse
from ganvas.games.noise import Draws
from ganvas.versions import versions

WORDS = (
    *("lowres:4", "blind:4", "blur", "motion", "defocus", "noise", "poisson", "jpeg", "gray"),
    *("holes", "boxes", "strokes", "blur:3-9,lowres:2,noise:2-10,jpeg:40-90"),
)
BATCH, SIDE = 16, 96


def row(words: str, rounds: int) -> dict[str, object]:
    # Smooth pictures with some grain, as photographs are: a JPEG of pure noise would take longer.
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(BATCH, 3, SIDE // 8, SIDE // 8, generator=random) * 1.6 - 0.8
    images = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")
    images = (images + 0.02 * torch.randn(images.shape, generator=random)).clamp(-1, 1)
    degradation = parse(words)
    degradation(images, Draws("cpu", (0, 0)))
    times = []
    for number in range(rounds):
        began = time.process_time()
        degradation(images, Draws("cpu", (0, 1 + number)))
        times.append(1000 * (time.process_time() - began) / BATCH)
    return {"words": degradation.words, "ms": round(statistics.median(times), 3), "least_ms": round(min(times), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for words in WORDS:
        rows.append(row(words, arguments.rounds))
        print(json.dumps(rows[-1]), flush=True)
    if arguments.out:
        facts = {"schema": 1, **versions(), "batch": BATCH, "pixels": [SIDE, SIDE], "channels": 3, "rows": rows}
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
