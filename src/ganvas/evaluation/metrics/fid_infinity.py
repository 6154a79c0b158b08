"""The Fréchet distance that infinitely many samples would give (Chong and Forsyth, 2020).

From N samples the distance comes out too high by about a constant over N, another constant for another generator, so
that at equal N the better one may lose. The distance is measured on subsets of several sizes, and a line in 1/N through
them is read at 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked
from ganvas.evaluation.metrics.frechet import Statistics, frechet_distance

POINTS = 15
SMALLEST_SHARE = 10  # the smallest subset is a tenth of the samples, as in the paper (5 000 of 50 000)


@dataclass(frozen=True)
class FrechetAtInfinity:
    """The line's value at 1/N = 0, which may fall slightly below 0, and what it was drawn through."""

    value: float
    slope: float  # distance times samples
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_at_infinity(features: Tensor, reference: Statistics, *, seed: int = 0) -> FrechetAtInfinity:
    """Extrapolate from 15 subsets, evenly spaced in size: [N, F] -> distance to `reference` at infinitely many samples.

    The subsets are drawn without replacement, each anew, from the seed. The bias is a line in 1/N only for subsets
    well above the number of features, so the smallest holds a tenth of the samples and at least 2 F. What is too few
    on the reference's side stays in. Raises ValueError below 4 F samples, for a reference of other features or for
    values that are not finite.
    """
    x = checked("the set", features).cpu()
    count, size = x.shape
    if count < 4 * size:
        raise ValueError(
            f"{count} samples of {size} features are too few for a line in 1/N: give at least {4 * size} samples"
        )
    if size != len(reference.mean):
        raise ValueError(f"the set has {size} features, the reference {len(reference.mean)}: use one network for both")
    sizes = [int(n) for n in torch.linspace(max(count // SMALLEST_SHARE, 2 * size), count, POINTS, dtype=torch.float64)]
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for n in sizes:
        subset = Statistics(size)
        subset.add(x[torch.randperm(count, generator=generator)[:n]])
        distances.append(frechet_distance(subset.mean, subset.covariance, reference.mean, reference.covariance))
    intercept, slope = line_through([1 / n for n in sizes], distances)
    return FrechetAtInfinity(intercept, slope, tuple(sizes), tuple(distances))


def line_through(x: list[float], y: list[float]) -> tuple[float, float]:
    """(value at 0, slope) of the line with the least squares of errors in y."""
    xs, ys = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    centred = xs - xs.mean()
    slope = float((centred * ys).sum() / centred.square().sum())
    return float(ys.mean()) - slope * float(xs.mean()), slope
