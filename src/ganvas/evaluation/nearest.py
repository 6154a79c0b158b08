"""The nearest pictures by pixels alone, and how much nearer the first is than the next ones.

Whether samples copy is for `ganvas.evaluation.memorisation` to say; this is the quick look, one number a sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.evaluation.metrics.distances import squared_distances
from ganvas.images import Integers

SIDE = 32  # pixels are compared after an area average to at most this side
PIECE = 4096  # training pictures compared at once
FULL_SIZE = 64  # pictures in memory at once before they are made small


@dataclass(frozen=True)
class Neighbours:
    """For each query its nearest rows of the base, near to far: [N, k] distances and [N, k] row numbers."""

    distances: Tensor
    rows: Tensor

    def closeness(self) -> Tensor:
        """[N]: nearest distance over the mean of the k nearest, in [0, 1]; 0 for an exact copy."""
        mean = self.distances.mean(1)
        return torch.where(mean > 0, self.distances[:, 0] / mean.clamp_min(1e-12), torch.zeros_like(mean))


def pixel_vectors(images: Integers, rows: NDArray[np.int64] | None = None) -> Tensor:
    """Pictures as vectors whose distance is the root mean square difference: [N, C, H, W] -> [N, F] float32.

    Averaged over areas to at most 32 pixels a side, which forgives noise. `rows`: only those, in that order.
    """
    rows = np.arange(len(images)) if rows is None else rows
    height, width = images.shape[2:]
    factor = min(1.0, SIDE / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    vectors = []
    for start in range(0, len(rows), FULL_SIZE):
        some = torch.from_numpy(np.ascontiguousarray(images[rows[start : start + FULL_SIZE]]))
        x = some.to(torch.float32) / np.iinfo(images.dtype).max
        vectors.append(F.adaptive_avg_pool2d(x, size).flatten(1) if factor < 1 else x.flatten(1))
    together = torch.cat(vectors)
    return together.div_(together.shape[1] ** 0.5)


def pixel_pieces(images: Integers, rows: NDArray[np.int64]) -> Iterator[Tensor]:
    """`pixel_vectors` of those rows, 4096 at a time."""
    for start in range(0, len(rows), PIECE):
        yield pixel_vectors(images, rows[start : start + PIECE])


def neighbours(queries: Tensor, base: Iterable[Tensor], k: int) -> Neighbours:
    """The k nearest rows of `base`, which comes in pieces: [N, F], pieces of [M_i, F] -> Neighbours.

    Fewer than k rows give that many neighbours.
    """
    best = torch.empty(len(queries), 0)
    rows = torch.empty(len(queries), 0, dtype=torch.int64)
    start = 0
    for piece in base:
        squared = squared_distances(queries, piece)
        near, where = squared.topk(min(k, len(piece)), dim=1, largest=False)
        best, rows = torch.cat([best, near], 1), torch.cat([rows, where + start], 1)
        best, kept = best.topk(min(k, best.shape[1]), dim=1, largest=False)
        rows = rows.gather(1, kept)
        start += len(piece)
    return Neighbours(best.sqrt(), rows)
