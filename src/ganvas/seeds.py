"""Numbers that depend on a seed alone: the same in any batch, process and version of a library.

Every seed has a stream of its own, made by the mixing function of splitmix64 (Steele et al., 2014) from the seed and a
counter, for all seeds at once: a random generator per seed would cost a tenth of a small network's sampling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_STEP = np.uint64(0x9E3779B97F4A7C15)


def uniforms(seeds: Sequence[int], counters: NDArray[np.uint64]) -> NDArray[np.float64]:
    """In (0, 1]: [N] seeds below 2^63, [K] counters -> [N, K]."""
    keys = _mixed(np.asarray(seeds, np.uint64) + _STEP)
    bits = _mixed(keys[:, None] + (counters + np.uint64(1)) * _STEP)
    return ((bits >> np.uint64(11)) + np.uint64(1)).astype(np.float64) * 2.0**-53


def normals(seeds: Sequence[int], count: int) -> NDArray[np.float32]:
    """Standard normal numbers: [N] seeds -> [N, count] (Box and Muller, 1958), from the counters 1 on."""
    pairs = (count + 1) // 2
    u = uniforms(seeds, np.arange(1, 2 * pairs + 1, dtype=np.uint64))
    length, angle = np.sqrt(-2 * np.log(u[:, :pairs])), 2 * np.pi * u[:, pairs:]
    both = np.concatenate([length * np.cos(angle), length * np.sin(angle)], axis=1)
    return both[:, :count].astype(np.float32)


def choices(seeds: Sequence[int], shares: Sequence[float]) -> NDArray[np.int64]:
    """One of `len(shares)` places per seed, as often as its share: [N] seeds -> [N], from the counter 0."""
    edges = np.cumsum(shares)
    draws = uniforms(seeds, np.zeros(1, np.uint64))[:, 0]
    return np.searchsorted(edges[:-1], draws, side="left").astype(np.int64)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x ^ (x >> np.uint64(31))
