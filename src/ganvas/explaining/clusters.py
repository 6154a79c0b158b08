"""Groups of pictures where there are no labels: k-means on features."""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked, squared_distances

STARTS = 4
STEPS = 50


def k_means(features: Tensor, k: int, seed: int = 0) -> Tensor:
    """Centres of k groups: [N, F] -> [k, F] float64, the largest group first (Lloyd, 1982).

    The best of four starts, each chosen far apart (k-means++, Arthur and Vassilvitskii, 2007); the same seed gives the
    same centres. Raises ValueError for fewer samples than groups, or as `checked`.
    """
    x = checked("the set", features, at_least=k)
    generator = torch.Generator().manual_seed(seed)
    best, least = x[:k], torch.inf
    for _ in range(STARTS):
        centres = _far_apart(x, k, generator)
        for _ in range(STEPS):
            groups = assign(x, centres)
            moved = torch.stack([x[groups == i].mean(0) if bool((groups == i).any()) else centres[i] for i in range(k)])
            if torch.equal(moved, centres):
                break
            centres = moved
        spread_within = float(squared_distances(x, centres).amin(1).sum())
        if spread_within < least:
            best, least = centres, spread_within
    sizes = torch.bincount(assign(x, best), minlength=k)
    return best[sizes.argsort(descending=True, stable=True)]


def assign(features: Tensor, centres: Tensor) -> Tensor:
    """The nearest centre of each: [N, F], [k, F] -> [N] int64."""
    return squared_distances(features.to(centres.dtype), centres).argmin(1)


def _far_apart(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Rows of x, each drawn by its squared distance to those before: [N, F] -> [k, F]."""
    chosen = [int(torch.randint(len(x), (1,), generator=generator))]
    for _ in range(k - 1):
        chances = squared_distances(x, x[chosen]).amin(1)
        if float(chances.sum()) == 0:  # fewer unlike pictures than groups
            chances = torch.ones_like(chances)
        chosen.append(int(torch.multinomial(chances, 1, generator=generator)))
    return x[chosen]
