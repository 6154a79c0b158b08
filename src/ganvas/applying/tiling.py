"""Where the tiles of a large picture lie, how far each is trusted, and how neighbours are blended.

Neighbouring tiles overlap by twice a margin, in which a tile is not looked at, and a ramp, on which it gives way to the
next. Where the margin is as large as what the network sees around a pixel, the result is that of the whole picture and
no ramp is needed. Where the network sees too far, or the whole picture, a smooth ramp hides what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ganvas.applying.contract import PaintsConfig

SMALLEST = 32  # pixels of a tile's side
# Of networks that look at the whole picture: trained U-Nets show tiles of 128 pixels, and none show 256.
SMALLEST_OF_ALL_SEEING = 256


@dataclass(frozen=True)
class Tiling:
    """Sides in pixels of the input. tile: of what the network is given at once. align: tiles begin at its multiples."""

    tile: int
    margin: int
    ramp: int
    align: int

    @property
    def overlap(self) -> int:
        return 2 * self.margin + self.ramp

    @property
    def is_exact(self) -> bool:
        """Whether tiles give what the whole picture would."""
        return self.ramp == 0


@dataclass(frozen=True)
class Span:
    """One tile along one side: the network sees start to stop; begin to end is used.

    rise, fall: how many pixels of that are shared with the tile before and with the next.
    """

    start: int
    stop: int
    begin: int
    end: int
    rise: int
    fall: int


def smallest_tile(config: PaintsConfig) -> int:
    """The smallest side a tile may have: a multiple of what the network needs."""
    return rounded_up(SMALLEST_OF_ALL_SEEING if config.reach < 0 else SMALLEST, config.multiple)


def tiling_for(tile: int, config: PaintsConfig) -> Tiling:
    """Tiles of that side, rounded down to what the network can take.

    Exact if they are at least four times its reach; else an eighth of the tile is margin and an eighth ramp.
    """
    multiple = config.multiple
    tile = max(smallest_tile(config), tile // multiple * multiple)
    margin = rounded_up(config.reach, multiple)
    if config.reach >= 0 and 4 * margin <= tile:
        return Tiling(tile, margin, 0, multiple)
    align = multiple if tile // 8 >= multiple else 1
    eighth = tile // 8 // align * align
    return Tiling(tile, eighth, eighth, align)


def spans(length: int, tiling: Tiling | None) -> list[Span]:
    """The tiles along a side of `length` pixels, evenly spread; one for all of it if that is enough."""
    if tiling is None or length <= tiling.tile:
        return [Span(0, length, 0, length, 0, 0)]
    tile, ramp, align = tiling.tile, tiling.ramp, tiling.align
    count = 1 + -(-(length - tile) // (tile - tiling.overlap))
    starts = [i * (length - tile) // (count - 1) // align * align for i in range(count - 1)] + [length - tile]
    # The ramp lies in the middle of each overlap.
    cuts = [(after + before + tile) // 2 - ramp // 2 for before, after in pairwise(starts)]
    return [
        Span(
            start,
            start + tile,
            begin=cuts[i - 1] if i else 0,
            end=cuts[i] + ramp if i < count - 1 else length,
            rise=ramp if i else 0,
            fall=ramp if i < count - 1 else 0,
        )
        for i, start in enumerate(starts)
    ]


def window(length: int, rise: int, fall: int) -> Tensor:
    """Weights [length] float32 of one tile: sin² up over `rise`, 1, cos² down over `fall`; neighbours' add up to 1."""
    weights = torch.ones(length)
    if rise:
        weights[:rise] = _rising(rise)
    if fall:
        weights[length - fall :] *= 1 - _rising(fall)
    return weights


def _rising(length: int) -> Tensor:
    return torch.sin((torch.arange(length) + 0.5) * (torch.pi / 2 / length)).square()


def rounded_up(length: int, multiple: int) -> int:
    """The least multiple that is not smaller."""
    return -(-length // multiple) * multiple
