"""Label maps: pictures in which each colour means a class, and one channel for each class of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.errors import UsageError
from ganvas.images import Integers

MOST_CLASSES = 64
LEAST_SHARE = 1e-3  # of the pixels that were looked at, for a colour to mean something
APART = 48  # levels of 255 by which two colours of classes differ at least in one channel: JPEG blurs their edges

Palette = tuple[tuple[int, ...], ...]


def find_palette(maps: Integers, most: int = MOST_CLASSES) -> Palette:
    """The colours of the classes, the most frequent first: [N, C, H, W] integers -> levels, at most `most`.

    Colours that are near to a more frequent one are taken for it, as a map that was stored as JPEG has many. Raises
    UsageError where there is only one colour, or more than could be classes.
    """
    scale = 1 if maps.dtype == np.uint8 else 257
    pixels = (maps // scale).astype(np.uint8).transpose(0, 2, 3, 1).reshape(-1, maps.shape[1])
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found: list[NDArray[np.int64]] = []
    shares: list[int] = []
    for place in order.tolist():
        colour = colours[place].astype(np.int64)
        near = next((i for i, other in enumerate(found) if np.abs(other - colour).max() < APART), None)
        if near is None:
            found.append(colour)
            shares.append(int(counts[place]))
        else:
            shares[near] += int(counts[place])
    kept = [colour for colour, share in zip(found, shares, strict=True) if share >= LEAST_SHARE * len(pixels)]
    if not 1 < len(kept) <= most:
        raise UsageError(
            f"--one-hot: side A shows {len(kept)} colours that are plainly apart, a label map has 2 to {most}: leave "
            "out --one-hot for pictures that are no label maps"
        )
    return tuple(tuple((colour * scale).tolist()) for colour in kept)


def to_one_hot(images: Tensor, palette: Palette, bits: int = 8) -> Tensor:
    """The nearest colour of each pixel: [N, C, H, W] in [-1, 1] -> [N, len(palette), H, W], 1 for it, -1 elsewhere."""
    colours = torch.tensor(palette, dtype=torch.float32, device=images.device) * (2 / (2**bits - 1)) - 1  # [K, C]
    distances = torch.stack([(images - colour.view(1, -1, 1, 1)).square().sum(1) for colour in colours], dim=1)
    chosen = distances.argmin(dim=1, keepdim=True)
    return torch.full_like(distances, -1.0).scatter_(1, chosen, 1.0)
