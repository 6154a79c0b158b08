"""From words such as "blur:3-9,lowres:4,noise" to a degradation.

| name                    | value                                             | without one |
|-------------------------|---------------------------------------------------|-------------|
| lowres                  | by what pictures get smaller, 2 to 8              | 4           |
| blind                   | the same, 1 to 8                                  | 4           |
| blur, motion, defocus   | pixels, 1 to 41                                   | 3-11        |
| noise                   | standard deviation in levels of 255, 0 to 255     | 5-50        |
| poisson                 | photons that make white, 1 to 100000              | 20-200      |
| jpeg                    | quality, 1 to 95                                  | 10-60       |
| gray                    | none                                              |             |
| holes, boxes, strokes   | share of the picture, 0.01 to 0.9                 | 0.1-0.4     |
| masks                   | a folder of masks, white = hole                   | needed      |

A range LOW-HIGH is drawn from for each picture; a single number is the same for all. Links are done in the order given,
each on what the one before left. Holes come last, and not together with a reduction.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganvas.degrading import holes
from ganvas.degrading.blind import blind
from ganvas.degrading.blur import blurred, disc_kernels, odd_side, random_blur, random_motion
from ganvas.degrading.contract import WITH_ALPHA, Degradation, Make, Masked, Random, between, of_colour
from ganvas.degrading.gray import without_colour
from ganvas.degrading.jpeg import through_jpeg
from ganvas.degrading.lowres import reduced
from ganvas.degrading.noise import with_gaussian_noise, with_poisson_noise
from ganvas.errors import UsageError
from ganvas.networks.contract import Chance

Range = tuple[float, float]
Kernels = Callable[[Tensor, Chance, int], Tensor]  # sizes in pixels [N], the side -> [N, side, side]
Masks = Callable[[Tensor, Chance, int, int], Tensor]  # shares [N], height, width -> [N, 1, height, width]

JPEG_CHANNELS, COLOUR_CHANNELS = (1, 3, WITH_ALPHA), (3, WITH_ALPHA)


@dataclass(frozen=True)
class _Kind:
    """What a name stands for: its value, the limits of it, and how it is made of one."""

    what: str
    default: Range
    limits: Range
    make: Callable[[Range], Make]
    channels: tuple[int, ...] = ()
    reduces: bool = False
    masked: bool = False


def parse(words: str) -> Degradation:
    """`NAME[:VALUE][,NAME[:VALUE]...]` -> the chain of them.

    Raises UsageError for an unknown name, with the nearest known one, for a value outside its limits, and for an order
    that makes no sense.
    """
    links = [_link(word.strip()) for word in words.split(",")]
    scale = math.prod(link.scale for link in links)
    masked = [link for link in links if link.masked]
    if masked and (len(masked) > 1 or not links[-1].masked):
        raise UsageError(
            f"--degrade {words}: '{masked[0].words}' makes a mask: give one such, as the last of the chain"
        )
    if masked and scale > 1:
        raise UsageError(
            f"--degrade {words}: holes and a reduction cannot be undone by one network: train one for each, and apply "
            "one after the other"
        )
    if len(links) == 1:
        return links[0]
    able = [set(link.channels) for link in links if link.channels]
    channels = tuple(sorted(set.intersection(*able))) if able else ()
    return Degradation(",".join(link.words for link in links), _in_a_row(links), scale, bool(masked), channels)


def _in_a_row(links: list[Degradation]) -> Make:
    def make(images: Tensor, random: Random) -> Masked:
        mask = None
        for number, link in enumerate(links):
            images, mask = link(images, random.at(number))
        return images, mask

    return make


def _link(word: str) -> Degradation:
    name, colon, text = word.partition(":")
    if name == "masks":
        return _own_masks(text)
    if name == "gray":
        if colon:
            raise UsageError(f"--degrade {word}: 'gray' takes no value: leave out '{colon}{text}'")
        return Degradation(
            name, lambda images, random: (of_colour(images, without_colour), None), channels=COLOUR_CHANNELS
        )
    kind = _KINDS.get(name)
    if kind is None:
        near = difflib.get_close_matches(name.lower(), [*_KINDS, "gray", "masks"], n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        names = ", ".join([*_KINDS, "gray", "masks"])
        raise UsageError(f"--degrade {name}: there is no such degradation; there are {names}.{hint}")
    low, high = _range(name, kind, text) if colon else kind.default
    shown = f"{low:g}" if low == high else f"{low:g}-{high:g}"
    scale = int(low) if kind.reduces else 1
    return Degradation(f"{name}:{shown}", kind.make((low, high)), scale, kind.masked, kind.channels)


def _range(name: str, kind: _Kind, text: str) -> Range:
    low, dash, high = text.partition("-")
    try:
        found = float(low), float(high if dash else low)
    except ValueError:
        found = math.nan, math.nan
    whole = kind.reduces
    wrong = not kind.limits[0] <= found[0] <= found[1] <= kind.limits[1]
    if wrong or (whole and (dash or found[0] != round(found[0]))):
        example = "such as 4" if whole else f"or a range, such as {kind.default[0]:g}-{kind.default[1]:g}"
        raise UsageError(
            f"--degrade {name}:{text}: expected {kind.what}, a {'whole ' if whole else ''}number from "
            f"{kind.limits[0]:g} to {kind.limits[1]:g}, {example}"
        )
    return found


def _lowres(value: Range) -> Make:
    return lambda images, random: (reduced(images, int(value[0])), None)


def _blind(value: Range) -> Make:
    factor = int(value[0])

    def make(images: Tensor, random: Random) -> Masked:
        if images.shape[1] != WITH_ALPHA:
            return blind(images, random, factor), None
        alpha = images[:, 3:] if factor == 1 else reduced(images[:, 3:], factor)
        return torch.cat([blind(images[:, :3], random, factor), alpha], dim=1), None

    return make


def _blurring(kernels: Kernels) -> Callable[[Range], Make]:
    def of(value: Range) -> Make:
        def make(images: Tensor, random: Random) -> Masked:
            sizes = between(*value, random.at(0), len(images))
            weights = kernels(sizes, random.at(1), odd_side(value[1]))
            return of_colour(images, lambda colour: blurred(colour, weights)), None

        return make

    return of


def _noisy(add: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Range], Make]:
    def of(value: Range) -> Make:
        def make(images: Tensor, random: Random) -> Masked:
            strengths = between(*value, random.at(0), len(images))
            normal = random.at(1)
            return of_colour(images, lambda colour: add(colour, strengths, normal.normal(*colour.shape))), None

        return make

    return of


def _jpeg(value: Range) -> Make:
    def make(images: Tensor, random: Random) -> Masked:
        qualities = between(*value, random, len(images)).round()
        return of_colour(images, lambda colour: through_jpeg(colour, qualities)), None

    return make


def _holes(masks: Masks) -> Callable[[Range], Make]:
    def of(value: Range) -> Make:
        def make(images: Tensor, random: Random) -> Masked:
            shares = between(*value, random.at(0), len(images))
            mask = masks(shares, random.at(1), *images.shape[2:])
            return holes.with_holes(images, mask), mask

        return make

    return of


def _own_masks(folder: str) -> Degradation:
    if not folder:
        raise UsageError("--degrade masks: expected a folder of masks, as in masks:FOLDER; white is the hole")
    own = holes.OwnMasks(Path(folder))

    def make(images: Tensor, random: Random) -> Masked:
        mask = own(len(images), random, *images.shape[2:])
        return holes.with_holes(images, mask), mask

    return Degradation(f"masks:{folder}", make, masked=True)


def _disc(sizes: Tensor, random: Chance, side: int) -> Tensor:
    return disc_kernels(sizes, side)


_PIXELS = "the size of the blur in pixels", (3.0, 11.0), (1.0, 41.0)
_SHARE = "the share of the picture that is hole", (0.1, 0.4), (0.01, 0.9)
_FACTOR = "by what pictures get smaller"
_KINDS: dict[str, _Kind] = {
    "lowres": _Kind(_FACTOR, (4, 4), (2, 8), _lowres, reduces=True),
    "blind": _Kind(_FACTOR, (4, 4), (1, 8), _blind, JPEG_CHANNELS, reduces=True),
    "blur": _Kind(*_PIXELS, _blurring(random_blur)),
    "motion": _Kind(*_PIXELS, _blurring(random_motion)),
    "defocus": _Kind(*_PIXELS, _blurring(_disc)),
    "noise": _Kind("its standard deviation in levels of 255", (5, 50), (0, 255), _noisy(with_gaussian_noise)),
    "poisson": _Kind("the photons that make white", (20, 200), (1, 100_000), _noisy(with_poisson_noise)),
    "jpeg": _Kind("the quality", (10, 60), (1, 95), _jpeg, JPEG_CHANNELS),
    "holes": _Kind(*_SHARE, _holes(holes.either), masked=True),
    "boxes": _Kind(*_SHARE, _holes(holes.boxes), masked=True),
    "strokes": _Kind(*_SHARE, _holes(holes.strokes), masked=True),
}
