"""Structural similarity over several scales, of a pair and, as a measure of diversity, within a set.

Pair: Wang et al. (2003). Diversity: the mean over pairs of pictures of one class (Odena et al., 2017); high similarity
among generated pictures, above that among the real ones, is what a collapsed class looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.evaluation.metrics.pairs import PairMean, mean_over_pairs
from ganvas.evaluation.metrics.pictures import checked_pictures, levels
from ganvas.evaluation.metrics.restoration import WINDOW, checked_levels, similarity
from ganvas.images import Integers

# From the finest scale to the coarsest, measured with people. They sum to 1.0001, and five are used as they are.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@dataclass(frozen=True)
class MsSsimDiversity:
    """Mean similarity of pairs, in [0, 1]: the lower, the more diverse. Compare only numbers of as many scales."""

    similarity: PairMean
    scales: int


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Multi-scale SSIM: [N, C, H, W] in [0, 1], twice -> [N] float64 in [0, 1], 1 if equal.

    The mean over channels. Pictures below 161 pixels a side have fewer than five scales (`scales_of`): the weights of
    the finer ones are used then, divided by their sum. A negative contrast-structure term counts as 0. Raises
    ValueError below 11 pixels a side, or as `checked_levels`.
    """
    a, b = checked_levels(a, b)
    scales = scales_of(*a.shape[2:])
    whole = 1.0 if scales == len(WEIGHTS) else sum(WEIGHTS[:scales])
    product = torch.ones(a.shape[:2], dtype=a.dtype, device=a.device)  # [N, C]
    for scale, weight in enumerate(WEIGHTS[:scales]):
        luminance, structure = similarity(a, b)
        last = scale == scales - 1
        term = (luminance * structure if last else structure).mean((2, 3)).clamp_min(0)
        product = product * term ** (weight / whole)
        if not last:
            a, b = _halved(a), _halved(b)
    return product.mean(1)


def scales_of(height: int, width: int) -> int:
    """How many scales, at most 5, have 11 pixels a side. Raises ValueError if not even the picture itself has."""
    side, scales = min(height, width), 0
    while side >= WINDOW and scales < len(WEIGHTS):
        side, scales = (side + 1) // 2, scales + 1
    if scales == 0:
        raise ValueError(
            f"the pictures are {height}x{width} pixels, MS-SSIM needs {WINDOW} a side: use larger pictures"
        )
    return scales


def ms_ssim_diversity(
    images: Integers, labels: NDArray[np.int64] | None = None, *, pairs: int = 1000, seed: int = 0
) -> MsSsimDiversity:
    """Mean MS-SSIM of random pairs: [N, C, H, W] uint8 or uint16, and classes [N] -> within each class, else of all.

    `pairs`: of each class. Raises ValueError if no two pictures can be paired, or below 11 pixels a side.
    """
    checked_pictures("the set", images, at_least=2)
    scales = scales_of(*images.shape[2:])

    def compare(first: NDArray[np.int64], second: NDArray[np.int64]) -> Tensor:
        return ms_ssim(levels(images, first), levels(images, second))

    return MsSsimDiversity(mean_over_pairs(len(images), labels, compare, pairs=pairs, seed=seed), scales)


def _halved(x: Tensor) -> Tensor:
    """Means of 2x2 pixels; a last odd row or column stays alone."""
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
