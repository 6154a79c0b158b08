"""Differentiable augmentation inside D's call, for reals and fakes alike (DiffAugment, Zhao et al., 2020).

Each transform draws one value per picture: [N, C, H, W] float -> the same shape. Because both kinds of pictures are
augmented and gradients flow through, G is not taught to draw augmented pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.games.noise import Draws


def _uniform(images: Tensor, random: Draws) -> Tensor:
    return random.uniform(len(images), 1, 1, 1).to(images.dtype)


def colour(images: Tensor, random: Draws) -> Tensor:
    """Brightness by up to a quarter of the range, saturation from 0 to 2 times, contrast from 0.5 to 1.5 times."""
    x = images + (_uniform(images, random) - 0.5)
    if x.shape[1] > 1:
        mean = x.mean(dim=1, keepdim=True)
        x = (x - mean) * (2 * _uniform(images, random)) + mean
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (_uniform(images, random) + 0.5) + mean


def translation(images: Tensor, random: Draws, ratio: float = 1 / 8) -> Tensor:
    """Shift by up to an eighth of the size along each axis; what comes in from outside is mid-grey (0)."""
    n, _, height, width = images.shape
    down, right = (max(1, round(side * ratio)) for side in (height, width))
    padded = F.pad(images, (right, right, down, down))
    # One gather of rows, then one of columns: each picture at its own offset.
    dy = random.integers(2 * down + 1, n, 1)
    dx = random.integers(2 * right + 1, n, 1)
    rows = dy + torch.arange(height, device=images.device)  # [N, H]
    columns = dx + torch.arange(width, device=images.device)  # [N, W]
    which = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(images: Tensor, random: Draws, ratio: float = 1 / 2) -> Tensor:
    """A box of half the size, centred anywhere in the picture, becomes mid-grey (0)."""
    n, _, height, width = images.shape
    boxes = []
    for side in (height, width):
        half = max(1, round(side * ratio)) / 2
        centre = random.uniform(n, 1) * side
        place = torch.arange(side, device=images.device) + 0.5
        boxes.append((place - centre).abs() < half)  # [N, side]
    inside = boxes[0][:, None, :, None] & boxes[1][:, None, None, :]
    return images * (~inside).to(images.dtype)


TRANSFORMS: dict[str, Callable[[Tensor, Draws], Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}


def augment(images: Tensor, names: tuple[str, ...], random: Draws) -> Tensor:
    """The named transforms, one after the other."""
    for name in names:
        images = TRANSFORMS[name](images, random)
    return images
