"""Euclidean distances between two sets of vectors, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

ROWS = 1024  # rows of `a` compared at once: at most ROWS x len(b) distances are alive


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2 by one matrix product: [N, F], [M, F] -> [N, M], never negative.

    |a|^2 + |b|^2 - 2ab cancels for near-equal vectors, so a difference within rounding (in float64: a
    distance of about 2e-7 of their length) counts as 0: a picture is at distance 0 from itself.
    """
    a_lengths, b_lengths = a.square().sum(1, keepdim=True), b.square().sum(1)
    scale = a_lengths + b_lengths
    squared = torch.addmm(scale, a, b.T, alpha=-2)
    rounding = 16 * torch.finfo(squared.dtype).eps * a.shape[1] ** 0.5
    return squared.masked_fill_(squared <= rounding * scale, 0.0)


def pieces(a: Tensor, rows: int = ROWS) -> Iterator[tuple[slice, Tensor]]:
    """(place, a[place]) in order, at most `rows` rows each."""
    for start in range(0, len(a), rows):
        place = slice(start, min(start + rows, len(a)))
        yield place, a[place]


def checked(name: str, features: Tensor, at_least: int = 1) -> Tensor:
    """`features` as float64, once it is sure that they are [N, F], enough, and finite; else ValueError."""
    if features.ndim != 2 or features.shape[1] == 0:
        raise ValueError(f"{name} has shape {list(features.shape)}, expected [samples, features]: flatten it first")
    if len(features) < at_least:
        raise ValueError(f"{name} has {len(features)} samples, at least {at_least} are needed: give it more pictures")
    features = features.detach().to(torch.float64)
    if not bool(torch.isfinite(features).all()):
        raise ValueError(f"{name} holds NaN or infinite values, expected finite features: check what drew the pictures")
    return features


def checked_pair(a: Tensor, b: Tensor, at_least: int = 1) -> tuple[Tensor, Tensor]:
    """Both sets as float64 [N, F] and [M, F] with the same F; else ValueError."""
    a, b = checked("the first set", a, at_least), checked("the second set", b, at_least)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"one set has {a.shape[1]} features, the other {b.shape[1]}: extract both with the same network"
        )
    return a, b
