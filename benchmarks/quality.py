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
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ganvas
from ganvas.data.cache import cache_folder
from ganvas.devices import device_words
from ganvas.evaluation.frechet import frechet_distance_of_features
from ganvas.images import to_float
from ganvas.training.plan import versions
from ganvas.weights import load_weights, save_weights

EPOCHS, BATCH, PEAK_RATE = 4, 64, 3e-3
SAMPLES, FIRST_SEED = 10_000, 5_000_000
SURE = 0.9


class Classifier(nn.Module):
    """[N, 1, 28, 28] in [-1, 1] -> features [N, 128] by `features`, logits [N, 10] by the call."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU()),
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(128, 10))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


def shifted(x: Tensor, random: torch.Generator) -> Tensor:
    """Each picture moved by up to 2 pixels on black."""
    n = len(x)
    padded = F.pad(x[:, 0], (2, 2, 2, 2), value=-1.0)
    rows = torch.randint(0, 5, (n, 1), generator=random) + torch.arange(28)
    columns = torch.randint(0, 5, (n, 1), generator=random) + torch.arange(28)
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


def train_classifier(images: Tensor, labels: Tensor) -> Classifier:
    torch.manual_seed(0)
    net = Classifier().to(memory_format=torch.channels_last)
    steps = len(images) // BATCH
    optimizer = torch.optim.Adam(net.parameters(), lr=PEAK_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, EPOCHS * steps)
    random = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images), generator=random)
        for i in range(steps):
            chosen = order[i * BATCH : (i + 1) * BATCH]
            loss = F.cross_entropy(net(shifted(images[chosen], random)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net


class Protocol:
    """The classifier of a data set, trained once and kept in the cache, and the numbers it gives."""

    def __init__(self, data: Path) -> None:
        arrays = np.load(data)
        self.images, self.labels = as_tensor(arrays["train_images"]), torch.from_numpy(arrays["train_labels"]).long()
        test, test_labels = as_tensor(arrays["test_images"]), torch.from_numpy(arrays["test_labels"]).long()
        kept = cache_folder() / "benchmarks" / f"classifier-{data.stem}.safetensors"
        self.net = Classifier()
        if kept.is_file():
            self.net.load_state_dict(load_weights(kept))
        else:
            self.net = train_classifier(self.images, self.labels)
            kept.parent.mkdir(parents=True, exist_ok=True)
            save_weights(kept, self.net.state_dict())
        self.net.eval()
        self.train_features, _ = self.look(self.images)
        test_features, test_probabilities = self.look(test)
        self.accuracy = (test_probabilities.argmax(1) == test_labels).float().mean().item()
        self.floor = frechet_distance_of_features(test_features, self.train_features)

    @torch.inference_mode()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        parts = [self.net.features(part) for part in images.split(1000)]
        features = torch.cat(parts)
        return features, self.net.head(features).softmax(1)

    def judge(self, run: Path) -> dict[str, float]:
        model = ganvas.load(run)
        seeds = range(FIRST_SEED, FIRST_SEED + SAMPLES)
        labels = model.labels_for(seeds)
        pictures = torch.from_numpy(model.sample(seeds, batch=250)).permute(0, 3, 1, 2)
        features, probabilities = self.look(to_float(pictures))
        sure, found = probabilities.max(1)
        numbers = {
            "distance": round(frechet_distance_of_features(features, self.train_features), 2),
            "sure_share": round((sure > SURE).float().mean().item(), 4),
        }
        if labels is not None:
            numbers["wanted_class_share"] = round((found.numpy() == labels).mean().item(), 4)
        return numbers


def as_tensor(images: np.ndarray[Any, Any]) -> Tensor:
    return to_float(torch.from_numpy(images))[:, None]


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
