"""Randomness from counters: what step 1000 draws depends on the seed and on 1000, not on what was drawn before.

That makes any step repeatable in any process, a resumed run equal to one that was never stopped, and a batch that is
shared out among processes, or taken in parts, equal to the whole one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor


def generator_for(device: torch.device | str, *counters: int) -> Generator:
    """A torch random generator that depends on the counters alone, for example (seed, step)."""
    # Hashed, because Mersenne Twisters with neighbouring seeds start alike.
    state = int(np.random.SeedSequence(counters).generate_state(1, np.uint32)[0])
    return Generator(device).manual_seed(state)


@dataclass(frozen=True)
class Rows:
    """A part of a batch of `total` pictures: those from number `start` on."""

    total: int
    start: int = 0


class Draws:
    """Random numbers for each picture of a batch, or for some rows of it: the same, whoever draws the others.

    counters: what they depend on. rows: which part of a batch is drawn for; None: whole batches of any size.
    """

    def __init__(self, device: torch.device | str, counters: tuple[int, ...], rows: Rows | None = None) -> None:
        self.device, self.counters, self.rows = torch.device(device), counters, rows
        self._generator = generator_for(device, *counters)

    def at(self, *counters: int, offset: int = 0) -> Draws:
        """Other numbers, which depend on more counters; for the rows from `offset` on."""
        rows = self.rows
        if offset:
            assert rows is not None, "a part of a batch of unknown size cannot be drawn for"
            rows = Rows(rows.total, rows.start + offset)
        return Draws(self.device, (*self.counters, *counters), rows)

    def normal(self, n: int, *shape: int) -> Tensor:
        """N(0, 1): [n, *shape] float32."""
        whole = torch.randn((self._total(n), *shape), generator=self._generator, device=self.device)
        return self._part(whole, n)

    def uniform(self, n: int, *shape: int) -> Tensor:
        """From 0 up to but not 1: [n, *shape] float32."""
        whole = torch.rand((self._total(n), *shape), generator=self._generator, device=self.device)
        return self._part(whole, n)

    def integers(self, below: int, n: int, *shape: int) -> Tensor:
        """From 0 to below - 1: [n, *shape] int64."""
        whole = torch.randint(0, below, (self._total(n), *shape), generator=self._generator, device=self.device)
        return self._part(whole, n)

    def _total(self, n: int) -> int:
        return n if self.rows is None else self.rows.total

    def _part(self, whole: Tensor, n: int) -> Tensor:
        start = 0 if self.rows is None else self.rows.start
        assert start + n <= len(whole), f"rows {start} to {start + n} of a batch of {len(whole)}"
        return whole[start : start + n]
