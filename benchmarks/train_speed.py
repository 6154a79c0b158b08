"""Images per second of the training step, as a ratio to the textbook step, in interleaved rounds of two processes.

    python benchmarks/train_speed.py --out benchmarks/results/train_speed.json

With GANVAS_BENCHMARK_SAME_ALLOCATOR=1 the textbook also keeps freed memory, so that the step alone is compared.
Ours includes what `ganvas train` does at every step: batches from a mapped store, conversion, average, statistics.
`--loop` measures the rest: the share of a real run's training time that is not the game's own step.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganvas.data.batches import Batches
from ganvas.devices import device_words, keep_freed_memory
from ganvas.doctor import matrix_gflops
from ganvas.model import ModelConfig
from ganvas.settings import build_settings
from ganvas.training.journal import Averager
from ganvas.training.play import train_step
from ganvas.training.state import TrainState
from ganvas.versions import versions
from textbook import TextbookLoop, discriminator, generator
from worker import FLOP, Worker, answer

BATCH = 64
CPU = torch.device("cpu")
CASES = {
    "dcgan 64x64x3, same updates": ((64, 64), 3, {}),
    "dcgan 32x32x1, same updates": ((32, 32), 1, {}),
    "norm-free D 64x64x3, simultaneous": ((64, 64), 3, {"d_norm": "none", "turns": "simultaneous"}),
    "norm-free D 32x32x1, simultaneous": ((32, 32), 1, {"d_norm": "none", "turns": "simultaneous"}),
}


def store_of(folder: Path, resolution: tuple[int, int], channels: int, count: int = 4096) -> np.ndarray[Any, Any]:
    """Random pictures in a mapped file, as a store's are."""
    path = folder / f"{resolution[0]}x{channels}.npy"
    if path.is_file():
        return np.load(path, mmap_mode="r")
    pictures = np.random.default_rng(0).integers(0, 256, (count, channels, *resolution), dtype=np.uint8)
    np.save(path, pictures)
    return np.load(path, mmap_mode="r")


def ours(pictures: np.ndarray[Any, Any], overrides: dict[str, Any]) -> Callable[[], None]:
    """A function that plays one of our steps with what belongs to it."""
    settings = build_settings({"network": "dcgan", "batch": BATCH, "images": 10**9, **overrides})
    _, channels, height, width = pictures.shape
    config = ModelConfig(network="dcgan", resolution=(height, width), channels=channels, z_dim=100, width=64)
    state = TrainState.create(settings, config, CPU)
    batches, averager = Batches(pictures, None, BATCH, 0, CPU), Averager()

    def step() -> None:
        averager.add(train_step(state, batches, 0.0))
        if state.step % 50 == 0:
            averager.take()

    return step


def plain(pictures: np.ndarray[Any, Any], norm: bool) -> Callable[[], None]:
    """The textbook step, fed from a float tensor in memory: nothing around it."""
    _, channels, side, _ = pictures.shape
    torch.manual_seed(0)
    loop = TextbookLoop(generator(side, channels), discriminator(side, channels, norm), z_dim=100)
    real = torch.from_numpy(pictures[:BATCH].copy()).float() / 127.5 - 1
    return lambda: loop.step(real)


def work(name: str, side: str, folder: Path) -> None:
    """A process of its own for each side."""
    resolution, channels, overrides = CASES[name]
    pictures = store_of(folder, resolution, channels)
    if side == "ours" or "GANVAS_BENCHMARK_SAME_ALLOCATOR" in os.environ:
        keep_freed_memory()  # as `ganvas train` does
    step = ours(pictures, overrides) if side == "ours" else plain(pictures, norm="d_norm" not in overrides)
    answer(step)


def compare(name: str, folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    store_of(folder, *CASES[name][:2])  # before the two race to write it
    words = [__file__, "--case", name, "--folder", str(folder), "--worker"]
    our_side, their_side = (Worker([*words, side]) for side in ("ours", "textbook"))
    for worker in (our_side, their_side):
        worker.ask("5")
    steps = max(3, round(seconds / (their_side.ask("3") / 3)))
    pairs = []
    for _ in range(rounds):
        theirs = steps * BATCH / their_side.ask(str(steps))
        pairs.append((steps * BATCH / our_side.ask(str(steps)), theirs))
    flop = our_side.ask(FLOP)
    for worker in (our_side, their_side):
        worker.close()
    ratios = [a / b for a, b in pairs]
    our_rate = statistics.median(a for a, _ in pairs)
    peak = matrix_gflops(CPU, torch.float32, 2048, 2.0)
    row = {
        "case": name,
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "ours_images_per_s": round(our_rate, 1),
        "textbook_images_per_s": round(statistics.median(b for _, b in pairs), 1),
        "our_gflop_per_image": round(flop / BATCH, 3),
        "matrix_peak_gflops": round(peak),
        "share_of_matrix_peak": round(our_rate / BATCH * flop / peak, 3),
    }
    print(json.dumps(row), flush=True)
    return row


def loop_overhead(minutes: float) -> dict[str, Any]:
    """A real run on the digits: training time outside the game's own step (sheets and checkpoints included)."""
    from ganvas.games.generation import GenerationGame
    from ganvas.training.loop import train

    inside, original = 0.0, GenerationGame.step

    def timed(self: GenerationGame, *arguments: Any) -> Any:
        nonlocal inside
        began = time.perf_counter()
        stats = original(self, *arguments)
        inside += time.perf_counter() - began
        return stats

    GenerationGame.step = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        run = train("digits", recipe="dcgan", resolution=32, out=f"{folder}/run", minutes=minutes, quiet=True)
        facts = json.loads((run.path / "run.json").read_text())
    share = 1 - inside / facts["train_seconds"]
    row = {"case": f"dcgan 32x32x1 on digits, {minutes:g} minutes", "outside_the_step": round(share, 4)}
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each side in each round")
    parser.add_argument("--worker", choices=["ours", "textbook"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(
        "--loop", type=float, default=0.0, metavar="MINUTES", help="also measure the loop around the step"
    )
    parser.add_argument("--case", choices=list(CASES), help="only this one")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.case, arguments.worker, arguments.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        names = [arguments.case] if arguments.case else list(CASES)
        rows = [compare(name, Path(folder), arguments.rounds, arguments.seconds) for name in names]
    if arguments.loop:
        rows.append(loop_overhead(arguments.loop))
    if arguments.out:
        facts = {"schema": 1, "device": device_words(CPU), "versions": versions(), "batch": BATCH, "rows": rows}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
