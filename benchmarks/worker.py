"""A process of its own for each side of a comparison of speed, as users have it, idle unless asked."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

FLOP = "flop"


class Worker:
    """Asks a script that answers each line with a number. words: the script and its flags."""

    def __init__(self, words: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, line: str) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


def answer(step: Callable[[], None], clock: Callable[[], float] = time.perf_counter) -> None:
    """The other end: the seconds of as many steps as each line of stdin asks for, or what one step computes."""
    for line in sys.stdin:
        if line.strip() == FLOP:
            print(gflop_per_step(step), flush=True)
            continue
        began = clock()
        for _ in range(int(line)):
            step()
        print(clock() - began, flush=True)


def gflop_per_step(step: Callable[[], None]) -> float:
    """Floating-point operations of one step as PyTorch counts them (convolutions and matrix products)."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / 1e9
