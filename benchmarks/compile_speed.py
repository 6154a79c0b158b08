"""Images per second with --compile, as a ratio to the same recipe without, in interleaved rounds of two processes.

    python benchmarks/compile_speed.py --rounds 3 --out benchmarks/results/compile_speed.json

Both sides play the same steps of the same recipe on the same pictures. Compiling itself is timed apart: the run has to
earn it back. Passes with a penalty on the gradient of D are never compiled: a lazy penalty leaves the others.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from ganvas.data.batches import Batches
from ganvas.devices import device_words, keep_freed_memory, pick_device
from ganvas.model import ModelConfig
from ganvas.recipes import RECIPES
from ganvas.settings import build_settings
from ganvas.training.play import train_step
from ganvas.training.state import TrainState
from ganvas.versions import versions

# recipe, side, channels, what is smaller than in the row so that a core manages
CASES = {
    "fast, 28x28x1": ("fast", 28, 1, {}),
    "fast, 64x64x3": ("fast", 64, 3, {}),
    "dcgan, 64x64x3": ("dcgan", 64, 3, {}),
    "sngan, 32x32x3": ("sngan", 32, 3, {}),
    "r3gan, 32x32x3": ("r3gan", 32, 3, {}),
    "stylegan2, 32x32x3": ("stylegan2", 32, 3, {}),
}


def work(name: str, compiled: bool) -> None:
    """One side in its own process: seconds of as many steps as each line of stdin asks."""
    recipe, side, channels, more = CASES[name]
    device = pick_device("auto")
    if device.type == "cpu":
        keep_freed_memory()
    settings = build_settings({**RECIPES[recipe].cells, **more, "images": 10**9, "compile": compiled})
    config = ModelConfig(
        network=settings.network, resolution=(side, side), channels=channels, bits=8, z_dim=settings.z_dim,
        width=settings.width, max_width=settings.max_width, recipe=recipe, source="",
    )  # fmt: skip
    problems: list[str] = []
    state = TrainState.create(settings, config, device, problems.append)
    pictures = torch.randint(0, 256, (512, channels, side, side), dtype=torch.uint8).numpy()
    batches = Batches(pictures, None, settings.batch, 0, device)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            train_step(state, batches, 0.0)
        if device.type == "cuda":
            torch.cuda.synchronize()
        answer = {"seconds": time.perf_counter() - began, "batch": settings.batch, "problems": problems}
        print(json.dumps(answer), flush=True)


class Worker:
    """One side, idle unless asked."""

    def __init__(self, name: str, side: str) -> None:
        words = [sys.executable, __file__, "--case", name, "--worker", side]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, steps: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def compare(name: str, rounds: int, seconds: float) -> dict[str, Any]:
    """The ratio of both sides' rates, the median over the rounds."""
    plain, compiled = Worker(name, "plain"), Worker(name, "compiled")
    plain.ask(16)
    first = compiled.ask(16)  # with every kind of step: lazy penalties come at each 4th or 16th
    warm = compiled.ask(16)
    steps = max(16, 16 * round(seconds / plain.ask(16)["seconds"]))
    pairs = [(plain.ask(steps), compiled.ask(steps)) for _ in range(rounds)]
    plain.close()
    compiled.close()
    rates = [[steps * p["batch"] / p["seconds"] for p in pair] for pair in pairs]
    return {
        "plain, images/s": [round(a, 1) for a, _ in rates],
        "compiled, images/s": [round(b, 1) for _, b in rates],
        "ratio": round(statistics.median(b / a for a, b in rates), 3),
        "compiling, s": round(first["seconds"] - warm["seconds"], 1),
        "fell back": pairs[-1][1]["problems"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.case, compiled=arguments.worker == "compiled")
        return
    found = {}
    for name in arguments.cases:
        found[name] = compare(name, arguments.rounds, arguments.seconds)
        print(f"{name:24} {json.dumps(found[name])}", flush=True)
    if arguments.out:
        command = f"python benchmarks/compile_speed.py --rounds {arguments.rounds} --out {arguments.out}"
        document = {"command": command, "versions": versions(), "device": device_words(pick_device("auto"))}
        arguments.out.write_text(json.dumps({**document, "cases": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
