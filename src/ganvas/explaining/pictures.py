"""Pictures and maps made small, coloured and put in rows, for the page and its folder."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import torch
from markupsafe import Markup
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.images import Integers, grid, to_pillow

LARGEST = 128  # pixels a side on the page
DIM = 0.35  # of the picture below a coloured map

Tiles = NDArray[np.uint8]  # [N, H, W, C]

# From black over red and yellow to white; and from blue over black to orange.
HEAT = np.array([[0, 0, 0], [150, 20, 40], [240, 120, 30], [255, 230, 120], [255, 255, 255]], np.float64)
BOTH_WAYS = np.array([[120, 200, 255], [30, 90, 220], [0, 0, 0], [220, 90, 20], [255, 220, 120]], np.float64)


def tiles(images: Integers) -> Tiles:
    """[N, C, H, W] uint8 or uint16 -> [N, h, w, C] uint8, averaged to at most 128 pixels a side."""
    x = torch.from_numpy(np.ascontiguousarray(images)).to(torch.float64) * (255 / np.iinfo(images.dtype).max)
    size = _reduced(*images.shape[2:])
    if size != images.shape[2:]:
        x = F.adaptive_avg_pool2d(x, size)
    found: Tiles = x.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return found


def heat(maps: Tensor) -> Tiles:
    """[N, H, W], 0 or more -> [N, h, w, 3]: black is 0, white the 99th percentile of each map and above."""
    small = _reduced_maps(maps)
    top = small.flatten(1).quantile(0.99, dim=1)[:, None, None].clamp_min(1e-12)
    return _coloured((small / top).clamp(0, 1), HEAT)


def over(pictures: Tiles, maps: Tensor, largest: float) -> Tiles:
    """Signed maps [N, H, W] over their dimmed pictures -> [N, h, w, 3]: orange adds, blue takes away.

    largest: the value of the strongest colour, one for all maps.
    """
    small = (_reduced_maps(maps) / max(largest, 1e-12)).clamp(-1, 1)
    grey = pictures[..., :3].astype(np.float64).mean(-1, keepdims=True) * DIM
    strength = small.abs().numpy()[..., None]
    colours = _coloured((small + 1) / 2, BOTH_WAYS).astype(np.float64)
    found: Tiles = np.clip(grey * (1 - strength) + colours, 0, 255).astype(np.uint8)
    return found


def rows(*strips: Tiles) -> Tiles:
    """Rows of equally many tiles, the first on top, as one sheet: each [N, H, W, C] -> [height, width, C]."""
    channels = max(strip.shape[-1] for strip in strips)
    sheet: Tiles = np.concatenate([with_channels(strip, channels) for strip in strips])
    found: Tiles = grid(sheet, len(strips[0])).astype(np.uint8)
    return found


def with_channels(pictures: Tiles, channels: int) -> Tiles:
    """Grey as RGB and RGB as opaque RGBA, where more channels are wanted: [..., c] -> [..., channels]."""
    if pictures.shape[-1] == 1 and channels > 1:
        pictures = pictures.repeat(3, axis=-1)
    if pictures.shape[-1] == 3 and channels == 4:
        pictures = np.concatenate([pictures, np.full_like(pictures[..., :1], 255)], axis=-1)
    return pictures


def data_uri(picture: Tiles) -> Markup:
    """[H, W, C] -> the src of an img."""
    buffer = io.BytesIO()
    to_pillow(picture).save(buffer, format="PNG", optimize=True)
    return Markup("data:image/png;base64,") + base64.b64encode(buffer.getvalue()).decode("ascii")


def data_uris(pictures: Tiles) -> Sequence[Markup]:
    """[N, H, W, C] -> one src each."""
    return [data_uri(picture) for picture in pictures]


def _reduced(height: int, width: int) -> tuple[int, int]:
    factor = min(1.0, LARGEST / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _reduced_maps(maps: Tensor) -> Tensor:
    x = maps.double().cpu()
    size = _reduced(maps.shape[1], maps.shape[2])
    return x if size == tuple(maps.shape[1:]) else F.adaptive_avg_pool2d(x[:, None], size)[:, 0]


def _coloured(shares: Tensor, colours: NDArray[np.float64]) -> Tiles:
    """[...] in [0, 1] -> [..., 3]: the colours lie evenly along the way."""
    places, x = np.linspace(0, 1, len(colours)), shares.numpy()
    found = np.stack([np.interp(x, places, colours[:, channel]) for channel in range(3)], axis=-1)
    return found.round().astype(np.uint8)
