"""The one range contract: integers outside (uint8 [0, 255] or uint16 [0, 65535]), float [-1, 1] inside.

`to_float` and `to_integers` are the only two crossings and undo each other. Nothing is ever normalised per picture
or per grid: that hides a generator whose range is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

Integers = NDArray[np.uint8] | NDArray[np.uint16]


def to_float(images: Tensor) -> Tensor:
    """Integers to the range networks work in: [...] uint8 or uint16 -> [...] float32 in [-1, 1]."""
    if images.dtype not in (torch.uint8, torch.uint16):
        raise ValueError(f"pictures must be uint8 or uint16 here, not {images.dtype}")
    largest = torch.iinfo(images.dtype).max
    return images.to(torch.float32).mul_(2 / largest).sub_(1)


def to_integers(images: Tensor, bits: int = 8) -> Tensor:
    """What a network drew, clamped and rounded: [...] float in [-1, 1] -> [...] uint8, or uint16 with `bits=16`."""
    largest = 2**bits - 1
    levels = images.detach().to(torch.float32).add(1).mul_(largest / 2).clamp_(0, largest).round_()
    return levels.to(torch.uint8 if bits == 8 else torch.uint16)


def to_rows_last(images: Tensor, bits: int = 8) -> Integers:
    """[N, C, H, W] float in [-1, 1] -> [N, H, W, C] integers as numpy: the shape users and picture files expect."""
    integers: Integers = to_integers(images, bits).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return integers


def grid(images: Integers, columns: int | None = None, gap: int = 2) -> Integers:
    """One sheet of many pictures, row by row: [N, H, W, C] -> [rows * (H + gap) + gap, columns * (W + gap) + gap, C].

    `columns` defaults to the squarest sheet. Empty places and gaps are white.
    """
    n, height, width, channels = images.shape
    if n == 0:
        raise ValueError("a sheet needs at least one picture")
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    white = np.iinfo(images.dtype).max
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), white, images.dtype)
    for i, picture in enumerate(images):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def enlarge(sheet: Integers, smallest_side: int = 480) -> Integers:
    """Repeat pixels until a small sheet is large enough to look at; large ones are returned as they are."""
    factor = math.ceil(smallest_side / min(sheet.shape[:2]))
    if factor == 1:
        return sheet
    return sheet.repeat(factor, axis=0).repeat(factor, axis=1)


def to_pillow(picture: Integers) -> Image.Image:
    """[H, W, C] integers, C = 1 (grey), 3 (RGB) or 4 (RGBA) -> a Pillow image; 16 bits stay 16 only for grey."""
    if picture.shape[-1] == 1:
        return Image.fromarray(picture[..., 0])
    if picture.dtype == np.uint16:  # Pillow has no 16-bit colour mode
        picture = (picture >> 8).astype(np.uint8)
    return Image.fromarray(picture)


def save_png(path: Path, picture: Integers, metadata: Mapping[str, str] | None = None) -> None:
    """Write [H, W, C] integers as PNG, with `metadata` as text chunks; the file appears whole or not at all."""
    info = PngInfo()
    for key, value in (metadata or {}).items():
        info.add_itxt(key, value)
    partial = path.with_name(f".{path.name}.tmp")
    try:
        to_pillow(picture).save(partial, format="PNG", pnginfo=info)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
