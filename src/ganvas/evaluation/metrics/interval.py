"""How far a number could be off by chance: 95 % intervals of metrics, shares and means over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked
from ganvas.evaluation.metrics.frechet import Statistics, frechet_distance

DRAWS = 200
Z = 1.959963984540054  # within +-Z lie 95 % of a normal distribution
STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)  # for 1 to 10 degrees


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, and how it was made."""

    low: float
    high: float
    method: str


def bootstrap_interval(
    metric: Callable[[Tensor], float], samples: Tensor, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Of a metric of features or probabilities: [N, F] -> the middle 95 % of it over sets drawn with replacement.

    The draws are shifted so that their mean lies on the metric of all samples: a set with repeats has less variety,
    which a Fréchet or kernel distance reads as being further off, about as much again as the bias of N samples. Only
    the samples are drawn anew; the reference stays. Not for measures by nearest neighbours (precision, recall,
    density, coverage), to which a repeat is a neighbour at distance 0: the first two and the last are shares, see
    `wilson_interval`. Raises ValueError below 2 samples or draws, or as `checked`.
    """
    checked("the set", samples, at_least=2)
    if draws < 2:
        raise ValueError(f"{draws} draws are too few for an interval: give at least 2, usually {DRAWS}")
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(draws):
        rows = torch.randint(0, len(samples), (len(samples),), generator=generator)
        values.append(metric(samples[rows.to(samples.device)]))
    drawn = torch.tensor(values, dtype=torch.float64)
    low, high = (drawn + (metric(samples) - drawn.mean())).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return Interval(low, high, f"bootstrap, {draws} draws")


def frechet_interval(features: Tensor, reference: Statistics, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Bootstrap interval of the Fréchet distance of features [N, F] to `reference`; its low end is not below 0.

    It is of the distance at N samples, with the bias that N brings, and rather too wide than too narrow. A draw takes
    as long as the distance itself: of features by the thousand take fewer.
    """

    def distance(rows: Tensor) -> float:
        statistics = Statistics(rows.shape[1])
        statistics.add(rows)
        return frechet_distance(statistics.mean, statistics.covariance, reference.mean, reference.covariance)

    found = bootstrap_interval(distance, features, draws=draws, seed=seed)
    return Interval(max(0.0, found.low), found.high, found.method)


def wilson_interval(hits: int, count: int, z: float = Z) -> Interval:
    """Of a share of independent cases, `hits` of `count` (Wilson, 1927). Raises ValueError for an impossible share.

    z: how many standard errors it reaches to either side, where 95 % are not what is asked for.
    """
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"{hits} of {count} is no share: give at least one case and no more hits than cases")
    share, shrink = hits / count, 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    # At 0 and at all hits the end is exact; rounding would leave it a hair beside.
    return Interval(0.0 if hits == 0 else centre - half, 1.0 if hits == count else centre + half, "Wilson")


def mean_interval(values: Sequence[float]) -> Interval:
    """Of the mean of a few independent values, such as one a seed (Student, 1908). Raises ValueError below 2."""
    if len(values) < 2:
        raise ValueError(f"{len(values)} values have no interval: give at least 2 seeds")
    x = torch.tensor(values, dtype=torch.float64)
    half = student(len(values) - 1) * float(x.std()) / math.sqrt(len(values))
    return Interval(float(x.mean()) - half, float(x.mean()) + half, f"Student's t, {len(values)} values")


def student(degrees: int) -> float:
    """Within +- this lie 95 % of Student's t distribution; above 10 degrees by its expansion in 1/degrees."""
    if degrees <= len(STUDENT):
        return STUDENT[degrees - 1]
    first, second = (Z**3 + Z) / 4, (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + first / degrees + second / degrees**2 + third / degrees**3
