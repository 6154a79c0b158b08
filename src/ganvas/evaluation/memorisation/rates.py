"""Shares with an interval, and whether one is larger than another by more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ganvas.evaluation.metrics.interval import wilson_interval

ONE_IN_A_HUNDRED = 2.326  # standard errors, which chance alone exceeds so often


@dataclass(frozen=True)
class Rate:
    """`hits` of `total`, their share, and its 95 % interval after Wilson (1927)."""

    hits: int
    total: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, total: int) -> Rate:
        """Raises ValueError for an impossible share."""
        found = wilson_interval(hits, total)
        return cls(hits, total, hits / total, found.low, found.high)

    def exceeds(self, other: Rate) -> bool:
        """Whether it is larger by more than chance would make it one time in a hundred.

        By the interval of a difference of two shares that Newcombe (1998, method 10) makes of Wilson's intervals.
        """
        mine = wilson_interval(self.hits, self.total, ONE_IN_A_HUNDRED)
        theirs = wilson_interval(other.hits, other.total, ONE_IN_A_HUNDRED)
        return self.share - other.share > math.hypot(self.share - mine.low, theirs.high - other.share)
