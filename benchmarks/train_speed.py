"""Images per second of the training step, as a ratio to the textbook step, in interleaved rounds of one process.

    python benchmarks/train_speed.py --out benchmarks/results/train_speed.json

Ours includes what `ganvas train` does at every step: batches from a mapped store, conversion, average, statistics.
`--loop` measures the rest: the share of a real run's training time that is not the game's own step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganvas.data.batches import Batches
from ganvas.devices import device_words
from ganvas.doctor import matrix_gflops
from ganvas.model import ModelConfig
from ganvas.settings import build_settings
from ganvas.training.journal import Averager
from ganvas.training.loop import train_step
from ganvas.training.plan import versions
from ganvas.training.state import TrainState
from textbook import TextbookLoop

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
    pictures = np.random.default_rng(0).integers(0, 256, (count, channels, *resolution), dtype=np.uint8)
    np.save(path, pictures)
    return np.load(path, mmap_mode="r")


def ours(pictures: np.ndarray[Any, Any], overrides: dict[str, Any]) -> tuple[TrainState, Callable[[], None]]:
    """A state, and a function that plays one of our steps with what belongs to it."""
    settings = build_settings({"network": "dcgan", "batch": BATCH, "images": 10**9, **overrides})
    _, channels, height, width = pictures.shape
    config = ModelConfig(network="dcgan", resolution=(height, width), channels=channels, z_dim=100, width=64)
    state = TrainState.create(settings, config, CPU)
    batches, averager = Batches(pictures, None, BATCH, 0, CPU), Averager()

    def step() -> None:
        averager.add(train_step(state, batches, 0.0))
        if state.step % 50 == 0:
            averager.take()

    return state, step


def plain(pictures: np.ndarray[Any, Any], state: TrainState) -> Callable[[], None]:
    """The textbook step on networks of the same kind, fed from a float tensor in memory: nothing around it."""
    fresh = TrainState.create(state.game.settings, state.config, CPU)
    G, D = (n.to(memory_format=torch.contiguous_format) for n in (fresh.game.G, fresh.game.D))
    loop = TextbookLoop(G, D, fresh.config.z_dim)
    real = torch.from_numpy(pictures[:BATCH].copy()).float() / 127.5 - 1
    return lambda: loop.step(real)


def images_per_s(step: Callable[[], None], steps: int) -> float:
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * BATCH / (time.perf_counter() - began)


def gflop_per_step(step: Callable[[], None]) -> float:
    """Floating-point operations of one step as PyTorch counts them (convolutions and matrix products)."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / 1e9


def compare(name: str, folder: Path, rounds: int, steps: int) -> dict[str, Any]:
    resolution, channels, overrides = CASES[name]
    pictures = store_of(folder, resolution, channels)
    state, our_step = ours(pictures, overrides)
    their_step = plain(pictures, state)
    for step in (our_step, their_step):
        images_per_s(step, 3)
    pairs = []
    for _ in range(rounds):
        theirs = images_per_s(their_step, steps)
        pairs.append((images_per_s(our_step, steps), theirs))
    ratios = [a / b for a, b in pairs]
    flop = gflop_per_step(our_step)
    our_rate = statistics.median(a for a, _ in pairs)
    row = {
        "case": name,
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "ours_images_per_s": round(our_rate, 1),
        "textbook_images_per_s": round(statistics.median(b for _, b in pairs), 1),
        "our_gflop_per_image": round(flop / BATCH, 3),
        "share_of_matrix_peak": round(our_rate / BATCH * flop / matrix_gflops(CPU, torch.float32, 2048, 2.0), 3),
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
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument(
        "--loop", type=float, default=0.0, metavar="MINUTES", help="also measure the loop around the step"
    )
    parser.add_argument("--case", choices=list(CASES), help="only this one")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names = [arguments.case] if arguments.case else list(CASES)
        rows = [compare(name, Path(folder), arguments.rounds, arguments.steps) for name in names]
    if arguments.loop:
        rows.append(loop_overhead(arguments.loop))
    if arguments.out:
        facts = {"schema": 1, "device": device_words(CPU), "versions": versions(), "batch": BATCH, "rows": rows}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
