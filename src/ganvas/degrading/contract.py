"""What a degradation is: a pure function of good pictures and of random numbers that belong to each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ganvas.networks.contract import Chance

COLOURS = 3  # channels of a picture with alpha that are not alpha
WITH_ALPHA = 4


class Random(Chance, Protocol):
    """Random numbers that can be asked for others, such as `ganvas.games.noise.Draws`."""

    def at(self, *counters: int) -> Random:
        """Other numbers, which depend on these counters too."""


Masked = tuple[Tensor, Tensor | None]  # inputs, and the mask [N, 1, H, W] of those with holes: 1 in the hole
Make = Callable[[Tensor, Random], Masked]


@dataclass(frozen=True)
class Degradation:
    """One way to spoil pictures, or several in a row.

    words: as a user gives it, every value written out. scale: by what pictures get smaller. masked: whether a mask
    follows the channels of the input. channels: how many a picture may have; empty: any number.
    """

    words: str
    make: Make
    scale: int = 1
    masked: bool = False
    channels: tuple[int, ...] = ()

    def in_channels(self, channels: int) -> int:
        """Channels of the inputs that are made of pictures with so many."""
        return channels + 1 if self.masked else channels

    def __call__(self, images: Tensor, random: Random) -> Masked:
        """[N, C, H, W] float in [-1, 1] -> inputs [N, in_channels(C), H / scale, W / scale] in [-1, 1], mask or None.

        The mask is [N, 1, H, W], 1 in the hole. What happens to a picture depends on it and on its own numbers, not on
        the others of its batch. Gradients do not pass. Raises ValueError for channels or sizes that cannot be done.
        """
        if self.channels and images.shape[1] not in self.channels:
            able = " or ".join(map(str, self.channels))
            raise ValueError(f"'{self.words}' cannot be done to {images.shape[1]} channels: {able} are needed")
        if any(side % self.scale for side in images.shape[2:]):
            height, width = images.shape[2:]
            raise ValueError(
                f"'{self.words}' makes pictures {self.scale} times smaller: {height}x{width} pixels do not divide. "
                "Cut them to multiples first"
            )
        with torch.no_grad():
            return self.make(images, random)


def of_colour(images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change the colour or grey of pictures and keep their alpha as it is: [N, C, H, W] -> the same."""
    if images.shape[1] != WITH_ALPHA:
        return change(images)
    return torch.cat([change(images[:, :COLOURS]), images[:, COLOURS:]], dim=1)


def between(low: float, high: float, random: Chance, n: int) -> Tensor:
    """One number per picture, uniform from low to high: [n]."""
    return low + (high - low) * random.uniform(n)
