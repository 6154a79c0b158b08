"""Why a GAN? The recipe `fast` beside a variational autoencoder and an autoregressive model, after the same minutes.

    python benchmarks/baselines.py --data mnist.npz --minutes 5 --work runs/baselines

All learn the same 60 000 digits without labels, for the same minutes on one thread: `fast` by `ganvas train`, whose
minutes also pay for its start, its scores and its verdict; the others in plain PyTorch, on the digits cut to 8 grey
levels, of which they model a probability. `distance` and `sure_share` are those of quality.py, over 10 000 pictures of
each; precision, recall, density and coverage are those of ganvas's own judge, against training pictures; the likelihood
is that of the test digits, for the autoencoder a bound with one draw of z. `pictures_per_s` is measured in the same
process, in batches of 250, from noise to bytes. The floors are the test digits, and those cut to 8 grey levels.
`parameters` are all that are trained: the discriminator and the encoder too.

It misses: larger models, longer training, colour, labels (with which `fast` learns the digits far better), more seeds.
Rows are written as they come and not made again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import ganvas
from autoregressive import PixelCnn
from ganvas.data.prepare import prepare
from ganvas.data.store import Store
from ganvas.devices import device_words
from ganvas.evaluation.features import Features, learn_features
from ganvas.evaluation.judge import judge
from ganvas.images import Integers, grid, save_png
from ganvas.training.finish import judge_effort
from ganvas.versions import versions
from quality import FIRST_SEED, SAMPLES, Protocol
from vae import Vae

LEVELS = 8
DRAWN_AT_ONCE = 250
SHEET = (10, 8)  # rows, columns of each model's part
FLOORS = ("test digits", "test digits, 8 levels")
MANIFOLD = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Baseline:
    """How one of the models without an opponent is made and trained."""

    build: Callable[[], Vae | PixelCnn]
    batch: int
    rate: float


BASELINES = {
    "vae": Baseline(lambda: Vae(LEVELS), 64, 2e-3),
    "pixelcnn": Baseline(lambda: PixelCnn(LEVELS), 16, 3e-3),
}
MODELS = ("fast", *BASELINES)


class Judge:
    """The protocol of quality.py, and ganvas's own judge."""

    def __init__(self, data: Path, work: Path, minutes: float) -> None:
        self.protocol = Protocol(data)
        self.folder = work / "pictures"
        self.store: Store = prepare(str(data), self.folder, quiet=True)
        self.features: Features = learn_features(self.store, effort=judge_effort(minutes))

    def judge(self, pictures: Integers) -> dict[str, float]:
        """[N, 28, 28, 1] uint8 -> the numbers of a row."""
        channels_first: NDArray[Any] = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
        verdict = judge(channels_first, None, self.store, self.features, reference="train", what="pictures")
        found = {metric.metric: round(metric.value, 4) for metric in verdict.metrics}
        return {**self.protocol.judge_pictures(pictures, None), **{name: found[name] for name in MANIFOLD}}


def to_levels(pictures: NDArray[np.uint8]) -> Tensor:
    """[N, 28, 28] uint8 -> int64 in [0, LEVELS)."""
    return torch.from_numpy(np.rint(pictures * ((LEVELS - 1) / 255)).astype(np.int64))


def to_pictures(levels: Tensor) -> NDArray[np.uint8]:
    """[N, 28, 28] of levels, whole or between two -> [N, 28, 28, 1] uint8."""
    pictures: NDArray[np.uint8] = (levels.float() * (255 / (LEVELS - 1))).round().to(torch.uint8)[..., None].numpy()
    return pictures


def train(net: Vae | PixelCnn, how: Baseline, levels: Tensor, minutes: float, seed: int) -> int:
    """Adam for so many minutes, its rate constant and then falling to 2 % as that of `fast`; the images it saw."""
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=how.rate)
    order, images, began = torch.randperm(len(levels), generator=random), 0, time.monotonic()
    while (progress := (time.monotonic() - began) / (60 * minutes)) < 1:
        optimizer.param_groups[0]["lr"] = how.rate * min(1.0, 1 - 0.98 * (2 * progress - 1))
        start = images % (len(levels) - len(levels) % how.batch)
        if start == 0:
            order = torch.randperm(len(levels), generator=random)
        loss = net.nats(levels[order[start : start + how.batch]], random).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        images += how.batch
    return images


@torch.inference_mode()
def bits_per_pixel(net: Vae | PixelCnn, levels: Tensor, seed: int) -> float:
    """Mean negative log-likelihood (or its bound) of pictures in a few levels: [N, 28, 28] -> bits."""
    random = torch.Generator().manual_seed(seed)
    nats = torch.cat([net.nats(levels[i : i + 250], random) for i in range(0, len(levels), 250)])
    return round(nats.mean().item() / levels[0].numel() / math.log(2), 4)


def draw(sample: Callable[[int, int], Integers]) -> tuple[Integers, float]:
    """All pictures, [SAMPLES, 28, 28, 1], by `sample(first, count)`; how many a second."""
    sample(0, DRAWN_AT_ONCE)  # the first call also finds memory
    began = time.monotonic()
    parts: list[NDArray[Any]] = [sample(first, DRAWN_AT_ONCE) for first in range(0, SAMPLES, DRAWN_AT_ONCE)]
    rate = SAMPLES / (time.monotonic() - began)
    return np.concatenate(parts), round(rate, 1)


def play_fast(arguments: argparse.Namespace, source: Path) -> tuple[dict[str, Any], Integers]:
    """The GAN, by the real command."""
    words = ["--recipe", "fast", "--no-labels", "--minutes", f"{arguments.minutes:g}", "--threads", "1"]
    words += ["--seed", str(arguments.seed)]
    run = arguments.work / "fast"
    command = [sys.executable, "-m", "ganvas", "train", str(source), *words, "--out", str(run), "--overwrite"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    facts, model = json.loads((run / "run.json").read_text()), ganvas.load(run, "cpu")

    def sample(first: int, count: int) -> Integers:
        return model.sample(range(FIRST_SEED + first, FIRST_SEED + first + count), batch=count)

    pictures, rate = draw(sample)
    row = {
        "parameters": sum(facts["parameters"].values()),
        "images": facts["images_seen"],
        "train_seconds": facts["train_seconds"],
        "bits_per_pixel": "none: a GAN has no likelihood",
        "pictures_per_s": rate,
        "command": " ".join(["ganvas train", source.name, *words]),
    }
    return row, pictures


def play_baseline(name: str, arguments: argparse.Namespace) -> tuple[dict[str, Any], Integers]:
    """One of the others."""
    how = BASELINES[name]
    with np.load(arguments.data) as found:
        levels, test = to_levels(found["train_images"]), to_levels(found["test_images"])
    torch.manual_seed(arguments.seed)
    net = how.build()
    began = time.monotonic()
    images = train(net, how, levels, arguments.minutes, arguments.seed)
    train_s = time.monotonic() - began
    random = torch.Generator().manual_seed(FIRST_SEED)
    pictures, rate = draw(lambda first, count: to_pictures(net.sample(count, random)))
    row = {
        "parameters": sum(p.numel() for p in net.parameters()),
        "images": images,
        "train_seconds": round(train_s, 2),
        "bits_per_pixel": bits_per_pixel(net, test, arguments.seed),
        "pictures_per_s": rate,
        "command": f"python benchmarks/baselines.py --data {arguments.data.name} --minutes {arguments.minutes:g} "
        f"--seed {arguments.seed} --models {name}",
    }
    return row, pictures


def save_sheets(out: Path, work: Path) -> list[str]:
    """The first pictures of each model side by side in one PNG beside the results; the names from left to right."""
    rows, columns = SHEET
    shown = [name for name in (FLOORS[0], *MODELS) if (work / f"{name}.npy").is_file()]
    parts: list[NDArray[Any]] = [grid(np.load(work / f"{name}.npy")[: rows * columns], columns) for name in shown]
    gap = np.full((parts[0].shape[0], 12, 1), 255, np.uint8)
    save_png(out.with_suffix(".png"), np.concatenate([piece for part in parts for piece in (part, gap)][:-1], axis=1))
    return shown


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    columns = ("distance", "sure_share", *MANIFOLD, "bits_per_pixel", "pictures_per_s")
    print(" ".join([f"{'':22}", *(f"{column[:14]:>14}" for column in columns)]))
    for name, row in rows.items():
        print(" ".join([f"{name:22}", *(f"{row.get(column, '-')!s:.14}".rjust(14) for column in columns)]), flush=True)


def make_row(name: str, arguments: argparse.Namespace, judge: Judge) -> dict[str, Any]:
    """Train or take what is named, judge its pictures and keep the first of them for the sheet."""
    with np.load(arguments.data) as found:
        test: NDArray[np.uint8] = found["test_images"]
    row: dict[str, Any] = {}
    pictures: Integers = test[..., None]
    if name == FLOORS[1]:
        pictures = to_pictures(to_levels(test))
    elif name == "fast":
        row, pictures = play_fast(arguments, judge.folder)
    elif name in BASELINES:
        row, pictures = play_baseline(name, arguments)
    np.save(arguments.work / f"{name}.npy", pictures[: SHEET[0] * SHEET[1]])
    return {**judge.judge(pictures), **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="mnist.npz: train_images, train_labels, test_*")
    parser.add_argument("--minutes", type=float, default=5.0, help="for each model")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/baselines"), help="folder of data, run and pictures")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/baselines.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    judge = Judge(arguments.data, arguments.work, arguments.minutes)
    facts = {
        "schema": 1,
        "data": arguments.data.name,
        "minutes": arguments.minutes,
        "seed": arguments.seed,
        "protocol": " ".join((__doc__ or "").split("\n\n")[2].split()),
        "classifier_accuracy": round(judge.protocol.accuracy, 4),
        "features": judge.features.name,
        "device": device_words(torch.device("cpu")),
        "cpu_count": os.cpu_count(),
        "versions": versions(),
    }
    old = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    same = all(old.get(name) == facts[name] for name in ("minutes", "seed"))
    rows = {name: row for name, row in old["rows"].items() if row != "not run"} if same else {}
    for name in (*FLOORS, *arguments.models):
        if name not in rows:
            rows[name] = make_row(name, arguments, judge)
            table = {each: rows.get(each, "not run") for each in (*FLOORS, *MODELS)}
            shown = save_sheets(arguments.out, arguments.work)
            document = {**facts, "sheet_from_left_to_right": shown, "rows": table}
            arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    print_table({name: rows[name] for name in (*FLOORS, *MODELS) if name in rows})


if __name__ == "__main__":
    main()
