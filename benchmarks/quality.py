"""How good are the digits after three minutes? Runs the real command and judges it by a fixed protocol.

    python benchmarks/quality.py --data mnist.npz --minutes 3 --seeds 0 1 2 --out benchmarks/results/quality_mnist.json

Protocol: Fréchet distance in the 128 post-ReLU features of a classifier (3x3 convolutions 32, 32 stride 2, 64,
64 stride 2, a 128-wide layer, dropout 0.3; 4 epochs over the 60 000 training pictures with shifts of up to 2 pixels);
10 000 samples of the averaged generator, labels by the training shares, against the 60 000 training pictures. The test
set by the same measure is the floor. It is not FID, and compares only with numbers of this classifier.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import ganvas
from digit_classifier import SURE, Digits
from ganvas.devices import device_words
from ganvas.evaluation.metrics.frechet import frechet_distance_of_features
from ganvas.images import Integers, to_float
from ganvas.versions import versions

SAMPLES, FIRST_SEED = 10_000, 5_000_000


class Protocol(Digits):
    """The classifier of a data set and the numbers it gives."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.train_features, _ = self.look(self.images)
        self.floor = frechet_distance_of_features(self.test_features, self.train_features)

    def judge(self, run: Path) -> dict[str, float]:
        model = ganvas.load(run)
        seeds = range(FIRST_SEED, FIRST_SEED + SAMPLES)
        return self.judge_pictures(model.sample(seeds, batch=250), model.labels_for(seeds))

    def judge_pictures(self, pictures: Integers, labels: NDArray[np.int64] | None) -> dict[str, float]:
        """[N, 28, 28, 1] uint8, and the class each was drawn as."""
        features, probabilities = self.look(to_float(torch.from_numpy(pictures).permute(0, 3, 1, 2)))
        sure, found = probabilities.max(1)
        numbers = {
            "distance": round(frechet_distance_of_features(features, self.train_features), 2),
            "sure_share": round((sure > SURE).float().mean().item(), 4),
        }
        if labels is not None:
            numbers["wanted_class_share"] = round((found.numpy() == labels).mean().item(), 4)
        return numbers


def run_once(data: Path, minutes: float, seed: int, extra: list[str], folder: str) -> tuple[Path, float, list[str]]:
    """The real command in a process of its own; its wall seconds include the start of Python."""
    run = Path(folder) / f"seed{seed}"
    command = ["-m", "ganvas", "train", str(data), "--minutes", f"{minutes:g}", "--seed", str(seed), *extra]
    began = time.monotonic()
    subprocess.run([sys.executable, *command, "--out", str(run)], check=True, stdout=subprocess.DEVNULL)
    return run, time.monotonic() - began, ["ganvas", *command[2:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help=".npz with train_images, train_labels, test_*")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--keep", help="keep the runs in this folder")
    parser.add_argument("--out", type=Path)
    arguments, extra = parser.parse_known_args()
    protocol = Protocol(arguments.data)
    print(f"classifier {protocol.accuracy:.2%} right on the test set, which is at distance {protocol.floor:.2f}")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for seed in arguments.seeds:
            folder = arguments.keep or temporary
            run, wall_s, command = run_once(arguments.data, arguments.minutes, seed, extra, folder)
            facts = json.loads((run / "run.json").read_text())
            rows.append(
                {
                    "seed": seed,
                    **protocol.judge(run),
                    "train_seconds": facts["train_seconds"],
                    "wall_seconds": round(wall_s, 1),
                    "images": facts["images_seen"],
                    "images_per_s": facts["images_per_s"],
                    "command": " ".join(command).replace(str(arguments.data), arguments.data.name),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    median = statistics.median(row["distance"] for row in rows)
    print(f"median distance of {len(rows)} seeds: {median}")
    if arguments.out:
        facts = {
            "schema": 1,
            "data": arguments.data.name,
            "protocol": " ".join((__doc__ or "").split("Protocol: ")[1].split()),
            "classifier_accuracy": round(protocol.accuracy, 4),
            "floor_test_set": round(protocol.floor, 2),
            "median_distance": median,
            "rows": rows,
            "device": device_words(torch.device("cpu")),
            "cpu_count": os.cpu_count(),
            "versions": versions(),
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
