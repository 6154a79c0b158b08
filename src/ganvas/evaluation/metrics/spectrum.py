"""Radial power spectra: how much of a set's contrast lies at which fineness (Durall et al., 2020).

Upsampling leaves traces at the finest frequencies that eyes overlook and a spectrum shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.metrics.pictures import checked_pictures, levels, row_pieces
from ganvas.images import Integers

FLOOR = (
    1 / 255
) ** 2 / 12  # power of rounding to 8 bits: what lies below cannot be seen, and a plain picture has a log


@dataclass(frozen=True)
class Spectrum:
    """The mean over a set's pictures of their spectra, and how much they differ.

    frequencies: [R], cycles per pixel, above 0 up to 0.71 (the corners; 0.5 is the finest along an axis).
    mean, spread: [R], decibels: ten times the logarithm of the power per frequency, of values in [0, 1].
    """

    frequencies: Tensor
    mean: Tensor
    spread: Tensor
    pictures: int


def spectrum(images: Integers) -> Spectrum:
    """The mean spectrum of a set: [N, C, H, W] uint8 or uint16. Raises ValueError for other shapes or types."""
    checked_pictures("the set", images)
    if min(images.shape[2:]) < 2:
        raise ValueError(
            f"the pictures are {list(images.shape[2:])} pixels, a spectrum needs 2 a side: use larger ones"
        )
    frequencies, ring_of = rings(*images.shape[2:])
    total, squares = torch.zeros(2, len(frequencies), dtype=torch.float64)
    for rows in row_pieces(np.arange(len(images))):
        decibels = spectra(images, rows, ring_of)
        total += decibels.sum(0)
        squares += decibels.square().sum(0)
    mean = total / len(images)
    spread = (squares / len(images) - mean.square()).clamp_min(0).sqrt()
    return Spectrum(frequencies, mean, spread, len(images))


def spectrum_distance(a: Spectrum, b: Spectrum) -> float:
    """Root mean square difference of two mean spectra over all frequencies, in decibels; 0: the same.

    Raises ValueError for spectra of pictures of different sizes.
    """
    if not torch.equal(a.frequencies, b.frequencies):
        raise ValueError("the spectra are of pictures of different sizes: bring both sets to one size")
    return float((a.mean - b.mean).square().mean().sqrt())


def spectra(images: Integers, rows: NDArray[np.int64], ring_of: Tensor) -> Tensor:
    """The spectrum of each of those pictures in decibels: -> [len(rows), R]. ring_of: [H, W], from `rings`.

    The power of all channels is averaged. No window is laid over the pictures, so that edges that do not meet show
    along the axes, for real and generated ones alike.
    """
    x = levels(images, rows)
    power = torch.fft.fft2(x).abs().square().mean(1) / (
        x.shape[2] * x.shape[3]
    )  # [N, H, W]; of white noise its variance
    counts = torch.bincount(ring_of.flatten())
    sums = torch.zeros(len(x), len(counts), dtype=x.dtype).index_add_(1, ring_of.flatten(), power.flatten(1))
    return 10 * (sums[:, 1:] / counts[1:] + FLOOR).log10()


def rings(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Frequencies [R] and, for each place of the transform [H, W], the number of its ring from 1 to R.

    Rings are one frequency of the shorter side wide. Place 0, the brightness, has number 0.
    """
    down, across = (torch.fft.fftfreq(side, dtype=torch.float64) for side in (height, width))
    side = min(height, width)
    radius = torch.hypot(down[:, None], across) * side
    nearest = radius.round().to(torch.int64)
    nearest[(nearest == 0) & (radius > 0)] = 1  # of a long picture, slower than its shorter side can show
    numbers, ring_of = np.unique(nearest.numpy(), return_inverse=True)
    return torch.from_numpy(numbers[1:] / side), torch.from_numpy(ring_of.reshape(height, width))
