"""Images per second of pix2pix's training step, as a ratio to the textbook loop on the same networks.

    python benchmarks/painting_speed.py --out benchmarks/results/painting_speed.json

Protocol. The networks, learning rates and batch of the recipe `pix2pix` at 64 and 128 pixels; random pairs. Ours is
what `ganvas train` does at every step: batches from a mapped store, conversion, both turns, average, statistics. The
other side is `textbook_pix2pix.py`, fed from one batch in memory; and, as `tuned`, the same loop with what PyTorch
offers for speed (channels last, `fused=True`) and freed memory kept. Each side has a process of its own with as many
threads; they take turns, each as often first as second. The ratio is of the two times of one round: wall time, or with
`--cpu-time` that of the process itself, which a busy machine disturbs less (give it OMP_NUM_THREADS=1).
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
from numpy.typing import NDArray
from torch import nn

from ganvas.data.batches import Batches
from ganvas.devices import keep_freed_memory
from ganvas.games.table import make_players
from ganvas.model_folder import Config
from ganvas.recipes import find_recipe
from ganvas.settings import TrainSettings
from ganvas.tasks.table import TASKS
from ganvas.training.journal import Averager
from ganvas.training.play import train_step
from ganvas.training.state import TrainState
from textbook_pix2pix import TextbookPix2pix
from training_runs import circumstances, write
from worker import FLOP, Worker, answer

CPU = torch.device("cpu")
SIDES = (64, 128)
PAIRS = 256
OTHERS = ("textbook", "tuned")
Step = Callable[[], None]


def recipe(side: int) -> tuple[TrainSettings, Config]:
    return TASKS["translate"].example(find_recipe("pix2pix"), (side, side), images=10**9)


def store_of(folder: Path, side: int) -> NDArray[np.uint8]:
    """Random pairs in a mapped file, as a store's are: [N, 6, side, side]."""
    path = folder / f"{side}.npy"
    if not path.is_file():
        np.save(path, np.random.default_rng(0).integers(0, 256, (PAIRS, 6, side, side), dtype=np.uint8))
    return np.load(path, mmap_mode="r")


def ours(pairs: NDArray[np.uint8]) -> Step:
    settings, config = recipe(pairs.shape[2])
    state = TrainState.create(settings, config, CPU)
    batches, averager = Batches(pairs, None, settings.batch, 0, CPU), Averager()

    def step() -> None:
        averager.add(train_step(state, batches, 0.0))
        if state.step % 50 == 0:
            averager.take()

    return step


def textbook(pairs: NDArray[np.uint8], tuned: bool) -> Step:
    settings, config = recipe(pairs.shape[2])
    torch.manual_seed(0)
    players = make_players(settings, config, None)
    memory = torch.channels_last if tuned else torch.contiguous_format
    networks: list[nn.Module] = [players[name].to(memory_format=memory) for name in ("G", "D")]
    loop = TextbookPix2pix(*networks, settings.g_lr, settings.d_lr, fused=tuned)
    both = torch.from_numpy(pairs[: settings.batch].copy()).float() / 127.5 - 1
    a, b = (part.contiguous(memory_format=memory) for part in both.split(3, dim=1))
    return lambda: loop.step(a, b)


def work(side: int, who: str, folder: Path, cpu_time: bool) -> None:
    if who != "textbook":
        keep_freed_memory()  # as `ganvas train` does
    pairs = store_of(folder, side)
    answer(
        ours(pairs) if who == "ours" else textbook(pairs, tuned=who == "tuned"),
        time.process_time if cpu_time else time.perf_counter,
    )


def compare(side: int, other: str, folder: Path, rounds: int, seconds: float, cpu_time: bool) -> dict[str, Any]:
    batch = recipe(side)[0].batch
    words = [__file__, "--side", str(side), "--folder", str(folder), *(["--cpu-time"] if cpu_time else []), "--worker"]
    our_side, their_side = (Worker([*words, who]) for who in ("ours", other))
    for worker in (our_side, their_side):
        worker.ask("3")
    steps = max(3, round(seconds / (their_side.ask("3") / 3)))
    rates = []
    for number in range(rounds):
        order = (our_side, their_side) if number % 2 else (their_side, our_side)
        found = {id(worker): steps * batch / worker.ask(str(steps)) for worker in order}
        rates.append((found[id(our_side)], found[id(their_side)]))
    flop = our_side.ask(FLOP)
    for worker in (our_side, their_side):
        worker.close()
    ratios = [a / b for a, b in rates]
    row = {
        "pixels": side,
        "batch": batch,
        "against": other,
        "rounds": rounds,
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "ours_images_per_s": round(statistics.median(a for a, _ in rates), 2),
        "theirs_images_per_s": round(statistics.median(b for _, b in rates), 2),
        "our_gflop_per_image": round(flop / batch, 2),
    }
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="even, so that each side is as often first")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each side in each round")
    parser.add_argument("--against", choices=OTHERS, nargs="+", default=list(OTHERS))
    parser.add_argument("--side", type=int, choices=SIDES, help="only this one")
    parser.add_argument("--cpu-time", action="store_true", help="compare CPU time instead of wall time")
    parser.add_argument("--worker", choices=("ours", *OTHERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.side, arguments.worker, arguments.folder, arguments.cpu_time)
        return
    with tempfile.TemporaryDirectory() as folder:
        sides = (arguments.side,) if arguments.side else SIDES
        for side in sides:
            store_of(Path(folder), side)  # before the two race to write it
        rows = [
            compare(side, other, Path(folder), arguments.rounds, arguments.seconds, arguments.cpu_time)
            for side in sides
            for other in arguments.against
        ]
    write(arguments.out, {**circumstances("cpu"), "time": "CPU" if arguments.cpu_time else "wall", "rows": rows})


if __name__ == "__main__":
    main()
