"""The squared Fréchet distance between two Gaussians, from statistics or from features; the last step of FID.

    |mean_a - mean_b|^2 + Tr(cov_a) + Tr(cov_b) - 2 Tr((cov_a cov_b)^(1/2))          (Dowson and Landau, 1982)

No matrix square root is taken. With cov_a = L L^T the last trace is the sum of the square roots of the
eigenvalues of the symmetric L^T cov_b L; with centred features A and B it is the sum of the singular values
of A B^T.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked, checked_pair


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """Squared Fréchet distance between two Gaussians (Heusel et al., 2017, use it in FID's features).

    mean_*: [F]. cov_*: [F, F], symmetric, singular ones too. Computed in float64. Lower is closer; 0 means
    equal statistics. Raises ValueError if the feature sizes differ or a value is not finite.
    """
    mean_a, mean_b, cov_a, cov_b = (t.detach().to(torch.float64) for t in (mean_a, mean_b, cov_a, cov_b))
    size = mean_a.numel()
    for name, given, expected in (
        ("mean_a", mean_a, [size]),
        ("mean_b", mean_b, [size]),
        ("cov_a", cov_a, [size, size]),
        ("cov_b", cov_b, [size, size]),
    ):
        if list(given.shape) != expected:
            raise ValueError(f"{name} has shape {list(given.shape)}, expected {expected}: use the same features twice")
        if not bool(torch.isfinite(given.sum())):  # a tenth of the time that looking at each takes
            raise ValueError(f"{name} holds NaN or infinite values, expected finite statistics: check the features")

    factor = _cholesky(cov_a)
    if factor is None or _cholesky(cov_b) is None:
        trace_of_root = torch.linalg.svdvals(_root(cov_a).T @ _root(cov_b)).sum()
    else:
        eigenvalues = torch.linalg.eigvalsh(factor.T @ cov_b @ factor)
        trace_of_root = eigenvalues.clamp_min(0).sqrt().sum()
    return _assemble(mean_a - mean_b, cov_a.trace() + cov_b.trace(), trace_of_root)


def frechet_distance_of_features(a: Tensor, b: Tensor) -> float:
    """Squared Fréchet distance between the Gaussians fitted to two sets of features: [N, F], [M, F].

    Covariances are the unbiased ones (divided by N - 1); a single sample has covariance 0. With fewer samples
    than features on either side the covariances, which are singular then, are never built. Raises ValueError
    as above.
    """
    a, b = checked_pair(a, b)
    size = a.shape[1]
    if min(len(a), len(b)) >= size:
        statistics_a, statistics_b = Statistics(size), Statistics(size)
        statistics_a.add(a)
        statistics_b.add(b)
        return frechet_distance(statistics_a.mean, statistics_a.covariance, statistics_b.mean, statistics_b.covariance)

    scaled_a, scaled_b = ((x - x.mean(0)) / max(len(x) - 1, 1) ** 0.5 for x in (a, b))
    traces = scaled_a.square().sum() + scaled_b.square().sum()
    # A tall side gives way to its triangular factor, R^T R = B^T B, which keeps the singular values.
    short_a, short_b = (torch.linalg.qr(x, mode="r").R if len(x) > size else x for x in (scaled_a, scaled_b))
    return _assemble(a.mean(0) - b.mean(0), traces, torch.linalg.svdvals(short_a @ short_b.T).sum())


class Statistics:
    """Mean and covariance of features that arrive in batches of any size, in float64.

    Batches are merged by their means and scatters (Chan et al., 1979), so a large mean costs no precision and
    the size of the batches does not matter.
    """

    def __init__(self, features: int) -> None:
        self.count = 0
        self.mean = torch.zeros(features, dtype=torch.float64)  # [F]
        self.scatter = torch.zeros(features, features, dtype=torch.float64)  # sum of (x - mean)(x - mean)^T

    def add(self, features: Tensor) -> None:
        """Take one batch in: [N, F], N >= 1. Raises ValueError for another F or values that are not
        finite.
        """
        batch = checked("the batch", features).cpu()
        mean = batch.mean(0)
        centred = batch - mean
        self._move(len(batch), mean)
        self.scatter.addmm_(centred.T, centred)

    def merge(self, other: Statistics) -> None:
        """Take in what another one has seen, such as another process; samples of both count twice. Raises ValueError
        for another F.
        """
        if other.count:
            self._move(other.count, other.mean)
            self.scatter += other.scatter

    @property
    def covariance(self) -> Tensor:
        """[F, F], divided by N - 1; all 0 for a single sample. Raises ValueError before the first sample."""
        if self.count == 0:
            raise ValueError("no samples were added, expected at least one: call add() first")
        return self.scatter / max(self.count - 1, 1)

    def _move(self, count: int, mean: Tensor) -> None:
        """The new count and mean, and the scatter of both means about it, for as many more samples."""
        if len(mean) != len(self.mean):
            raise ValueError(f"the batch has {len(mean)} features, expected {len(self.mean)}: use one network for all")
        total = self.count + count
        shift = mean - self.mean
        self.scatter.addr_(shift, shift, alpha=self.count * count / total)
        self.mean += shift * (count / total)
        self.count = total


def _cholesky(covariance: Tensor) -> Tensor | None:
    """L with L L^T = covariance, or None if it is so near to singular that rounding would show in the
    roots.
    """
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if bool(failed):
        return None
    pivots = factor.diagonal().square()
    near_zero = len(pivots) * torch.finfo(torch.float64).eps * pivots.max()
    return factor if bool(pivots.min() > near_zero) else None


def _root(covariance: Tensor) -> Tensor:
    """B with B B^T = covariance, also for a singular one: eigenvalues within rounding of 0 are 0."""
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    near_zero = 10 * torch.finfo(torch.float64).eps * eigenvalues.abs().max()
    root: Tensor = vectors * eigenvalues.masked_fill(eigenvalues <= near_zero, 0.0).sqrt()
    return root


def _assemble(difference: Tensor, traces: Tensor, trace_of_root: Tensor) -> float:
    """The formula at the top of this file; rounding may leave it a hair below 0, where no distance is."""
    return max(0.0, float(difference.square().sum() + traces - 2 * trace_of_root))
