"""What a copying generator may do to a training picture so that it is not found: the kinds that are planted."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[Any]  # [C, H, W] uint8
Random = np.random.Generator


def shifted(picture: Picture, down: int, right: int) -> Picture:
    """[C, H, W], its edge repeated where there is nothing."""
    height, width = picture.shape[1:]
    padded = np.pad(picture, ((0, 0), (2, 2), (2, 2)), mode="edge")
    return padded[:, 2 + down : 2 + down + height, 2 + right : 2 + right + width]


def shifted_somehow(picture: Picture, rng: Random) -> Picture:
    steps = [(0, 1), (1, 0), (-1, 1), (0, 2), (2, 0), (-2, 1), (2, -2)]
    return shifted(picture, *steps[rng.integers(len(steps))])


def brightened(picture: Picture, rng: Random) -> Picture:
    return clipped(picture * rng.uniform(0.6, 1.4) + rng.uniform(-40, 40))


def rehued(picture: Picture, rng: Random) -> Picture:
    """Another hue; of grey pictures, which have none, another gamma."""
    if len(picture) == 1:
        return clipped(255 * (picture / 255) ** rng.choice([0.6, 1.7]))
    colours = np.array(Image.fromarray(picture.transpose(1, 2, 0)).convert("HSV"))
    colours[..., 0] += np.uint8(rng.integers(20, 236))
    return np.array(Image.fromarray(colours, "HSV").convert("RGB")).transpose(2, 0, 1)


def with_noise(picture: Picture, rng: Random) -> Picture:
    return clipped(picture + rng.normal(0, 12, picture.shape))


def as_jpeg(picture: Picture, rng: Random) -> Picture:
    stored = io.BytesIO()
    Image.fromarray(picture.transpose(1, 2, 0).squeeze()).save(stored, "JPEG", quality=int(rng.integers(40, 80)))
    loaded = np.array(Image.open(stored))
    return loaded.reshape(*loaded.shape[:2], -1).transpose(2, 0, 1)


def clipped(picture: Picture) -> Picture:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


COPYISTS: dict[str, Callable[[Picture, Random], Picture]] = {
    "exact": lambda picture, rng: picture,
    "shifted": shifted_somehow,
    "mirrored": lambda picture, rng: picture[..., ::-1],
    "mirrored and shifted": lambda picture, rng: shifted_somehow(picture[..., ::-1], rng),
    "brightness and contrast": brightened,
    "hue": rehued,
    "noise": with_noise,
    "JPEG": as_jpeg,
}


def copies(train: Picture, kind: str, count: int, seed: int = 0) -> tuple[Picture, Picture]:
    """So many copies of random training pictures, and the rows they were made from."""
    rng = np.random.default_rng([seed, *kind.encode()])
    rows = rng.choice(len(train), count, replace=False)
    return np.stack([COPYISTS[kind](train[row], rng) for row in rows]).astype(np.uint8), rows
