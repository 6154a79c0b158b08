"""What every verdict measures: distances, diversity and classes, each with the interval that chance leaves it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganvas.evaluation.metrics import modes
from ganvas.evaluation.metrics.frechet import Statistics, frechet_distance_of_features
from ganvas.evaluation.metrics.interval import bootstrap_interval, frechet_interval, wilson_interval
from ganvas.evaluation.metrics.kernel import kernel_distances, squared_mmd
from ganvas.evaluation.metrics.manifold import ball_counts, precision_and_recall
from ganvas.evaluation.sides import Bounds, Measured, Side, in_manifold

MOST_IN_MANIFOLD = 3_000  # pictures a side for precision, recall, density and coverage
PRECISION_K, DENSITY_K = 3, 5
KERNEL_SUBSET = 1_000
DRAWS = 50  # of a bootstrap
FEW_DRAWS = 10  # where one draw takes seconds
WIDE = 512  # features, from which one does
Z = 1.96  # standard errors to either side


def measure(sample: Side, reference: Side, shares: Tensor | None, *, intervals: bool) -> dict[str, Measured]:
    """Every number that the two sides are large enough for, by name, in the order of `MEANINGS`.

    shares: [K], how often each class comes among real pictures, where there are classes.
    """
    found = {**_distances(sample, reference, intervals), **_manifold(sample, reference, intervals)}
    if sample.probabilities is not None and shares is not None:
        found |= _classes(sample, reference, shares, intervals)
    return found


def _distances(sample: Side, reference: Side, intervals: bool) -> dict[str, Measured]:
    a, b = sample.features, reference.features
    counts = len(a), len(b)
    # A cubic kernel would let the scale of the features decide what is noise, so the real ones get a mean square of 1.
    scale = b.square().mean().sqrt().clamp_min(1e-12)
    kernels = kernel_distances(a / scale, b / scale, subset=KERNEL_SUBSET)
    around = frechet_bounds(a, b) if intervals else None
    beside = _kernel_bounds(kernels, a / scale, b / scale) if intervals else None
    return {
        "frechet_distance": Measured(frechet_distance_of_features(a, b), *counts, around),
        "kernel_distance": Measured(sum(kernels) / len(kernels), *counts, beside),
    }


def frechet_bounds(a: Tensor, b: Tensor) -> Bounds | None:
    """Of the Fréchet distance of [N, F] to [M, F], by a bootstrap of the samples."""
    if min(len(a), len(b)) < 2:
        return None
    statistics = Statistics(b.shape[1])
    statistics.add(b)
    found = frechet_interval(a, statistics, draws=DRAWS if a.shape[1] <= WIDE else FEW_DRAWS)
    return found.low, found.high


def _kernel_bounds(kernels: list[float], a: Tensor, b: Tensor) -> Bounds:
    """From subsets where there are some; they overlap, so they count for no more than would fit beside each other."""
    if len(kernels) == 1:
        found = bootstrap_interval(lambda rows: squared_mmd(rows, b.double()), a.double(), draws=FEW_DRAWS)
        return found.low, found.high
    values = torch.tensor(kernels, dtype=torch.float64)
    fewer = min(len(a), len(b))
    apart = min(len(kernels), fewer / min(KERNEL_SUBSET, fewer))
    half = Z * float(values.std()) / math.sqrt(apart)
    return float(values.mean()) - half, float(values.mean()) + half


def _manifold(sample: Side, reference: Side, intervals: bool) -> dict[str, Measured]:
    fake, real = (side.features[in_manifold(len(side), MOST_IN_MANIFOLD)] for side in (sample, reference))
    counts, fewest, found = (len(fake), len(real)), min(len(fake), len(real)), dict[str, Measured]()
    if fewest > PRECISION_K:
        precision, recall = precision_and_recall(real, fake, PRECISION_K)
        found["precision"] = Measured(precision, *counts, _share(precision, len(fake), intervals))
        found["recall"] = Measured(recall, *counts, _share(recall, len(real), intervals))
    if fewest > DENSITY_K:
        balls, covered = ball_counts(real, fake, DENSITY_K)
        density, coverage = float(balls.double().mean()) / DENSITY_K, float(covered.double().mean())
        half = Z * float(balls.double().std()) / DENSITY_K / math.sqrt(len(balls))
        found["density"] = Measured(density, *counts, (density - half, density + half) if intervals else None)
        found["coverage"] = Measured(coverage, *counts, _share(coverage, len(real), intervals))
    return found


def _classes(sample: Side, reference: Side, shares: Tensor, intervals: bool) -> dict[str, Measured]:
    assert sample.probabilities is not None, "the caller looked"
    counts = len(sample), len(reference)
    drawn, real = sample.probabilities.argmax(1), len(reference)
    divergence = modes.class_divergence(drawn, shares, real)
    around = None
    if intervals and len(drawn) > 1:
        # Of one number each, so the bootstrap costs nothing.
        found = bootstrap_interval(lambda x: modes.class_divergence(x[:, 0].long(), shares, real), drawn[:, None])
        around = max(0.0, found.low), found.high
    sure = modes.sure_share(sample.probabilities)
    numbers = {
        "class_coverage": Measured(modes.class_coverage(drawn, shares), *counts),
        "class_divergence": Measured(divergence, *counts, around),
        "sure_share": Measured(sure, *counts, _share(sure, len(sample), intervals)),
    }
    if sample.labels is not None:
        agreement = modes.class_agreement(sample.probabilities, sample.labels)
        numbers["class_agreement"] = Measured(agreement, *counts, _share(agreement, len(sample), intervals))
    return numbers


def _share(share: float, count: int, intervals: bool) -> Bounds | None:
    return share_bounds(share, count) if intervals else None


def share_bounds(share: float, count: int) -> Bounds:
    """Of a share of so many pictures (Wilson)."""
    found = wilson_interval(round(share * count), count)
    return found.low, found.high
