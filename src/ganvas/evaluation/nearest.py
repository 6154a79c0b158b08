"""The nearest training picture of each sample, and whether it is nearer than chance explains.

A distance alone says little: a blurred picture is near to everything, a plain one to many. What gives a copy
away is that one training picture is much nearer than the next ones. So each picture gets its closeness, the
distance to its nearest training picture over the mean distance to its 50 nearest (the idea of Carlini et al.,
2023), and the scale comes from real pictures that were not trained on: a sample is a near copy when its
closeness is within the lowest 1 % of theirs, or below half of what is typical for them. About 1 % of honest
samples are therefore counted, and all of a copyist's.
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
from ganvas.evaluation.rows import spread
from ganvas.images import Integers

SIDE = 32  # pixels are compared after an area average to at most this side
NEIGHBOURS = 50
UNUSUAL = 0.01
MOST_COMPARED = 1_000  # samples, and left-out real pictures, that are looked up
MOST_SEARCHED = 60_000  # training pictures that are searched
SHOWN = 16
PIECE = 4096  # training pictures compared at once
FULL_SIZE = 64  # pictures in memory at once before they are made small


@dataclass(frozen=True)
class Nearest:
    """The samples that most look like copies, most suspicious first, and what is usual for real pictures.

    Distances are root mean square differences of pixels, 0 to 1 (black against white).
    """

    samples: tuple[int, ...]  # row numbers among the judged pictures
    train: tuple[int, ...]  # row numbers of their nearest training pictures, by pixels
    distances: tuple[float, ...]
    train_by_features: tuple[int, ...]  # the same by features, among `searched_by_features` spread over the set
    median_distance: float  # of all judged samples
    real_median_distance: float  # of real pictures that were left out of the search
    copy_share: float
    real_copy_share: float
    real_pair: str  # which real pictures were left out
    compared: int  # judged samples
    searched: int  # training pictures, by pixels
    searched_by_features: int


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


def neighbours(queries: Tensor, base: Iterable[Tensor], k: int, own: Tensor | None = None) -> Neighbours:
    """The k nearest rows of `base`, which comes in pieces: [N, F], pieces of [M_i, F] -> Neighbours.

    `own`: [N], the row of the base that is the query itself, left out. Fewer than k rows give that many
    neighbours. Raises ValueError if nothing is left to compare with.
    """
    best = torch.empty(len(queries), 0)
    rows = torch.empty(len(queries), 0, dtype=torch.int64)
    start = 0
    for piece in base:
        squared = squared_distances(queries, piece)
        if own is not None:
            here = (own >= start) & (own < start + len(piece))
            squared[here, own[here] - start] = torch.inf
        near, where = squared.topk(min(k, len(piece)), dim=1, largest=False)
        best, rows = torch.cat([best, near], 1), torch.cat([rows, where + start], 1)
        best, kept = best.topk(min(k, best.shape[1]), dim=1, largest=False)
        rows = rows.gather(1, kept)
        start += len(piece)
    if own is not None and best.shape[1] == start:
        best, rows = best[:, :-1], rows[:, :-1]  # the query itself, at infinity
    if best.shape[1] == 0:
        raise ValueError(f"{start} pictures leave nothing to compare with: at least one other is needed")
    return Neighbours(best.sqrt(), rows)


def copy_threshold(real_closeness: Tensor) -> float:
    """The closeness from which down a picture counts as a near copy: [N] of left-out real pictures -> float.

    What the lowest 1 % of them do not exceed, but at least half of what is typical: many data sets hold some pictures
    twice, and those must not make the threshold 0.
    """
    lowest = float(torch.quantile(real_closeness, UNUSUAL, interpolation="lower"))
    return max(lowest, float(real_closeness.median()) / 2)


def share_within(closeness: Tensor, threshold: float) -> float:
    """Share of pictures at or below the threshold, in [0, 1]."""
    return float((closeness <= threshold).to(torch.float64).mean())


def find_nearest(
    samples: Integers,
    train: Integers,
    unseen: Integers | None,
    sample_features: Tensor,
    train_features: Tensor,
    train_rows: NDArray[np.int64],
) -> Nearest:
    """Look up to 1000 samples up among up to 60 000 training pictures: [N, C, H, W], [M, C, H, W] integers.

    `unseen`: real pictures that set the scale; with None, training pictures do, each left out of its own
    search. Features: [N, 128] of the samples, and [m, 128] of the training pictures `train_rows`. Raises
    ValueError below two training pictures.
    """
    chosen, searched = spread(len(samples), MOST_COMPARED), spread(len(train), MOST_SEARCHED)
    found = neighbours(pixel_vectors(samples, chosen), pixel_pieces(train, searched), NEIGHBOURS)
    if unseen is not None:
        left_out = pixel_vectors(unseen, spread(len(unseen), MOST_COMPARED))
        usual = neighbours(left_out, pixel_pieces(train, searched), NEIGHBOURS)
        pair = "held-out pictures against training ones"
    else:
        own = torch.from_numpy(spread(len(searched), MOST_COMPARED))
        left_out = pixel_vectors(train, searched[own.numpy()])
        usual = neighbours(left_out, pixel_pieces(train, searched), NEIGHBOURS, own)
        pair = "training pictures against the other training pictures"

    closeness, usual_closeness = found.closeness(), usual.closeness()
    threshold = copy_threshold(usual_closeness)
    shown = closeness.argsort(stable=True)[:SHOWN].numpy()
    by_features = neighbours(sample_features[chosen[shown]], [train_features], 1)
    return Nearest(
        samples=tuple(chosen[shown].tolist()),
        train=tuple(searched[found.rows[shown, 0].numpy()].tolist()),
        distances=tuple(found.distances[shown, 0].tolist()),
        train_by_features=tuple(train_rows[by_features.rows[:, 0].numpy()].tolist()),
        median_distance=float(found.distances[:, 0].median()),
        real_median_distance=float(usual.distances[:, 0].median()),
        copy_share=share_within(closeness, threshold),
        real_copy_share=share_within(usual_closeness, threshold),
        real_pair=pair,
        compared=len(chosen),
        searched=len(searched),
        searched_by_features=len(train_rows),
    )


def pair_pictures(nearest: Nearest, samples: Integers, train: Integers) -> Integers:
    """Each suspicious sample, then its nearest training picture: [2n, H, W, C], ready for `images.grid`."""
    n, (channels, height, width) = len(nearest.samples), samples.shape[1:]
    pairs = np.empty((n, 2, channels, height, width), samples.dtype)
    pairs[:, 0], pairs[:, 1] = samples[list(nearest.samples)], train[list(nearest.train)]
    return pairs.reshape(2 * n, channels, height, width).transpose(0, 2, 3, 1)
