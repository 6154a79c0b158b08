"""The kernel distance: unbiased squared MMD with a polynomial kernel of degree 3, the last step of KID.

Unlike the Fréchet distance it assumes no Gaussian and has no bias in the number of samples, so it is the one
to read for small sets; as an unbiased estimate of a number near 0 it may fall slightly below 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked_pair


def kernel_distance(a: Tensor, b: Tensor, *, subset: int = 1000, subsets: int = 20) -> float:
    """Mean over `subsets` draws of `subset` samples a side: [N, F], [M, F] -> MMD^2 (Binkowski et al., 2018).

    The draws are without replacement, the same on every call; a side with fewer samples than `subset` sets
    the size for both, and if both sides are used whole there is one draw. Raises ValueError below 2 samples a
    side, for unequal features or for values that are not finite.
    """
    values = kernel_distances(a, b, subset=subset, subsets=subsets)
    return sum(values) / len(values)


def kernel_distances(a: Tensor, b: Tensor, *, subset: int = 1000, subsets: int = 20) -> list[float]:
    """The distance of each of the draws; a single one where both sides are used whole."""
    a, b = checked_pair(a, b, at_least=2)
    size = min(subset, len(a), len(b))
    if size == len(a) == len(b):
        return [squared_mmd(a, b)]
    generator = torch.Generator().manual_seed(0)
    values = []
    for _ in range(subsets):
        rows_a = torch.randperm(len(a), generator=generator)[:size]
        rows_b = torch.randperm(len(b), generator=generator)[:size]
        values.append(squared_mmd(a[rows_a.to(a.device)], b[rows_b.to(b.device)]))
    return values


def squared_mmd(a: Tensor, b: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy of two sets with k(x, y) = (x.y / F + 1)^3: [N, F], [M, F].

    Equation 4 of Binkowski et al. (2018), after Gretton et al. (2012): pairs of a sample with itself are left
    out.
    """
    n, m = len(a), len(b)
    within_a, within_b = _kernel(a, a), _kernel(b, b)
    mean_a = (within_a.sum() - within_a.trace()) / (n * (n - 1))
    mean_b = (within_b.sum() - within_b.trace()) / (m * (m - 1))
    return float(mean_a + mean_b - 2 * _kernel(a, b).mean())


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """[N, F], [M, F] -> [N, M]."""
    return (a @ b.T / a.shape[1] + 1).pow(3)
