"""How much of one set lies where the other one lives, judged by balls that reach to the k-th neighbour.

Precision and recall: Kynkäänniemi et al. (2019). Density and coverage, which one outlier cannot inflate:
Naeem et al. (2020). Memory is flat: distances are looked at in pieces.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked_pair, pieces, squared_distances


def precision_and_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """(share of fakes inside a real ball, share of reals inside a fake ball), each in [0, 1]: [N, F], [M, F].

    A set's balls are centred on its samples and reach to their k-th nearest other sample. Compare only
    numbers with the same N and M. Raises ValueError if a side has no more than k samples, or as
    `checked_pair`.
    """
    real, fake = checked_pair(real, fake, at_least=k + 1)
    precision = _inside_any(fake, real, squared_radii(real, k))
    recall = _inside_any(real, fake, squared_radii(fake, k))
    return precision, recall


def density_and_coverage(real: Tensor, fake: Tensor, k: int = 5) -> tuple[float, float]:
    """(mean number of real balls around a fake, over k; share of real balls that hold a fake): [N, F], [M,
    F].

    Density is about 1 for equal distributions and may exceed 1; coverage is in [0, 1] and about 1 - 2^-k for
    equal distributions with as many fakes as reals. Raises ValueError as `precision_and_recall`.
    """
    balls, covered = ball_counts(real, fake, k)
    return float(balls.double().mean()) / k, float(covered.double().mean())


def ball_counts(real: Tensor, fake: Tensor, k: int = 5) -> tuple[Tensor, Tensor]:
    """(in how many real balls each fake lies, [M] int64; whether each real ball holds a fake, [N] bool)."""
    real, fake = checked_pair(real, fake, at_least=k + 1)
    radii = squared_radii(real, k)
    balls = torch.zeros(len(fake), dtype=torch.int64, device=fake.device)
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for place, piece in pieces(real):
        inside = squared_distances(piece, fake) <= radii[place, None]  # [rows of real, M]
        balls += inside.sum(0)
        covered[place] = inside.any(1)
    return balls, covered


def squared_radii(features: Tensor, k: int) -> Tensor:
    """Squared distance from each sample to its k-th nearest other sample: [N, F] -> [N]."""
    radii = []
    for place, piece in pieces(features):
        squared = squared_distances(piece, features)
        rows = torch.arange(len(piece), device=features.device)
        squared[rows, rows + place.start] = torch.inf  # a sample is not its own neighbour
        radii.append(squared.kthvalue(k, dim=1).values)
    return torch.cat(radii)


def _inside_any(samples: Tensor, centres: Tensor, radii: Tensor) -> float:
    """Share of `samples` within at least one ball."""
    inside = sum(int((squared_distances(piece, centres) <= radii).any(1).sum()) for _, piece in pieces(samples))
    return inside / len(samples)
