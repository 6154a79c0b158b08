"""A batch in parts that the memory holds, found by trying."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from ganvas.errors import GanvasError
from ganvas.games.engine import Engine

T = TypeVar("T")


class MicroBatches:
    """size: how many pictures go through the networks at once; less as soon as the memory does not hold them.

    share: how many pictures of a batch are this process's. forget: gives back what a turn that failed has left behind.
    give_up: after an error that is not of memory, whether there is a plainer way, which is taken from then on.
    on_problem: told in words when the parts become smaller.
    """

    def __init__(
        self,
        size: int,
        share: int,
        engine: Engine,
        forget: Callable[[], None],
        give_up: Callable[[Exception], bool],
        on_problem: Callable[[str], None],
    ) -> None:
        self.size, self._share, self._engine = size, share, engine
        self._forget, self._give_up, self._on_problem = forget, give_up, on_problem

    def hold(self, n: int) -> bool:
        """Whether n pictures go through at once."""
        return n <= self.size

    def of(self, n: int) -> list[slice]:
        """n pictures in parts."""
        size = min(n, self.size)
        return [slice(start, min(start + size, n)) for start in range(0, n, size)]

    def fitting(self, turn: Callable[[], T]) -> T:
        """What the turn gives; where the memory is too small, of a batch taken in parts of half the size, and so on.

        An update comes last in a turn, so one that fails has changed no weights. Several processes must agree on the
        size beforehand, since the others wait for this one's gradients: there it is a GanvasError that says the size.
        """
        while True:
            try:
                return turn()
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                held = min(self.size, self._share)
                if not _is_out_of_memory(error) and self._give_up(error):
                    self._forget()
                    continue
                if not _is_out_of_memory(error) or held == 1:
                    raise
                self.size = (held + 1) // 2
                if self._engine.world > 1:
                    raise GanvasError(
                        f"process {self._engine.rank} has no memory for {held} pictures at once: give --micro-batch "
                        f"{self.size}, with which the same batch trains in smaller parts"
                    ) from error
            self._forget()
            if self._engine.device.type == "cuda":
                torch.cuda.empty_cache()
            self._on_problem(
                f"the memory does not hold a batch: it goes through the networks in parts of {self.size} "
                f"pictures (--micro-batch {self.size} begins with that)"
            )


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
