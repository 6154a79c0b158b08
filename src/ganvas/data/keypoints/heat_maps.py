"""Points as heat maps: one channel a kind of point, a Gaussian bump at each of its points (Tompson et al., 2014).

Where two bumps of a kind meet, the larger value counts, so that several people in one picture stay several points.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from ganvas.data.decode import Pixels
from ganvas.data.fit import FitMode
from ganvas.data.keypoints.keypoint_files import Point, Size

LEAST_SIGMA = 0.5  # pixels: below it a point between two pixels would be seen by none


@dataclass(frozen=True)
class KeypointMaps:
    """What the channels of heat maps are. sigma: of a bump, as a share of the picture's shorter side."""

    names: tuple[str, ...]
    sigma: float


def inside(points: Sequence[Point], size: Size) -> list[Point]:
    """Those that lie in a picture of that size."""
    return [point for point in points if 0 <= point[1] <= size[1] and 0 <= point[2] <= size[0]]


def fitted(points: Sequence[Point], size: Size, wanted: Size, fit: FitMode) -> list[Point]:
    """Where points lie once a picture of `size` is fitted to `wanted` by crop, pad or squash, to half a pixel."""
    scales = wanted[1] / size[1], wanted[0] / size[0]
    if fit != "squash":
        scale = max(scales) if fit == "crop" else min(scales)
        scales = scale, scale
    # A pixel's place is that of its middle, which lies half a pixel from its edge.
    left, top = ((wanted[i] - size[i] * scales[1 - i]) / 2 for i in (1, 0))
    return [(place, (x + 0.5) * scales[0] + left - 0.5, (y + 0.5) * scales[1] + top - 0.5) for place, x, y in points]


def heat_maps(points: Sequence[Point], maps: KeypointMaps, size: Size, bits: int = 8) -> Pixels:
    """[names, height, width] integers of `bits`: the largest at a point, 0 far from all."""
    height, width = size
    sigma = max(LEAST_SIGMA, maps.sigma * min(size))
    found = np.zeros((len(maps.names), height, width), np.float32)
    for place, x, y in points:
        down, across = (
            np.exp(-((np.arange(length) - middle) ** 2) / (2 * sigma**2)).astype(np.float32)
            for length, middle in ((height, y), (width, x))
        )
        np.maximum(found[place], down[:, None] * across, out=found[place])
    return cast(Pixels, np.rint(found * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16))


def coloured(maps: Pixels) -> Pixels:
    """Heat maps to look at, a colour for each kind of point on black: [N, K, H, W] -> [N, 3, H, W]."""
    kinds = maps.shape[1]
    colours = np.array([colorsys.hsv_to_rgb(i / kinds, 0.75, 1.0) for i in range(kinds)], np.float32)
    found = np.zeros((len(maps), 3, *maps.shape[2:]), np.float32)
    for i, colour in enumerate(colours):
        np.maximum(found, maps[:, i, None] * colour[:, None, None], out=found)
    return cast(Pixels, np.rint(found).astype(maps.dtype))
