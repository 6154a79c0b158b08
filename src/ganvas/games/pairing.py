"""Where the pairs of a game come from: the two sides of stored pairs, or a good picture and a bad one made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.degrading.chain import parse
from ganvas.degrading.contract import Degradation
from ganvas.games.contract import rows
from ganvas.games.noise import Draws
from ganvas.one_hot import to_one_hot
from ganvas.picture_model import PictureConfig


@dataclass(frozen=True)
class Pair:
    """What G gets, [N, C, h, w], what it is to paint of it, [N, C', H, W], and where that counts: [N, 1, H, W] or all.

    mask: 1 where the target counts (in a hole), 0 elsewhere. label_map: the input as a picture, where G gets it as one
    channel a class. labels: [N], for a G of classes.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor | None = None
    label_map: Tensor | None = None
    labels: Tensor | None = None

    @property
    def pictures(self) -> Tensor:
        """The inputs as a user has them."""
        return self.inputs if self.label_map is None else self.label_map

    def __len__(self) -> int:
        return len(self.inputs)

    def part(self, part: slice) -> Pair:
        """Some of the pairs."""
        more = (rows(of, part) for of in (self.mask, self.label_map, self.labels))
        return Pair(self.inputs[part], self.targets[part], *more)

    def to(self, device: torch.device) -> Pair:
        """The same on a device."""
        more = (None if one is None else one.to(device) for one in (self.mask, self.label_map, self.labels))
        return Pair(self.inputs.to(device), self.targets.to(device), *more)


Pairing = Callable[[Tensor, Draws], Pair]  # pictures of the store, [N, C, H, W] in [-1, 1], random numbers


@dataclass(frozen=True)
class Sides:
    """A and B of pairs, whose channels lie behind each other: A has the first `first`.

    palette: the levels of each class, where the input is a label map that is shown to G as one channel a class.
    """

    first: int
    backwards: bool = False
    palette: tuple[tuple[int, ...], ...] = ()
    bits: int = 8

    def __call__(self, pictures: Tensor, random: Draws) -> Pair:
        """[N, A + B, H, W] -> the pairs."""
        a, b = pictures[:, : self.first], pictures[:, self.first :]
        inputs, targets = (b, a) if self.backwards else (a, b)
        if self.palette:
            return Pair(to_one_hot(inputs, self.palette, self.bits), targets, label_map=inputs)
        return Pair(inputs, targets)


@dataclass(frozen=True)
class Degraded:
    """Good pictures, and what the degradation makes of them."""

    degradation: Degradation

    def __call__(self, pictures: Tensor, random: Draws) -> Pair:
        """[N, C, H, W] -> the pairs; other ones at each step."""
        inputs, mask = self.degradation(pictures, random)
        return Pair(inputs, pictures, mask)


def pairing_of(config: PictureConfig) -> Pairing:
    """Where the pairs of what the config paints come from."""
    if config.degradation:
        return Degraded(parse(config.degradation))
    backwards = config.direction == "BtoA"
    first = config.out_channels if backwards else config.in_channels
    return Sides(first, backwards, config.palette, config.bits)
