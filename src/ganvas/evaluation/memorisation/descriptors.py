"""Pictures made small, and two short descriptors by which those that may be copies are found among many.

The coarse picture finds what is alike at its place and in its colours. The spectrum, the size of each wave without
its place, forgives what a copyist may change: a shift, brightness and contrast (it has unit length), colours (only
the mean of the channels counts) and noise (high frequencies are left out). Mirroring it does not forgive, so
pictures are looked up mirrored too. What is found is then compared pixel by pixel (`alignment`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.images import Integers

LARGEST_SIDE = 64  # larger pictures are averaged to this first
SPECTRUM_SIDE, WAVES = 32, 8  # waves across a picture of at most 32 a side
COARSE_SIDE = 8
AT_ONCE = 1 << 22  # values of pictures in memory at once before they are made small
GREY_LEVEL = 1 / 255


@dataclass(frozen=True)
class Descriptors:
    """Of N pictures, in float32. The distance of two coarse pictures is their root mean square difference."""

    coarse: Tensor  # [N, at most 64 * C]
    spectrum: Tensor  # [N, at most 153]
    mirrored_spectrum: Tensor  # of the mirrored pictures


def describe(images: Integers, rows: NDArray[np.int64]) -> Descriptors:
    """The descriptors of those pictures of [N, C, H, W] integers, in that order."""
    coarse, spectra, mirrored = [], [], []
    for small in _small_pieces(images, rows):
        coarse.append(_coarse(small))
        spectrum = _spectrum(small)
        spectra.append(_unit(spectrum))
        mirrored.append(_unit(_mirrored(spectrum)))
    return Descriptors(torch.cat(coarse), torch.cat(spectra), torch.cat(mirrored))


def load_small(images: Integers, rows: NDArray[np.int64]) -> Tensor:
    """Those pictures, averaged over areas to at most 64 a side: [N, C, H, W] integers -> [n, C, h, w] in [0, 1]."""
    return torch.cat(list(_small_pieces(images, rows)))


def averaged(pictures: Tensor, side: int) -> Tensor:
    """Averaged over areas to at most `side` pixels a side, the aspect kept: [..., C, H, W] -> [..., C, h, w]."""
    height, width = pictures.shape[-2:]
    size = small_size(height, width, side)
    if size == (height, width):
        return pictures
    flat = F.adaptive_avg_pool2d(pictures.flatten(0, -4), size)
    return flat.view(*pictures.shape[:-2], *size)


def small_size(height: int, width: int, side: int = LARGEST_SIDE) -> tuple[int, int]:
    """The size of a picture once it has at most `side` pixels a side."""
    factor = min(1.0, side / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _small_pieces(images: Integers, rows: NDArray[np.int64]) -> Iterator[Tensor]:
    largest, at_once = np.iinfo(images.dtype).max, max(1, AT_ONCE // int(np.prod(images.shape[1:])))
    for start in range(0, len(rows), at_once):
        some = torch.from_numpy(np.ascontiguousarray(images[rows[start : start + at_once]]))
        yield averaged(some.to(torch.float32).div_(largest), LARGEST_SIDE)


def _coarse(small: Tensor) -> Tensor:
    height, width = small.shape[2:]
    flat = F.adaptive_avg_pool2d(small, (min(height, COARSE_SIDE), min(width, COARSE_SIDE))).flatten(1)
    return flat / math.sqrt(flat.shape[1])


def _spectrum(small: Tensor) -> Tensor:
    """[N, C, h, w] -> [N, rows, columns], the root of the size of each wave of the mean channel."""
    grey = averaged(small.mean(1, keepdim=True), SPECTRUM_SIDE)[:, 0]
    height, width = grey.shape[1:]
    grey = grey - grey.mean((1, 2), keepdim=True)
    # Taken down towards the border, or what a shift brings in there would change every wave.
    taper = (_hann(height)[:, None] * _hann(width)).sqrt()
    waves: Tensor = torch.fft.rfft2(grey * taper, norm="ortho").abs()[:, :, : WAVES + 1]
    if height > 2 * WAVES + 1:
        waves = torch.cat([waves[:, : WAVES + 1], waves[:, -WAVES:]], 1)
    return waves.sqrt()  # the root keeps a few strong waves from deciding alone


def _mirrored(spectrum: Tensor) -> Tensor:
    """The spectrum of the mirrored picture: waves that went up go down, [N, rows, columns] -> alike."""
    return torch.cat([spectrum[:, :1], spectrum[:, 1:].flip(1)], 1)


def _unit(spectrum: Tensor) -> Tensor:
    """Each picture's at length 1, or shorter where there is less than a grey level in it: [N, r, c] -> [N, r * c]."""
    flat = spectrum.flatten(1)
    length = flat.square().sum(1, keepdim=True).sqrt()
    return flat / length.clamp_min(math.sqrt(GREY_LEVEL * flat.shape[1]))


def _hann(size: int) -> Tensor:
    return torch.hann_window(size + 2, periodic=False)[1:-1]
