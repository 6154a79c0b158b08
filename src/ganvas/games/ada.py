"""Adaptive discriminator augmentation: the transforms (Karras et al., 2020, "Training GANs with limited data", app. B).

18 transforms in six groups, each applied to each picture with probability p. D sees reals and fakes through them alone;
as long as p is below about 0.8 they can be undone in distribution, so G still learns the pictures as they are (section
2.2). How large p must be is in `strength.py`. All are differentiable twice, so R1 goes through them.

    blit      mirroring, quarter turns, shifts by whole pixels
    geometry  scale, turn, stretch, turn, shift by parts of pixels
    colour    brightness, contrast, inverted luma, hue, saturation
    filter    four octaves of frequencies, each louder or softer
    noise     on every pixel
    cutout    a box of half the size becomes mid-grey

Blit and geometry are one warp, colour is one matrix. Done otherwise than in the paper: how pictures are sampled
(`warp.py`), and the bands, which a cosine transform makes and not wavelets.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.games.augment import cutout
from ganvas.games.noise import Draws
from ganvas.games.warp import warp

Group = Literal["blit", "geometry", "colour", "filter", "noise", "cutout"]
Probability = float | Tensor

BAND_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # the share of each band in pictures of a 1/f spectrum


def ada(
    images: Tensor, p: Probability, random: Draws, groups: tuple[Group, ...] = ("blit", "geometry", "colour")
) -> Tensor:
    """Pictures through the groups' transforms, each with probability p: [N, C, H, W] about [-1, 1] -> the same shape.

    p: from 0 to 1, a number or a 0-dim tensor. C: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha); alpha moves and
    is cut with the picture and is not coloured, filtered or noised. Sides of at least 2 pixels, which may differ.
    A picture that no transform was chosen for comes back bit by bit. Computes in float32 whatever the precision.
    """
    if images.shape[1] > 4:
        raise ValueError(f"pictures of {images.shape[1]} channels: adaptive augmentation knows 1 to 4")
    if isinstance(p, float | int) and p == 0:
        return images
    colours = 3 if images.shape[1] > 2 else 1
    with torch.autocast(images.device.type, enabled=False):
        x = images.to(torch.promote_types(images.dtype, torch.float32))
        if "blit" in groups or "geometry" in groups:
            x = _moved(x, p, random, groups)
        seen, alpha = x[:, :colours], x[:, colours:]
        if "colour" in groups:
            seen = _coloured(seen, p, random)
        if "filter" in groups:
            seen = _filtered(seen, p, random)
        if "noise" in groups:
            seen = _noised(seen, p, random)
        x = torch.cat([seen, alpha], dim=1) if alpha.shape[1] else seen
        if "cutout" in groups:
            x = torch.where(_chosen(x, p, random), cutout(x, random), x)
        return x.to(images.dtype)


def _chosen(images: Tensor, p: Probability, random: Draws) -> Tensor:
    """Which pictures: [N, 1, 1, 1] bool."""
    return random.uniform(len(images), 1, 1, 1) < p


def _some(values: Tensor, otherwise: float, p: Probability, random: Draws) -> Tensor:
    """The pictures' values, [N] or [N, K], for a share p of the pictures, and what changes nothing for the others."""
    chosen = random.uniform(len(values)) < p
    return torch.where(chosen.view(-1, *[1] * (values.ndim - 1)), values, otherwise)


def _moved(images: Tensor, p: Probability, random: Draws, groups: tuple[Group, ...]) -> Tensor:
    """Both geometric groups in one warp.

    The matrices lead from where a pixel is to where it comes from. All transforms are as likely as their inverses, so
    they are drawn as what they are there.
    """
    n, _, height, width = images.shape
    identity = torch.eye(3, dtype=images.dtype, device=images.device)
    matrix = identity.expand(n, 3, 3)
    if "blit" in groups:
        matrix = matrix @ blit_matrix(n, height, width, p, random).to(images.dtype)
    if "geometry" in groups:
        matrix = matrix @ geometry_matrix(n, height, width, p, random).to(images.dtype)
    moved = (matrix != identity).flatten(1).any(dim=1).view(-1, 1, 1, 1)
    return torch.where(moved, warp(images, matrix), images)


def blit_matrix(n: int, height: int, width: int, p: Probability, random: Draws) -> Tensor:
    """Mirroring, turns by 0 to 3 quarters, shifts by up to an eighth: [N, 3, 3].

    Quarter turns are about the centre: where one side is odd and the other even they fall between pixels.
    """
    mirror = _some(1 - 2 * random.integers(2, n).float(), 1, p, random)
    turns = _some(random.integers(4, n), 0, p, random)
    # From a table, as a cosine of pi / 2 is not quite 0.
    sines = torch.tensor([0.0, 1.0, 0.0, -1.0], device=turns.device)
    shift = (random.uniform(n, 2) * 2 - 1) / 8
    x, y = ((shift[:, axis] * side).round() for axis, side in ((0, width), (1, height)))
    x, y = _some(torch.stack([x, y], dim=1), 0, p, random).unbind(1)
    return _scale(mirror, torch.ones_like(mirror)) @ _turn(sines[(turns + 1) % 4], sines[turns]) @ _shift(x, y)


def geometry_matrix(n: int, height: int, width: int, p: Probability, random: Draws) -> Tensor:
    """Scale and stretch by factors of some 2^0.2, any turn before and after the stretch, any shift: [N, 3, 3]."""
    either = 1 - (1 - p) ** 0.5  # of two chances, so that at least one comes true with probability p

    def turn() -> Tensor:
        angle = _some((random.uniform(n) * 2 - 1) * math.pi, 0, either, random)
        return _turn(angle.cos(), angle.sin())

    scale = _some(torch.exp2(0.2 * random.normal(n)), 1, p, random)
    first = turn()
    stretch = _some(torch.exp2(0.2 * random.normal(n)), 1, p, random)
    second = turn()
    x, y = _some(random.normal(n, 2) / 8, 0, p, random).unbind(1)
    return _scale(scale, scale) @ first @ _scale(stretch, 1 / stretch) @ second @ _shift(x * width, y * height)


def _matrix(*rows: tuple[Tensor, ...]) -> Tensor:
    """A homogeneous matrix per picture, [N, K, K], from its rows of [N] but the last."""
    zero, one = torch.zeros_like(rows[0][0]), torch.ones_like(rows[0][0])
    last = (zero,) * len(rows) + (one,)
    return torch.stack([torch.stack(row, dim=1) for row in (*rows, last)], dim=1)


def _scale(x: Tensor, y: Tensor) -> Tensor:
    zero = torch.zeros_like(x)
    return _matrix((x, zero, zero), (zero, y, zero))


def _turn(cosine: Tensor, sine: Tensor) -> Tensor:
    zero = torch.zeros_like(cosine)
    return _matrix((cosine, -sine, zero), (sine, cosine, zero))


def _shift(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return _matrix((one, zero, x), (zero, one, y))


def _coloured(images: Tensor, p: Probability, random: Draws) -> Tensor:
    """Colours by one matrix per picture: [N, 3 or 1, H, W]. Grey is RGB whose channels are equal, and stays so."""
    matrix = colour_matrix(len(images), p, random).to(images.dtype)  # [N, 4, 4]
    mix, add = matrix[:, :3, :3], matrix[:, :3, 3:]
    if images.shape[1] == 1:
        mix, add = mix[:, :1].sum(dim=2, keepdim=True), add[:, :1]
    return torch.baddbmm(add, mix, images.flatten(2)).view_as(images)  # by the identity: the same bits


def colour_matrix(n: int, p: Probability, random: Draws) -> Tensor:
    """Brightness, contrast, inverted luma, hue and saturation: [N, 4, 4], on columns (red, green, blue, 1).

    Normal draws: brightness of 0.2, contrast of half an octave, saturation of one. Any hue is as likely.
    """
    brightness = _some(0.2 * random.normal(n), 0, p, random)
    contrast = _some(torch.exp2(0.5 * random.normal(n)), 1, p, random)
    inverted = _some(random.integers(2, n).float(), 0, p, random)
    hue = _some((random.uniform(n) * 2 - 1) * math.pi, 0, p, random)
    saturation = _some(torch.exp2(random.normal(n)), 1, p, random)

    # With the grey axis v = (1, 1, 1) / sqrt(3): what lies along it is luma, what lies across is hue and saturation.
    identity = torch.eye(3, device=hue.device)
    along = torch.full((3, 3), 1 / 3, device=hue.device)  # v v^T
    quarter = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=hue.device) / math.sqrt(3)  # turns about v
    contrast, inverted, hue, saturation = (v.view(-1, 1, 1) for v in (contrast, inverted, hue, saturation))
    linear = (
        (saturation * identity + (1 - saturation) * along)
        @ (hue.cos() * identity + (1 - hue.cos()) * along + hue.sin() * quarter)
        @ (identity - 2 * inverted * along)
        @ (contrast * identity)
    )
    # Brightness is added first, so it goes through the rest.
    added = linear.sum(dim=2, keepdim=True) * brightness.view(-1, 1, 1)
    bottom = torch.eye(4, device=hue.device)[3:].expand(n, 1, 4)
    return torch.cat([torch.cat([linear, added], dim=2), bottom], dim=1)


def _filtered(images: Tensor, p: Probability, random: Draws) -> Tensor:
    """Each octave of frequencies louder or softer, along one axis and then by as much along the other."""
    loudness = band_gains(len(images), p, random).to(images.dtype)  # [N, 4]
    down, right = (_line_filters(loudness, side) for side in images.shape[2:])
    changed = down[:, None] @ images @ right[:, None].mT
    return torch.where((loudness != 1).any(dim=1).view(-1, 1, 1, 1), changed, images)


def band_gains(n: int, p: Probability, random: Draws) -> Tensor:
    """What each band, from low to high, is multiplied by, some 2^1: [N, 4].

    A line of a 1/f spectrum keeps its power.
    """
    power = torch.tensor(BAND_POWER, device=random.device)
    gains = torch.ones(n, len(BAND_POWER), device=random.device)
    for band in range(len(BAND_POWER)):
        louder = torch.ones_like(gains)
        louder[:, band] = torch.exp2(random.normal(n))
        louder = louder / (power * louder.square()).sum(dim=1, keepdim=True).sqrt()
        gains = gains * _some(louder, 1, p, random)
    return gains


def _line_filters(gains: Tensor, side: int) -> Tensor:
    """The matrices that filter a line of pixels, mirrored at its ends: gains [N, 4] -> [N, side, side]."""
    waves, bands = (torch.from_numpy(a).to(gains) for a in _bands(side))
    return (waves.T * (gains @ bands)[:, None]) @ waves


@lru_cache(maxsize=16)
def _bands(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The cosine transform of a line [frequency, pixel], and each band's share of each frequency [4, frequency]."""
    k = np.arange(side)
    waves = np.sqrt(2 / side) * np.cos(np.pi * k[:, None] * (k + 0.5) / side)
    waves[0] /= np.sqrt(2)
    # Half of the highest octave, of the next and of the next lie between the bands, each crossing one octave wide.
    edges = np.array([1 / 8, 1 / 4, 1 / 2])[:, None]  # as shares of the highest frequency
    octaves = np.log2(np.maximum(k, 1e-9) / side / edges).clip(-0.5, 0.5)
    below = (1 - np.sin(np.pi * octaves)) / 2  # [3, frequency]
    return waves, np.diff(below, axis=0, prepend=0, append=1)


def _noised(images: Tensor, p: Probability, random: Draws) -> Tensor:
    """Normal noise on every pixel, of a strength that is itself |N(0, 0.1)| per picture."""
    strength = _some(0.1 * random.normal(len(images)).abs(), 0, p, random).view(-1, 1, 1, 1)
    return images + (strength * random.normal(*images.shape)).to(images.dtype)
