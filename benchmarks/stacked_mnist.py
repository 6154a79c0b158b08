"""How many of the thousand modes of Stacked MNIST does a recipe find, and are they digits?

    python benchmarks/stacked_mnist.py --data mnist.npz --minutes 20 --work runs/stacked_mnist

A picture is three random digits as red, green and blue (Srivastava et al., 2017), here at 28x28, so that its modes are
the 1000 triples. Every recipe is trained without labels on the same 60 000 triples of training digits by `ganvas train`
with one thread; data and judge are prepared before its clock runs. 26 000 samples of the averaged generator are then
read by a classifier of digits, channel by channel: `modes` is the number of triples seen at least once, `kl` the
divergence of their shares from the true ones (products of the training digits' shares) in nats, `sure_share` the share
of samples of which all three digits have a probability above 0.9, and `sure_modes` the triples among those alone.
Modes by themselves mislead: noise has a likeliest digit too. The floor is 26 000 triples of the test digits.

Rows are written as they come and not made again. A seed is one run: differences of a few points are not settled by it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

import ganvas
from digit_classifier import SURE, Digits
from ganvas.data.prepare import prepare
from ganvas.devices import device_words
from ganvas.evaluation.features import learn_features
from ganvas.evaluation.metrics.modes import count_modes
from ganvas.images import Integers, grid, save_png, to_float
from ganvas.training.finish import judge_effort
from ganvas.versions import versions

RECIPES = ("fast", "r3gan", "sngan", "dcgan", "wgan-gp")
TRIPLES, SAMPLES = 60_000, 26_000
TRAIN_SEED, TEST_SEED, FIRST_SAMPLE = 0, 1, 5_000_000
SHEET = (6, 12)  # rows, columns


def stack_digits(digits: NDArray[np.uint8], count: int, seed: int) -> Integers:
    """[N, 28, 28] -> triples [count, 28, 28, 3], every digit drawn with replacement."""
    chosen = np.random.default_rng(seed).integers(0, len(digits), (count, 3))
    return np.stack([digits[chosen[:, channel]] for channel in range(3)], axis=3)


class ModeCount:
    """The triples that a classifier reads in pictures [N, 28, 28, 3], against the shares of the true ones."""

    def __init__(self, digits: Digits) -> None:
        self.digits = digits
        shares = torch.bincount(digits.labels, minlength=10).double() / len(digits.labels)
        self.true = (shares[:, None, None] * shares[:, None] * shares).flatten()  # [1000]

    def judge(self, pictures: Integers) -> dict[str, float]:
        sure_digits, found = [], []
        for channel in range(3):
            _, probabilities = self.digits.look(to_float(torch.from_numpy(pictures[..., channel][:, None].copy())))
            probability, digit = probabilities.max(1)
            sure_digits.append(probability > SURE)
            found.append(digit)
        return self.count(torch.stack(found, 1), torch.stack(sure_digits, 1))

    def count(self, found: torch.Tensor, sure_digits: torch.Tensor) -> dict[str, float]:
        """The likeliest digits [N, 3] and whether each is sure [N, 3] -> the numbers of a row."""
        triples = found @ torch.tensor([100, 10, 1])  # [N], 0 to 999
        sure = sure_digits.all(1)
        modes, divergence = count_modes(triples, self.true)
        return {
            "modes": modes,
            "sure_modes": len(torch.bincount(triples[sure]).nonzero()),
            "kl": round(divergence, 4),
            "sure_share": round(sure.double().mean().item(), 4),
            "sure_digits": round(sure_digits.double().mean().item(), 4),
        }


def stacked_folder(data: Path, work: Path, minutes: float) -> Path:
    """The triples as a folder that `ganvas train` reads, with the judge that runs of that length use."""
    source, folder = work / "stacked_mnist.npz", work / "pictures"
    with FileLock(work / "prepare.lock"):
        if not source.is_file():
            partial = source.with_name("partial.npz")
            np.savez(partial, train_images=stack_digits(np.load(data)["train_images"], TRIPLES, TRAIN_SEED))
            partial.replace(source)
        store = prepare(str(source), folder, quiet=True)
        learn_features(store, effort=judge_effort(minutes))
    return folder


def play(recipe: str, counter: ModeCount, arguments: argparse.Namespace, pictures: Path) -> dict[str, Any]:
    """Train one recipe by the real command, unless that is done, and judge what it draws."""
    words = ["--recipe", recipe, "--no-labels", "--minutes", f"{arguments.minutes:g}", "--threads", "1"]
    words += ["--seed", str(arguments.seed)]
    run: Path = arguments.work / f"{recipe}-{arguments.minutes:g}-minutes-seed-{arguments.seed}"
    if not finished(run):
        command = [sys.executable, "-m", "ganvas", "train", str(pictures), *words, "--out", str(run), "--overwrite"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    facts = json.loads((run / "run.json").read_text())
    samples = ganvas.load(run, "cpu").sample(range(FIRST_SAMPLE, FIRST_SAMPLE + SAMPLES), batch=250)
    save_sheet(arguments.out, recipe, samples)
    return {
        "recipe": recipe,
        "seed": arguments.seed,
        "minutes": arguments.minutes,
        **counter.judge(samples),
        "images": facts["images_seen"],
        "best_images": facts.get("best_images", facts["images_seen"]),
        "train_seconds": facts["train_seconds"],
        "wall_seconds": facts["wall_seconds"],
        "parameters": facts["parameters"],
        "command": " ".join(["ganvas train", pictures.name, *words]),
    }


def finished(run: Path) -> bool:
    """Whether a run came to its end, so that it only needs to be judged."""
    facts = run / "run.json"
    return facts.is_file() and json.loads(facts.read_text())["ended"] == "done"


def save_sheet(out: Path, name: str, pictures: Integers) -> None:
    """The first pictures [N, 28, 28, 3] as one PNG beside the results."""
    rows, columns = SHEET
    save_png(out.with_name(f"{out.stem}_{name}.png"), grid(pictures[: rows * columns], columns))


def keep(out: Path, lock: Path, facts: dict[str, Any], row: dict[str, Any] | None = None) -> list[str]:
    """Put a row into the results, which several processes may share, and return the recipes that are still to run.

    Rows of other minutes or another seed are not of this table: they are dropped.
    """
    with FileLock(lock):
        old = json.loads(out.read_text())["rows"] if out.is_file() else []
        rows = {r["recipe"]: r for r in [*old, row] if r and all(r.get(k) == facts[k] for k in ("minutes", "seed"))}
        missing = [recipe for recipe in RECIPES if recipe not in rows]
        table = [rows.get(recipe, {"recipe": recipe, "modes": "not run"}) for recipe in RECIPES]
        out.write_text(json.dumps({**facts, "rows": table}, indent=1) + "\n")
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="mnist.npz: train_images, train_labels, test_*")
    parser.add_argument("--minutes", type=float, default=20.0, help="for each recipe")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/stacked_mnist"), help="folder of data and runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/stacked_mnist.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    digits = Digits(arguments.data)
    counter = ModeCount(digits)
    held_back = stack_digits(np.load(arguments.data)["test_images"], SAMPLES, TEST_SEED)
    facts = {
        "schema": 1,
        "data": arguments.data.name,
        "protocol": " ".join((__doc__ or "").split("\n\n")[2].split()),
        "classifier_accuracy": round(digits.accuracy, 4),
        "seed": arguments.seed,
        "minutes": arguments.minutes,
        "floor": counter.judge(held_back),
        "device": device_words(torch.device("cpu")),
        "cpu_count": os.cpu_count(),
        "versions": versions(),
    }
    save_sheet(arguments.out, "real", held_back)
    print(f"classifier {digits.accuracy:.2%} right on the test digits; real triples: {facts['floor']}", flush=True)
    lock = arguments.work / "results.lock"
    missing = keep(arguments.out, lock, facts)
    pictures = stacked_folder(arguments.data, arguments.work, arguments.minutes)
    for recipe in arguments.recipes:
        if recipe in missing:
            row = play(recipe, counter, arguments, pictures)
            keep(arguments.out, lock, facts, row)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
