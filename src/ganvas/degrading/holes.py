"""Holes: boxes, strokes, or the user's own masks. A mask is 1 in the hole and 0 around it.

Boxes and strokes are level sets: for each pixel the distance to some random shapes, and the hole is those that are
nearest, as many as the share of the picture says. So each hole is as large as was asked for, whatever the shapes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.data.decode import PictureError, decode
from ganvas.errors import UsageError
from ganvas.networks.contract import Chance

BOXES = 4  # at most
STROKES, BENDS = 3, 3  # polylines, and the corners between their ends
LONGEST = 0.5  # of a stroke's straight part, in shorter sides
MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".webp")
HALF = 128


def with_holes(images: Tensor, masks: Tensor) -> Tensor:
    """[N, C, H, W] in [-1, 1], masks [N, 1, H, W] -> [N, C + 1, H, W]: the picture, 0 in the hole, and the mask."""
    return torch.cat([images * (1 - masks), masks], dim=1)


def boxes(shares: Tensor, random: Chance, height: int, width: int) -> Tensor:
    """One to four boxes that may overlap: the share of the picture that is hole [N] -> masks [N, 1, H, W].

    The share is met to within a row or a column of a box.
    """
    n = len(shares)
    count = 1 + random.integers(BOXES, n)  # [N]
    x, y, size, aspect = random.uniform(n, 4, BOXES).unbind(dim=1)  # [N, BOXES] each
    half_height = (0.3 + 0.7 * size) * torch.exp(1.4 * aspect - 0.7)
    half_width = (0.3 + 0.7 * size) * torch.exp(0.7 - 1.4 * aspect)
    rows, columns = _places(height, width, shares.device)
    down = (rows - y[:, :, None] * height).abs() / half_height[:, :, None]  # [N, BOXES, H]
    right = (columns - x[:, :, None] * width).abs() / half_width[:, :, None]  # [N, BOXES, W]
    distance = torch.maximum(down[:, :, :, None], right[:, :, None])  # [N, BOXES, H, W]
    absent = torch.arange(BOXES, device=shares.device) >= count[:, None]
    return _nearest(distance.masked_fill(absent[:, :, None, None], math.inf).amin(dim=1), shares)


def strokes(shares: Tensor, random: Chance, height: int, width: int) -> Tensor:
    """Three bent strokes as of a brush, as thick as the share asks for: shares [N] -> masks [N, 1, H, W]."""
    n, side = len(shares), min(height, width)
    limits = torch.tensor([height, width], device=shares.device, dtype=torch.float32)
    start = random.uniform(n, STROKES, 1, 2) * limits
    turns = 2 * math.pi * random.uniform(n, STROKES, 1 + BENDS)
    lengths = LONGEST * side * (0.2 + 0.8 * random.uniform(n, STROKES, 1 + BENDS))
    steps = torch.stack([lengths * turns.sin(), lengths * turns.cos()], dim=3)  # [N, STROKES, 4, 2]
    corners = torch.cat([start, start + steps.cumsum(dim=2)], dim=2).clamp_min(0).minimum(limits)
    lines = zip(corners[:, :, :-1].flatten(1, 2).unbind(1), corners[:, :, 1:].flatten(1, 2).unbind(1), strict=True)
    nearest = torch.full((n, height, width), math.inf, device=shares.device)
    for begin, end in lines:  # 12 of them, [N, 2] each
        nearest = torch.minimum(nearest, _distance_to_line(begin, end, height, width))
    return _nearest(nearest, shares)


def either(shares: Tensor, random: Chance, height: int, width: int) -> Tensor:
    """Boxes for half of the pictures, by chance, and strokes for the others -> masks [N, 1, H, W]."""
    boxed = (random.uniform(len(shares)) < 0.5).view(-1, 1, 1, 1)
    return torch.where(boxed, boxes(shares, random, height, width), strokes(shares, random, height, width))


class OwnMasks:
    """The masks of a folder, one by chance for each picture, mirrored by chance; white is the hole."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError for a folder without masks, or a mask that is no picture, all hole or without a hole."""
        if not folder.is_dir():
            raise UsageError(f"--degrade masks:{folder}: there is no such folder; give one with pictures, white = hole")
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in MASK_SUFFIXES)
        if not paths:
            raise UsageError(f"--degrade masks:{folder}: no pictures in it; white is the hole, black is kept")
        self.masks = [_read_mask(path) for path in paths]

    def __call__(self, n: int, random: Chance, height: int, width: int) -> Tensor:
        """-> masks [N, 1, H, W], brought to size by the nearest pixel."""
        chosen = random.integers(len(self.masks), n)
        flips = random.integers(4, n)
        masks = []
        for which, flip in zip(chosen.tolist(), flips.tolist(), strict=True):
            mask = torch.from_numpy(self.masks[which])[None, None].float()
            mask = F.interpolate(mask, size=(height, width), mode="nearest-exact")
            dims = [dim for bit, dim in ((1, 2), (2, 3)) if flip & bit]
            masks.append(mask.flip(dims))
        return torch.cat(masks).to(chosen.device)


def _read_mask(path: Path) -> NDArray[np.uint8]:
    """[H, W] of 0 and 1."""
    try:
        with path.open("rb") as file:
            pixels = decode(file, path.name)
    except (PictureError, OSError) as error:
        raise UsageError(f"--degrade masks: {error}") from None
    levels = pixels[..., : 1 if pixels.shape[2] < 3 else 3].mean(axis=2) / (np.iinfo(pixels.dtype).max / 255)
    hole: NDArray[np.uint8] = (levels >= HALF).astype(np.uint8)
    if hole.all() or not hole.any():
        what = "white everywhere: nothing is kept" if hole.all() else "black everywhere: there is no hole"
        raise UsageError(f"--degrade masks: {path.name} is {what}")
    return hole


def _places(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The middles of rows [H] and of columns [W]."""
    return torch.arange(height, device=device) + 0.5, torch.arange(width, device=device) + 0.5


def _nearest(distance: Tensor, shares: Tensor) -> Tensor:
    """The share of pixels with the least distance: [N, H, W], [N] -> [N, 1, H, W] of 0 and 1; at least one pixel."""
    flat = distance.flatten(1)
    count = (shares * flat.shape[1]).round().long().clamp(1, max(1, flat.shape[1] - 1))
    limit = flat.sort(dim=1).values.gather(1, (count - 1)[:, None])
    return (flat <= limit).view(len(distance), 1, *distance.shape[1:]).float()


def _distance_to_line(begin: Tensor, end: Tensor, height: int, width: int) -> Tensor:
    """From the middle of each pixel to the straight line between two points, (row, column) [N, 2] -> [N, H, W]."""
    rows, columns = _places(height, width, begin.device)
    down = rows[None, :, None] - begin[:, 0, None, None]  # [N, H, 1]
    right = columns[None, None] - begin[:, 1, None, None]  # [N, 1, W]
    along_down, along_right = (end - begin).unbind(dim=1)
    length = (along_down.square() + along_right.square()).clamp_min(1e-6)
    t = (down * along_down[:, None, None] + right * along_right[:, None, None]) / length[:, None, None]
    t = t.clamp(0, 1)
    return torch.hypot(down - t * along_down[:, None, None], right - t * along_right[:, None, None])
