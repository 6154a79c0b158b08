"""How alike the pictures of one set are among themselves: a mean over pairs, within each class where there are any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.metrics.pictures import row_pieces

Rows = NDArray[np.int64]
Compare = Callable[[Rows, Rows], Tensor]  # row numbers [n] and [n] -> one value per pair, [n]


@dataclass(frozen=True)
class PairMean:
    """The mean over pairs; with classes the mean of the classes' means, so that a large class counts no more."""

    value: float
    per_class: dict[int, float]  # empty without labels
    unscored: tuple[int, ...]  # classes with a single picture, which has no pair
    pairs: int  # looked at, of all classes together


def random_pairs(count: int, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs of two different numbers below `count`: -> [P], [P]. All of them once, if they are no more than `pairs`."""
    if count * (count - 1) // 2 <= pairs:
        every = torch.combinations(torch.arange(count), 2)
        return every[:, 0], every[:, 1]
    first = torch.randint(0, count, (pairs,), generator=generator)
    return first, (first + torch.randint(1, count, (pairs,), generator=generator)) % count


def mean_over_pairs(
    count: int, labels: NDArray[np.int64] | None, compare: Compare, *, pairs: int, seed: int
) -> PairMean:
    """Compare `pairs` random pairs among `count` pictures, or that many within each class of `labels` [count].

    The pairs depend on the seed, the count and the labels alone. Raises ValueError if no two pictures can be paired,
    or if a comparison is not finite.
    """
    if labels is not None and len(labels) != count:
        raise ValueError(f"{len(labels)} labels for {count} pictures: give one class for each")
    generator = torch.Generator().manual_seed(seed)
    groups = (
        {0: np.arange(count)} if labels is None else {int(c): np.flatnonzero(labels == c) for c in np.unique(labels)}
    )
    means: dict[int, float] = {}
    compared = 0
    for group, rows in groups.items():
        if len(rows) < 2:
            continue
        first, second = (rows[chosen.numpy()] for chosen in random_pairs(len(rows), pairs, generator))
        values = torch.cat([compare(a, b) for a, b in zip(row_pieces(first), row_pieces(second), strict=True)])
        means[group] = float(values.to(torch.float64).mean())
        if not np.isfinite(means[group]):
            raise ValueError("a comparison gave NaN or an infinite value, expected finite ones: check the network")
        compared += len(first)
    if not means:
        raise ValueError(f"{count} pictures leave no pair to compare: at least 2 are needed, of one class")
    value = sum(means.values()) / len(means)
    unscored = tuple(group for group in groups if group not in means)
    return PairMean(value, {} if labels is None else means, unscored, compared)
