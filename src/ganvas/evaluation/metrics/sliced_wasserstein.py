"""Sliced Wasserstein distance of small patches, one number for each fineness (Karras et al., 2018).

Each picture is taken apart into a Laplacian pyramid. At each level 128 patches of 7x7 pixels are cut from it, the
channels of a set's patches brought to mean 0 and spread 1, and the distributions of both sets compared along 512
random directions. A large distance at the finest level means unlike textures, at the coarsest unlike layouts.
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

from ganvas.evaluation.metrics.pictures import checked_alike, levels, row_pieces
from ganvas.evaluation.rows import spread
from ganvas.images import Integers
from ganvas.seeds import uniforms

PATCH, PATCHES, DIRECTIONS = 7, 128, 512
COARSEST = 16  # pixels: a level whose shorter side would be less is not made
MOST_PICTURES = 16_384  # the paper's number
SCALE = 1000  # the paper's unit
PROJECTIONS = 2**25  # held at once for each set: 128 MiB
HELD = 2**26  # numbers of a set's patches that are kept, and not cut again for each bunch of directions: 256 MiB
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


@dataclass(frozen=True)
class SlicedWasserstein:
    """Distances times 1000, from the finest level to the coarsest; 0 for equal sets."""

    sizes: tuple[tuple[int, int], ...]  # height and width of each level
    distances: tuple[float, ...]
    pictures: int  # of each set

    @property
    def mean(self) -> float:
        return sum(self.distances) / len(self.distances)


def sliced_wasserstein(a: Integers, b: Integers, *, seed: int = 0) -> SlicedWasserstein:
    """Compare two sets of pictures: [N, C, H, W] and [M, C, H, W], uint8 or uint16.

    Of the larger set as many are taken as the smaller has, spread evenly, and at most 16 384. Compare only distances
    of as many pictures. Patches and directions depend on the seed alone, and the patches of a picture on its place
    too. Raises ValueError for sets of different pictures or below 7 pixels a side.
    """
    checked_alike(a, b)
    sizes = level_sizes(*a.shape[2:])
    count = min(len(a), len(b), MOST_PICTURES)
    along = directions(a.shape[1], seed)
    distances = []
    for level in range(len(sizes)):
        sets = [_Patches(images, spread(len(images), count), level, len(sizes), seed) for images in (a, b)]
        normalised = [_normalised(along, *_mean_and_deviation(one)) for one in sets]
        total = 0.0
        bunch = max(1, PROJECTIONS // (count * PATCHES))
        for chosen in (slice(first, first + bunch) for first in range(0, DIRECTIONS, bunch)):
            a_along, b_along = (
                _projected(one, weights[:, chosen], offset[chosen])
                for one, (weights, offset) in zip(sets, normalised, strict=True)
            )
            total += float(earth_movers(a_along, b_along).sum())
        distances.append(SCALE * total / DIRECTIONS)
    return SlicedWasserstein(tuple(sizes), tuple(distances), count)


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Height and width of each level: halves, as long as the shorter side stays at 16 or more."""
    if min(height, width) < PATCH:
        raise ValueError(
            f"the pictures are {height}x{width} pixels, at least {PATCH} a side are needed: use larger ones"
        )
    sizes = [(height, width)]
    while min((side + 1) // 2 for side in sizes[-1]) >= COARSEST:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def pyramid_level(x: Tensor, level: int, count: int) -> Tensor:
    """One of the `count` levels of the Laplacian pyramid (Burt and Adelson, 1983): [N, C, H, W] -> [N, C, h, w].

    Each is what halving loses; the last one is what is left.
    """
    for _ in range(level):
        x = _down(x)
    if level == count - 1:
        return x
    coarse = _down(x)
    spaced = x.new_zeros(x.shape)
    spaced[:, :, ::2, ::2] = coarse
    return x - 4 * _blur(spaced)


def patch_corners(numbers: NDArray[np.int64], level: int, height: int, width: int, seed: int) -> Tensor:
    """Top left corners of the patches of the pictures with those numbers: -> [n, 128, 2] rows and columns."""
    counters = np.arange(level * 2 * PATCHES, (level + 1) * 2 * PATCHES, dtype=np.uint64)
    u = uniforms(((seed << 32) + numbers).tolist(), counters).reshape(len(numbers), PATCHES, 2)  # in (0, 1]
    places = np.array([height - PATCH + 1, width - PATCH + 1])
    return torch.from_numpy((np.ceil(u * places) - 1).astype(np.int64))


def patches(x: Tensor, corners: Tensor) -> Tensor:
    """Cut patches out: [n, C, h, w], [n, P, 2] -> [n * P, 7, 7, C]."""
    reach = torch.arange(PATCH)
    picture = torch.arange(len(x)).view(-1, 1, 1, 1)
    rows, columns = corners[..., 0, None, None] + reach[:, None], corners[..., 1, None, None] + reach
    return x.permute(0, 2, 3, 1)[picture, rows, columns].flatten(0, 1)


def earth_movers(a: Tensor, b: Tensor) -> Tensor:
    """Wasserstein distance of two sets of as many numbers, in each row: [D, N], [D, N] -> [D] float64. Both are sorted
    in place.
    """
    # numpy's vectorised sort takes a twentieth of the time of torch's
    a.numpy().sort(axis=1)
    b.numpy().sort(axis=1)
    return (a - b).abs_().mean(1, dtype=torch.float64)


def directions(channels: int, seed: int) -> Tensor:
    """Random unit vectors: -> [7 * 7 * channels, 512]."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(PATCH * PATCH * channels, DIRECTIONS, generator=generator)
    unit: Tensor = drawn / drawn.norm(dim=0)
    return unit


class _Patches:
    """The patches of some pictures of a set at one level: kept once they were cut, where they fit."""

    def __init__(self, images: Integers, rows: NDArray[np.int64], level: int, count: int, seed: int) -> None:
        self.images, self.rows, self.level, self.count, self.seed = images, rows, level, count, seed
        self._fit = len(rows) * PATCHES * PATCH * PATCH * images.shape[1] <= HELD
        self._kept: list[tuple[slice, Tensor]] = []

    def __len__(self) -> int:
        return len(self.rows) * PATCHES

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        """The patches [n * 128, 7, 7, C] of some pictures at a time, and their place among all."""
        if self._fit and not self._kept:
            self._kept = list(self._cut())
        return iter(self._kept) if self._fit else self._cut()

    def _cut(self) -> Iterator[tuple[slice, Tensor]]:
        for numbers in row_pieces(np.arange(len(self.rows))):
            x = pyramid_level(levels(self.images, self.rows[numbers]).float(), self.level, self.count)
            cut = patches(x, patch_corners(numbers, self.level, x.shape[2], x.shape[3], self.seed))
            yield slice(int(numbers[0]) * PATCHES, (int(numbers[-1]) + 1) * PATCHES), cut


def _mean_and_deviation(cuts: _Patches) -> tuple[Tensor, Tensor]:
    """Of each channel over all patches: [C], [C] float64."""
    channels = cuts.images.shape[1]
    total, squares = torch.zeros(2, channels, dtype=torch.float64)
    for _, cut in cuts:
        values = cut.view(-1, channels).double()
        total += values.sum(0)
        squares += values.square().sum(0)
    values_each = len(cuts) * PATCH * PATCH
    mean = total / values_each
    return mean, (squares / values_each - mean.square()).clamp_min(0).sqrt()


def _normalised(along: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Directions and offsets that project normalised patches straight from the raw ones: -> [F, D], [D] float32."""
    flat = deviation < 1e-6  # one level of 16 bits is 15 times that: rounding is not to be blown up to a texture
    scaled = along.double().view(-1, len(mean), along.shape[1]) / deviation.masked_fill(flat, math.inf)[:, None]
    return scaled.flatten(0, 1).float(), -(scaled * mean[:, None]).sum((0, 1)).float()


def _projected(cuts: _Patches, weights: Tensor, offset: Tensor) -> Tensor:
    """All patches along some directions: [F, D], [D] -> [D, patches]."""
    projected = torch.empty(weights.shape[1], len(cuts))
    for place, cut in cuts:
        torch.addmm(offset[:, None], weights.T, cut.flatten(1).T, out=projected[:, place])
    return projected


def _down(x: Tensor) -> Tensor:
    """Blurred, then every second pixel: [N, C, H, W] -> [N, C, ceil(H / 2), ceil(W / 2)]."""
    return _blur(x)[:, :, ::2, ::2]


def _blur(x: Tensor) -> Tensor:
    """The binomial filter of 5x5, mirrored at the edges: [N, C, H, W] -> alike."""
    n, channels, height, width = x.shape
    weights = torch.tensor(BINOMIAL, dtype=x.dtype)
    padded = F.pad(x.reshape(n * channels, 1, height, width), (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1)).view(x.shape)
