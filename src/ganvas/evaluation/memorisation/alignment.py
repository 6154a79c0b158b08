"""How far two pictures are apart once one is moved by a few pixels and given the other's colours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.evaluation.memorisation.descriptors import GREY_LEVEL

COMPARED_SIDE = 32  # pixels: what is larger is compared at half its size
REACH = 2  # pixels, of a picture of at most 64 a side
ALIKE = (2 * GREY_LEVEL) ** 2  # variance that counts as none: two grey levels, which rounding and JPEG bring about


@dataclass(frozen=True)
class Aligned:
    """Distances of N queries from K candidates each, [N, K], at the best move each, a row of `moves`.

    Each is the share of the query's deviation from its mean that a candidate leaves unexplained, from 0, where
    they are equal, to 1, where it explains nothing or there is nothing to explain: a plain query is near to nobody.
    as_is: by the candidate's own pixels. recoloured: by its colours and the square of its brightness, linearly
    mixed, which undoes brightness, contrast, gamma and turns of hue.
    """

    least: Tensor  # [N], at which an exact copy of each query would be
    as_is: Tensor
    as_is_moves: Tensor
    recoloured: Tensor
    recoloured_moves: Tensor


def moves(height: int, width: int) -> list[tuple[int, int]]:
    """By how many pixels down and right a query of that size is moved, in the order in which `moved` does it."""
    reach = _reach(height, width)
    steps = range(-reach, reach + 1)
    return [(down, right) for down in steps for right in steps]


def moved(queries: Tensor) -> Tensor:
    """[N, C, H, W] in [0, 1], sides of at most 64 -> [N, M, C, h, w]: the middle of each, moved in all ways.

    Sides above 32 are halved, after the move.
    """
    height, width = queries.shape[2:]
    reach, factor = _reach(height, width), _factor(height, width)
    rows, columns = (size - 2 * reach - factor + 1 for size in (height, width))
    averages = _halved(queries, 1) if factor == 2 else queries  # all that any move can need
    windows = [
        averages[:, :, top : top + rows : factor, left : left + columns : factor]
        for top, left in ((reach + down, reach + right) for down, right in moves(height, width))
    ]
    return torch.stack(windows, 1)


def middle(candidates: Tensor) -> Tensor:
    """What moved queries are compared with: [N, C, H, W] -> [N, C, h, w]."""
    height, width = candidates.shape[2:]
    reach = _reach(height, width)
    inner = candidates[:, :, reach : height - reach, reach : width - reach]
    return _halved(inner, 2) if _factor(height, width) == 2 else inner


def align(moved_queries: Tensor, middles: Tensor) -> Aligned:
    """Compare [N, M, C, h, w] as `moved` gives them with [N, K, C, h, w] as `middle` does."""
    channels = moved_queries.shape[2]
    queries, candidates = moved_queries.flatten(3), middles.flatten(3)  # [N, M, C, P], [N, K, C, P]
    pixels = queries.shape[3]
    values = channels * pixels
    query_means, candidate_means = queries.mean(3), candidates.mean(3)
    colours = torch.cat([candidates, candidates.mean(2, keepdim=True).square()], 2)  # [N, K, C + 1, P]
    queries, candidates = queries - query_means[..., None], candidates - candidate_means[..., None]

    query_energy = queries.square().sum((2, 3))[..., None]  # [N, M, 1]
    energy = candidates.square().sum((2, 3))[:, None]  # [N, 1, K]
    offsets = torch.cdist(query_means, candidate_means).square() * pixels
    as_is = query_energy + energy - 2 * queries.flatten(2) @ candidates.flatten(2).mT + offsets  # [N, M, K]

    # Least squares of each channel of the query on all colours of the candidate. White: made orthonormal.
    colours = colours - colours.mean(3, keepdim=True)
    covariance = colours @ colours.mT + ALIKE * pixels * torch.eye(channels + 1)  # [N, K, C + 1, C + 1]
    white = torch.linalg.inv(torch.linalg.cholesky(covariance)) @ colours  # [N, K, C + 1, P]
    explained = (queries.flatten(1, 2) @ white.flatten(1, 2).mT).square()  # [N, M * C, K * (C + 1)]
    explained = explained.unflatten(2, (-1, channels + 1)).sum(3).unflatten(1, (-1, channels)).sum(2)  # [N, M, K]
    nothing = ALIKE * values
    left, as_is_moves = ((as_is + nothing) / (query_energy + nothing)).min(1)
    mixed, recoloured_moves = ((query_energy - explained + nothing) / (query_energy + nothing)).min(1)
    unmoved = query_energy[:, query_energy.shape[1] // 2, 0]
    return Aligned(
        least=(nothing / (unmoved + nothing)).sqrt(),
        as_is=left.clamp(0, 1).sqrt(),
        as_is_moves=as_is_moves,
        recoloured=mixed.clamp(0, 1).sqrt(),
        recoloured_moves=recoloured_moves,
    )


def _halved(pictures: Tensor, stride: int) -> Tensor:
    """Means over 2x2 pixels, every `stride` pixels: [N, C, H, W]. Several times as fast as `avg_pool2d` on a CPU."""
    rows = pictures[:, :, :-1:stride] + pictures[:, :, 1::stride]
    return (rows[..., :-1:stride] + rows[..., 1::stride]) / 4


def _reach(height: int, width: int) -> int:
    """By how many pixels pictures are moved: 2, or fewer where they are small."""
    return min(REACH, min(height, width) // 8)


def _factor(height: int, width: int) -> int:
    return 2 if max(height, width) > COMPARED_SIDE else 1
