"""How near a restored picture is to its original: PSNR and SSIM, plain or as super-resolution papers print them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.evaluation.metrics.pictures import checked_alike, levels, row_pieces
from ganvas.images import Integers

WINDOW, SIGMA = 11, 1.5  # of SSIM's Gaussian weights
C1, C2 = 0.01**2, 0.03**2  # for values in [0, 1]
STUDIO_LUMA = (65.481, 128.553, 24.966)  # ITU-R BT.601 for 8 bits: black is 16, white 235


@dataclass(frozen=True)
class Restoration:
    """Means over the pictures, and the values of each."""

    psnr: float  # decibels; infinite if a picture equals its original
    ssim: float
    psnr_of_each: tuple[float, ...]
    ssim_of_each: tuple[float, ...]


def restoration(restored: Integers, originals: Integers, *, border: int = 0, on_luma: bool = False) -> Restoration:
    """PSNR and SSIM of pictures and their originals: [N, C, H, W] and [N, C, H, W], uint8 or uint16.

    Super-resolution papers measure on the luma, without a border as wide as the scale: border=4, on_luma=True for
    x4 (their luma is not rounded here). Raises ValueError for sets of different shapes, or pictures that are less
    than 11 pixels a side without the border.
    """
    checked_alike(restored, originals)
    if len(restored) != len(originals):
        raise ValueError(f"{len(restored)} pictures for {len(originals)} originals: give them in pairs, in one order")
    psnrs, ssims = [], []
    for rows in row_pieces(np.arange(len(restored))):
        a, b = (inside(levels(images, rows), border) for images in (restored, originals))
        if on_luma:
            a, b = luma(a), luma(b)
        psnrs.append(psnr(a, b))
        ssims.append(ssim(a, b))
    each_psnr, each_ssim = torch.cat(psnrs), torch.cat(ssims)
    return Restoration(
        float(each_psnr.mean()), float(each_ssim.mean()), tuple(each_psnr.tolist()), tuple(each_ssim.tolist())
    )


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal to noise ratio in decibels: [N, C, H, W] in [0, 1], twice -> [N] float64, infinite if equal.

    Raises ValueError as `checked_levels`.
    """
    a, b = checked_levels(a, b)
    return -10 * (a - b).square().mean((1, 2, 3)).log10()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (Wang et al., 2004): [N, C, H, W] in [0, 1], twice -> [N] float64, 1 if equal.

    Gaussian weights of 11x11 with sigma 1.5, only where they fit wholly into the picture; the mean over positions and
    channels. Raises ValueError below 11 pixels a side, or as `checked_levels`.
    """
    luminance, structure = similarity(*checked_levels(a, b))
    return (luminance * structure).mean((1, 2, 3))


def similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The two factors of SSIM at each position: [N, C, H, W] float64, twice -> luminance and contrast times structure,
    both [N, C, H - 10, W - 10].
    """
    if min(a.shape[2:]) < WINDOW:
        raise ValueError(
            f"the pictures are {a.shape[2]}x{a.shape[3]} pixels, SSIM needs {WINDOW} a side: compare larger pictures"
        )
    mean_a, mean_b = _smooth(a), _smooth(b)
    variance_a, variance_b = _smooth(a * a) - mean_a.square(), _smooth(b * b) - mean_b.square()
    covariance = _smooth(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a.square() + mean_b.square() + C1)
    return luminance, (2 * covariance + C2) / (variance_a + variance_b + C2)


def luma(images: Tensor) -> Tensor:
    """The Y that papers on super-resolution take: [N, 3, H, W] in [0, 1] -> [N, 1, H, W] in [16/255, 235/255].

    Grey pictures, [N, 1, H, W], are returned as they are.
    """
    if images.shape[1] == 1:
        return images
    if images.shape[1] != 3:
        raise ValueError(f"the pictures have {images.shape[1]} channels, the luma is of 3: leave out the others first")
    weights = torch.tensor(STUDIO_LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return ((images * weights).sum(1, keepdim=True) + 16) / 255


def inside(images: Tensor, border: int) -> Tensor:
    """Without `border` pixels on each side: [N, C, H, W] -> [N, C, H - 2 border, W - 2 border]."""
    height, width = images.shape[2:]
    if border < 0 or min(height, width) <= 2 * border:
        raise ValueError(f"a border of {border} leaves nothing of {height}x{width} pixels: give a smaller one")
    return images[:, :, border : height - border, border : width - border]


def checked_levels(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64, once it is sure that they are [N, C, H, W] alike and in [0, 1]; else ValueError."""
    if a.ndim != 4 or a.shape != b.shape:
        raise ValueError(f"the pictures have shapes {list(a.shape)} and {list(b.shape)}: give both as one [N, C, H, W]")
    for x in (a, b):
        if not x.is_floating_point() or not bool(((x >= 0) & (x <= 1)).all()):
            raise ValueError("the pictures are no numbers from 0 to 1: divide integers by 255 or 65535 first")
    return a.to(torch.float64), b.to(torch.float64)


def _smooth(x: Tensor) -> Tensor:
    """Weighted means by the Gaussian window: [N, C, H, W] -> [N, C, H - 10, W - 10]."""
    n, channels, height, width = x.shape
    weights = torch.exp(-(torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2).square() / (2 * SIGMA**2))
    weights = weights / weights.sum()
    single = x.reshape(n * channels, 1, height, width)
    smooth = F.conv2d(F.conv2d(single, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return smooth.view(n, channels, *smooth.shape[2:])
