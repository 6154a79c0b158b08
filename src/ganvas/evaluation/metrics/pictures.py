"""Sets of pictures as numbers from 0 to 1, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.images import Integers

PIECE = 32  # pictures in memory at once


def checked_pictures(name: str, images: Integers, at_least: int = 1) -> None:
    """Raise ValueError unless `images` are at least so many pictures [N, C, H, W] of uint8 or uint16."""
    if images.ndim != 4 or images.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"{name} is {images.dtype} of shape {list(images.shape)}, expected uint8 or uint16 pictures "
            "[N, channels, height, width]: convert it first"
        )
    if len(images) < at_least:
        raise ValueError(f"{name} has {len(images)} pictures, at least {at_least} are needed: give it more pictures")


def checked_alike(a: Integers, b: Integers, at_least: int = 1) -> None:
    """Raise ValueError unless both are such pictures of one number of channels, height and width."""
    checked_pictures("the first set", a, at_least)
    checked_pictures("the second set", b, at_least)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"the pictures are {list(a.shape[1:])} and {list(b.shape[1:])} [channels, height, width]: bring both sets "
            "to one size"
        )


def levels(images: Integers, rows: NDArray[np.int64]) -> Tensor:
    """Those pictures as numbers: [N, C, H, W] uint8 or uint16 -> [len(rows), C, H, W] float64 in [0, 1]."""
    some = torch.from_numpy(np.ascontiguousarray(images[rows]))
    return some.to(torch.float64).div_(np.iinfo(images.dtype).max)


def row_pieces(rows: NDArray[np.int64], piece: int | None = None) -> Iterator[NDArray[np.int64]]:
    """`rows` in order, at most `piece` (by default `PIECE`) at a time."""
    piece = piece or PIECE
    for start in range(0, len(rows), piece):
        yield rows[start : start + piece]
