"""Blur by motion, by a lens out of focus, and by a Gaussian: each picture has a kernel of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.networks.contract import Chance

STEPS_A_PIXEL = 4  # points of a motion's path
NEARLY_NOTHING = 1e-8


def motion_kernels(lengths: Tensor, angles: Tensor, side: int) -> Tensor:
    """A straight, even motion over so many pixels: lengths [N], angles in radians [N] -> [N, side, side], sums of 1.

    side: odd, and larger than the lengths. A length of 1 changes (nearly) nothing. Points along the path are shared out
    among the pixels they lie between.
    """
    points = STEPS_A_PIXEL * side + 1
    along = torch.linspace(-0.5, 0.5, points, device=lengths.device) * (lengths[:, None] - 1).clamp_min(0)  # [N, M]
    x, y = along * angles.cos()[:, None], along * angles.sin()[:, None]
    grid = torch.arange(side, device=lengths.device) - side // 2
    near_x, near_y = ((1 - (grid - one[:, :, None]).abs()).clamp_min(0) for one in (x, y))  # [N, M, side]
    return _of_sum_one(torch.einsum("nmy,nmx->nyx", near_y, near_x))


def disc_kernels(diameters: Tensor, side: int) -> Tensor:
    """A lens out of focus, whose points become discs: diameters in pixels [N] -> [N, side, side], sums of 1."""
    grid = torch.arange(side, device=diameters.device) - side // 2
    distance = torch.hypot(grid[:, None].float(), grid[None].float())
    return _of_sum_one((diameters.view(-1, 1, 1) / 2 + 0.5 - distance).clamp(0, 1))


def gaussian_kernels(sigmas: Tensor, ratios: Tensor, angles: Tensor, side: int) -> Tensor:
    """A Gaussian with sigma along an angle and ratio * sigma across it: [N] each -> [N, side, side], sums of 1."""
    grid = torch.arange(side, device=sigmas.device) - side // 2
    y, x = torch.meshgrid(grid.float(), grid.float(), indexing="ij")
    cos, sin = angles.cos().view(-1, 1, 1), angles.sin().view(-1, 1, 1)
    along, across = x * cos + y * sin, y * cos - x * sin
    sigmas, ratios = sigmas.view(-1, 1, 1), ratios.view(-1, 1, 1)
    return _of_sum_one(torch.exp(-0.5 * ((along / sigmas) ** 2 + (across / (ratios * sigmas)) ** 2)))


def blurred(images: Tensor, kernels: Tensor) -> Tensor:
    """Each picture by its own kernel, edges repeated: [N, C, H, W] in [-1, 1], [N, odd side, side] -> the same."""
    n, channels, height, width = images.shape
    padded = F.pad(images.float(), [kernels.shape[1] // 2] * 4, mode="replicate")
    weights = kernels.repeat_interleave(channels, dim=0)[:, None]  # [N * C, 1, side, side]
    single = padded.reshape(1, n * channels, *padded.shape[2:])
    return F.conv2d(single, weights, groups=n * channels).view(n, channels, height, width).clamp_(-1, 1)


def random_motion(sizes: Tensor, random: Chance, side: int) -> Tensor:
    """Kernels of motion over `sizes` pixels [N] in any direction -> [N, side, side]."""
    return motion_kernels(sizes, math.pi * random.uniform(len(sizes)), side)


def random_blur(sizes: Tensor, random: Chance, side: int) -> Tensor:
    """Kernels of motion for half of the pictures, by chance, and of defocus for the others -> [N, side, side]."""
    moved = (random.uniform(len(sizes)) < 0.5).view(-1, 1, 1)
    return torch.where(moved, random_motion(sizes, random, side), disc_kernels(sizes, side))


def odd_side(largest: float) -> int:
    """The side of kernels that hold a blur of so many pixels: odd."""
    return 2 * math.ceil(largest / 2) + 1


def _of_sum_one(kernels: Tensor) -> Tensor:
    # Gaussian tails are denormal numbers, with which a convolution took ten times as long on a CPU.
    kernels = torch.where(kernels > NEARLY_NOTHING, kernels, 0.0)
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)
