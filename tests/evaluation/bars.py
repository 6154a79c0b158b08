"""Made-up pictures with three classes that a small network learns in a second: a bar across, a bar down, both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 12


@dataclass(frozen=True)
class PictureSplit:
    images: np.ndarray
    labels: np.ndarray | None


@dataclass(frozen=True)
class PictureStore:
    """As much of a store as evaluation needs."""

    path: Path
    images: np.ndarray
    labels: np.ndarray | None
    train_count: int
    class_names: tuple[str, ...] = ()
    fingerprint: str = "bars"
    groups: np.ndarray | None = None

    @property
    def held_out_count(self) -> int:
        return len(self.images) - self.train_count

    @property
    def train(self) -> PictureSplit:
        return self._split(slice(0, self.train_count))

    @property
    def held_out(self) -> PictureSplit | None:
        return self._split(slice(self.train_count, None)) if self.held_out_count else None

    def _split(self, rows: slice) -> PictureSplit:
        return PictureSplit(self.images[rows], None if self.labels is None else self.labels[rows])

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    @property
    def height(self) -> int:
        return self.images.shape[2]

    @property
    def width(self) -> int:
        return self.images.shape[3]


def bars(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """[n, 1, 12, 12] uint8 with noise, and [n] classes that take turns."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 60, (n, 1, SIDE, SIDE)).astype(np.uint8)
    for i, label in enumerate(labels):
        row, column = rng.integers(1, SIDE - 1, 2)
        bright = rng.integers(150, 256)
        if label in (0, 2):
            images[i, 0, row] = bright
        if label in (1, 2):
            images[i, 0, :, column] = bright
    return images, labels.astype(np.int64)


def bar_store(path: Path, train: int = 300, held_out: int = 0, labelled: bool = True, **other: Any) -> PictureStore:
    images, labels = bars(train + held_out, seed=0)
    names = ("across", "down", "both") if labelled else ()
    return PictureStore(path, images, labels if labelled else None, train, names, **other)
