"""Real small pictures that packages ship, copies of them as the benchmarks plant them, and features without a network.

The kinds of copies are those of `benchmarks/planted_copies.py`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.data.sources import open_source
from ganvas.data.store import StoreOptions, open_store

_SPEC = importlib.util.spec_from_file_location(
    "planted_copies", Path(__file__).parents[3] / "benchmarks" / "planted_copies.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
planted_copies = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(planted_copies)
COPYISTS, clipped, copies = planted_copies.COPYISTS, planted_copies.clipped, planted_copies.copies
shifted, with_noise = planted_copies.shifted, planted_copies.with_noise


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
