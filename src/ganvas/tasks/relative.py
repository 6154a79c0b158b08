"""Distances between sets of pictures and between pairs, in a judge's features, over what unlike pictures are apart."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.metrics.frechet import frechet_distance_of_features
from ganvas.images import Integers
from ganvas.tasks.shown import mean_difference


def relative_frechet(found: Tensor, reference: Tensor) -> float:
    """Fréchet distance over the variance of the reference, [N, F] and [M, F]: 0 the same; inf if not finite.

    1 is about what the mean picture, painted always, would get.
    """
    if not bool(found.isfinite().all()):
        return math.inf
    return frechet_distance_of_features(found, reference) / (float(reference.var(0).sum()) + 1e-12)


def feature_distances(found: Tensor, targets: Tensor) -> NDArray[np.float64]:
    """Distance of each to its target over the mean distance of targets of others: [N, F] twice -> [N].

    0: the same to the judge, 1: as unlike as two pictures of the set.
    """
    usual = (targets - targets.roll(1, 0)).norm(dim=1).mean().clamp_min(1e-12)
    apart = (found - targets).norm(dim=1) / usual
    return np.asarray(apart.to(torch.float64).numpy())


def relative_difference(pictures: Integers, targets: Integers) -> float:
    """Mean absolute difference over that of targets of others: 1 is no nearer than another target."""
    usual = mean_difference(np.roll(targets, 1, axis=0), targets).mean()
    return float(mean_difference(pictures, targets).mean() / max(usual, 1e-12))
