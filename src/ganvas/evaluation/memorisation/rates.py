"""Shares with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

NORMAL_95 = 1.959964


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
        """With share 0 and the interval 0 to 1 for none of none."""
        return cls(hits, total, hits / total if total else 0.0, *_wilson_interval(hits, total))


def _wilson_interval(hits: int, total: int) -> tuple[float, float]:
    if total == 0:
        return 0.0, 1.0
    share, z = hits / total, NORMAL_95
    centre = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    low = 0.0 if hits == 0 else (centre - reach) / scale  # exactly, where rounding would leave a little
    high = 1.0 if hits == total else (centre + reach) / scale
    return low, high
