"""Which pictures stand for all of them, when looking at all would take too long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` row numbers, spread evenly over `count` rows and in order: -> [min(count, most)].

    Evenly, because data sets are often sorted by class.
    """
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
