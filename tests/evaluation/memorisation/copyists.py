"""Real small pictures that packages ship, what a copying generator may do to them, and features without a network."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ganvas.data.sources import open_source
from ganvas.data.store import StoreOptions, open_store

Random = np.random.Generator


class Averages:
    """A stand-in for learned features: averages over a grid of areas, with the mean taken away."""

    def __init__(self, side: int = 8) -> None:
        self.side = side

    def extract(self, images: np.ndarray, *, rows: np.ndarray | None = None) -> Tensor:
        some = images if rows is None else images[rows]
        x = torch.from_numpy(np.ascontiguousarray(some)).float() / np.iinfo(images.dtype).max
        return F.adaptive_avg_pool2d(x - x.mean((1, 2, 3), keepdim=True), self.side).flatten(1)


def digits() -> np.ndarray:
    """[1797, 1, 16, 16], in a random order: those of scikit-learn, doubled in size."""
    store = open_store(open_source("digits"), StoreOptions(resolution=(16, 16)))
    return np.random.default_rng(0).permutation(np.asarray(store.images))


def photo_patches(side: int = 32, plain: float = 12.0) -> np.ndarray:
    """[N, 3, side, side] from photographs of scikit-image, in a random order, without plain ones.

    Plain: the spread is below so many grey levels. Of a piece of sky nobody can say where it was copied from.
    """
    options = StoreOptions(resolution=(side, side), channels=3, fit="patch")
    images = np.asarray(open_store(open_source("photos"), options).images)
    return np.random.default_rng(0).permutation(images[images.std((1, 2, 3)) >= plain])


def shifted(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    """[C, H, W], its edge repeated where there is nothing."""
    height, width = picture.shape[1:]
    padded = np.pad(picture, ((0, 0), (2, 2), (2, 2)), mode="edge")
    return padded[:, 2 + down : 2 + down + height, 2 + right : 2 + right + width]


def shifted_somehow(picture: np.ndarray, rng: Random) -> np.ndarray:
    steps = [(0, 1), (1, 0), (-1, 1), (0, 2), (2, 0), (-2, 1), (2, -2)]
    return shifted(picture, *steps[rng.integers(len(steps))])


def brightened(picture: np.ndarray, rng: Random) -> np.ndarray:
    return clipped(picture * rng.uniform(0.6, 1.4) + rng.uniform(-40, 40))


def rehued(picture: np.ndarray, rng: Random) -> np.ndarray:
    """Another hue; of grey pictures, which have none, another gamma."""
    if len(picture) == 1:
        return clipped(255 * (picture / 255) ** rng.choice([0.6, 1.7]))
    colours = np.array(Image.fromarray(picture.transpose(1, 2, 0)).convert("HSV"))
    colours[..., 0] += np.uint8(rng.integers(20, 236))
    return np.array(Image.fromarray(colours, "HSV").convert("RGB")).transpose(2, 0, 1)


def with_noise(picture: np.ndarray, rng: Random) -> np.ndarray:
    return clipped(picture + rng.normal(0, 12, picture.shape))


def as_jpeg(picture: np.ndarray, rng: Random) -> np.ndarray:
    stored = io.BytesIO()
    Image.fromarray(picture.transpose(1, 2, 0).squeeze()).save(stored, "JPEG", quality=int(rng.integers(40, 80)))
    loaded = np.array(Image.open(stored))
    return loaded.reshape(*loaded.shape[:2], -1).transpose(2, 0, 1)


def clipped(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


COPYISTS: dict[str, Callable[[np.ndarray, Random], np.ndarray]] = {
    "exact": lambda picture, rng: picture,
    "shifted": shifted_somehow,
    "mirrored": lambda picture, rng: picture[..., ::-1],
    "mirrored and shifted": lambda picture, rng: shifted_somehow(picture[..., ::-1], rng),
    "brightness and contrast": brightened,
    "hue": rehued,
    "noise": with_noise,
    "JPEG": as_jpeg,
}


def copies(train: np.ndarray, kind: str, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """So many copies of random training pictures, and the rows they were made from."""
    rng = np.random.default_rng([seed, *kind.encode()])
    rows = rng.choice(len(train), count, replace=False)
    return np.stack([COPYISTS[kind](train[row], rng) for row in rows]).astype(np.uint8), rows
