"""Which modes of a mixture of Gaussians in the plane were found, and how well.

A sample is good within 3 sigma of its nearest mode; a mode is found if a good sample is nearest to it (Lin et al.,
2018, PacGAN). Of real samples 98.9 % are good, 1 - exp(-4.5): a larger share means modes narrower than the real ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.evaluation.metrics.modes import count_modes

GOOD_WITHIN = 3.0  # sigma


@dataclass(frozen=True)
class GaussianModes:
    """What was found of equal, round Gaussians."""

    modes: int
    good: float  # share of the samples, in [0, 1]
    spread: float  # root mean square distance of good samples from their modes, over that of good reals; 0: points
    unevenness: float  # KL divergence of the good samples' modes from equal shares, in nats; 0: even


def gaussian_modes(points: Tensor, means: Tensor, sigma: float) -> GaussianModes:
    """Judge samples [N, 2] of a mixture of Gaussians of one sigma around `means` [K, 2], all as likely.

    A sample that is not finite is not good: a generator that diverged is a finding. With no good sample the spread
    is 0 and the unevenness log K. Raises ValueError without samples or for points of another dimension.
    """
    if points.ndim != 2 or means.ndim != 2 or (points.shape[1], means.shape[1]) != (2, 2) or len(points) == 0:
        raise ValueError(
            f"the samples are {list(points.shape)} and the means {list(means.shape)}, expected [samples, 2] and "
            "[modes, 2]: give points of the plane"
        )
    distances = (points[:, None] - means).norm(dim=2)  # [N, K]
    nearest = distances.argmin(dim=1)
    far = distances.min(dim=1).values / sigma
    good = far < GOOD_WITHIN
    if not bool(good.any()):
        return GaussianModes(0, 0.0, 0.0, math.log(len(means)))
    # E[r^2 | r < 3] of a 2-D normal distribution with sigma 1
    limit = GOOD_WITHIN**2 / 2
    expected = 2 - GOOD_WITHIN**2 * math.exp(-limit) / (1 - math.exp(-limit))
    modes, unevenness = count_modes(nearest[good], torch.full((len(means),), 1 / len(means), dtype=torch.float64))
    spread = float((far[good].square().mean() / expected).sqrt())
    return GaussianModes(modes, float(good.double().mean()), spread, unevenness)
