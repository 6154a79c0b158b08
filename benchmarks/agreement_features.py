"""Metrics of features and probabilities against references; see `agreement.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agreement import Check, Pairs
from ganvas.evaluation.metrics.fid_infinity import frechet_at_infinity
from ganvas.evaluation.metrics.frechet import Statistics, frechet_distance_of_features
from ganvas.evaluation.metrics.gaussian_modes import gaussian_modes
from ganvas.evaluation.metrics.inception_score import inception_score
from ganvas.evaluation.metrics.interval import mean_interval, wilson_interval
from ganvas.evaluation.metrics.intra_class import intra_class
from ganvas.evaluation.metrics.kernel import kernel_distance
from ganvas.evaluation.metrics.manifold import density_and_coverage, precision_and_recall
from ganvas.evaluation.metrics.modes import count_modes

Array = NDArray[np.float64]

ENOUGH = ((300, 400, 16), (1000, 700, 64), (600, 600, 128))  # samples a side, features
FEW = ((40, 60, 64), (100, 400, 128))
NEIGHBOURS = (3, 5)


def features(samples: int, size: int, seed: int) -> Array:
    """Correlated, positive, with a decaying spectrum, as features after a ReLU are: [samples, size]."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(size, size)) / np.sqrt(np.arange(1, size + 1))[:, None]
    return np.maximum(rng.normal(size=(samples, size)) @ mixing / np.sqrt(np.log(size)) + 0.1 * (seed % 3), 0)


def sets(shapes: tuple[tuple[int, int, int], ...], equal: bool = False) -> Iterator[tuple[Array, Array]]:
    """Two sets of each shape, from three seeds; `equal`: of as many samples each."""
    for n, m, size in shapes:
        for seed in (1, 2, 3):
            yield features(n, size, seed), features(n if equal else m, size, seed + 10)


def ours_of(a: Array, b: Array) -> float:
    return frechet_distance_of_features(torch.from_numpy(a), torch.from_numpy(b))


def by_sqrtm(linalg: Any, a: Array, b: Array) -> float:
    """The formula of the paper."""
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(cov_a @ cov_b).real
    difference = a.mean(0) - b.mean(0)
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root))


def frechet_scipy(linalg: Any) -> Pairs:
    return [(ours_of(a, b), by_sqrtm(linalg, a, b)) for a, b in sets(ENOUGH)]


def frechet_few_scipy(linalg: Any) -> Pairs:
    return [(ours_of(a, b), by_sqrtm(linalg, a, b)) for a, b in sets(FEW)]


def frechet_torch_fidelity(fid: Any) -> Pairs:
    pairs = []
    for a, b in sets(ENOUGH):
        statistics = [fid.fid_features_to_statistics(torch.from_numpy(x)) for x in (a, b)]
        pairs.append((ours_of(a, b), fid.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]))
    return pairs


def frechet_clean_fid(fid: Any) -> Pairs:
    return [
        (ours_of(a, b), float(fid.frechet_distance(a.mean(0), np.cov(a.T), b.mean(0), np.cov(b.T))))
        for a, b in sets(ENOUGH)
    ]


def frechet_piq(piq: Any) -> Pairs:
    metric = piq.FID()
    return [
        (ours_of(a, b), float(metric.compute_metric(torch.from_numpy(a), torch.from_numpy(b)))) for a, b in sets(ENOUGH)
    ]


def kernel_ours(a: Array, b: Array) -> float:
    return kernel_distance(torch.from_numpy(a), torch.from_numpy(b))


def kernel_sklearn(pairwise: Any) -> Pairs:
    def reference(a: Array, b: Array) -> float:
        def mean(x: Array, y: Array) -> float:
            kernel = pairwise.polynomial_kernel(x, y, degree=3, gamma=None, coef0=1)
            if x is not y:
                return float(kernel.mean())
            return float((kernel.sum() - np.trace(kernel)) / (len(x) * (len(x) - 1)))

        return mean(a, a) + mean(b, b) - 2 * mean(a, b)

    return [(kernel_ours(a, b), reference(a, b)) for a, b in sets(ENOUGH[:1] + ENOUGH[2:], equal=True)]


def kernel_torch_fidelity(kid: Any) -> Pairs:
    pairs = []
    for a, b in sets(ENOUGH[:1] + ENOUGH[2:], equal=True):
        options = {"kid_subsets": 1, "kid_subset_size": len(a), "verbose": False}
        found = kid.kid_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), **options)
        pairs.append((kernel_ours(a, b), found["kernel_inception_distance_mean"]))
    return pairs


def kernel_clean_fid(fid: Any) -> Pairs:
    return [
        (kernel_ours(a, b), fid.kernel_distance(a, b, num_subsets=1, max_subset_size=len(a)))
        for a, b in sets(ENOUGH[:1] + ENOUGH[2:], equal=True)
    ]


def kernel_piq(piq: Any) -> Pairs:
    metric = piq.KID()
    return [
        (kernel_ours(a, b), float(metric.compute_metric(torch.from_numpy(a), torch.from_numpy(b))))
        for a, b in sets(ENOUGH[:1] + ENOUGH[2:], equal=True)
    ]


def manifold_ours(real: Array, fake: Array, k: int) -> tuple[float, float, float, float]:
    a, b = torch.from_numpy(real), torch.from_numpy(fake)
    return (*precision_and_recall(a, b, k), *density_and_coverage(a, b, k))


def manifold_sklearn(neighbors: Any) -> Pairs:
    def reference(real: Array, fake: Array, k: int) -> list[float]:
        def radii(x: Array) -> Array:
            return neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x).kneighbors()[0][:, -1]

        between = neighbors.NearestNeighbors(algorithm="brute").fit(real).kneighbors(fake, len(real))
        distance = np.empty((len(fake), len(real)))
        np.put_along_axis(distance, between[1], between[0], axis=1)
        inside = distance <= radii(real)
        recall = (distance <= radii(fake)[:, None]).any(0).mean()
        return [inside.any(1).mean(), recall, inside.sum() / (k * len(fake)), inside.any(0).mean()]

    return [
        pair
        for real, fake in sets(ENOUGH)
        for k in NEIGHBOURS
        for pair in zip(manifold_ours(real, fake, k), reference(real, fake, k), strict=True)
    ]


def manifold_torch_fidelity(prc: Any) -> Pairs:
    pairs: Pairs = []
    for real, fake in sets(ENOUGH):
        for k in NEIGHBOURS:
            given = torch.from_numpy(fake), torch.from_numpy(real)
            found = prc.prc_features_to_metric(*given, prc_neighborhood=k, prc_batch_size=10_000, verbose=False)
            theirs = found["precision"], found["recall"]
            pairs += zip(manifold_ours(real, fake, k)[:2], theirs, strict=True)
    return pairs


def manifold_piq(piq: Any, which: int) -> Pairs:
    pairs: Pairs = []
    for real, fake in sets(ENOUGH):
        for k in NEIGHBOURS:
            found = piq.PR(nearest_k=k).compute_metric(torch.from_numpy(real), torch.from_numpy(fake))
            pairs.append((manifold_ours(real, fake, k)[which], float(found[which])))
    return pairs


def manifold_prdc(prdc: Any) -> Pairs:
    pairs: Pairs = []
    for real, fake in sets(ENOUGH):
        for k in NEIGHBOURS:
            found = prdc.compute_prdc(real, fake, nearest_k=k)
            theirs = (float(found[name]) for name in ("precision", "recall", "density", "coverage"))
            pairs += zip(manifold_ours(real, fake, k), theirs, strict=True)
    return pairs


def logits() -> Iterator[Tensor]:
    for n, classes in ((100, 10), (500, 10), (200, 1000)):
        drawn = torch.randn(n, classes, generator=torch.Generator().manual_seed(classes), dtype=torch.float64)
        yield 3 * drawn + 2 * torch.eye(classes, dtype=torch.float64)[torch.arange(n) % 3]


def in_order_of_splits(x: Tensor) -> Tensor:
    """Rows in the order in which our splits take them."""
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]


def inception_torch_fidelity(isc: Any) -> Pairs:
    pairs: Pairs = []
    for x in logits():
        found, ours = (
            isc.isc_features_to_metric(in_order_of_splits(x), 10, shuffle=False),
            inception_score(x.softmax(1)),
        )
        pairs += (ours.value, found["inception_score_mean"]), (ours.spread, found["inception_score_std"])
    return pairs


def inception_piq(isc: Any) -> Pairs:
    return [
        (inception_score(x.softmax(1)).value, float(isc.inception_score(in_order_of_splits(x), 10)[0]))
        for x in logits()
    ]


def infinity_numpy(np_: Any, linalg: Any) -> Pairs:
    pairs: Pairs = []
    for seed in (1, 2, 3):
        fake, real = features(800, 32, seed), features(1000, 32, seed + 10)
        reference = Statistics(32)
        reference.add(torch.from_numpy(real))
        ours, generator = frechet_at_infinity(torch.from_numpy(fake), reference), torch.Generator().manual_seed(0)
        subsets = [fake[torch.randperm(800, generator=generator)[:n].numpy()] for n in ours.sizes]
        line = np_.polyfit(1 / np.array(ours.sizes), [by_sqrtm(linalg, x, real) for x in subsets], 1)
        pairs += (ours.slope, float(line[0])), (ours.value, float(line[1]))
    return pairs


def intra_class_scipy(linalg: Any) -> Pairs:
    pairs = []
    for fake, real in sets(ENOUGH[:1]):
        labels = [np.arange(len(x)) % 4 for x in (fake, real)]
        found = intra_class(*(torch.from_numpy(x) for x in (fake, labels[0], real, labels[1])))
        theirs = [by_sqrtm(linalg, fake[labels[0] == c], real[labels[1] == c]) for c in range(4)]
        pairs.append((found.mean, float(np.mean(theirs))))
    return pairs


def modes_scipy(stats: Any, spatial: Any) -> Pairs:
    pairs: Pairs = []
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet(np.ones(100))
        drawn = rng.choice(100, 5000, p=rng.dirichlet(np.ones(100)))
        modes, divergence = count_modes(torch.from_numpy(drawn), torch.from_numpy(shares))
        theirs = float(stats.entropy(np.bincount(drawn, minlength=100), shares))
        pairs += (modes, len(np.unique(drawn))), (divergence, theirs)

        means = np.stack(np.meshgrid(*[np.arange(5.0)] * 2), axis=-1).reshape(-1, 2)
        points = means[rng.integers(0, 20, 2000)] + rng.normal(0, 0.05, (2000, 2))
        found = gaussian_modes(torch.from_numpy(points), torch.from_numpy(means), 0.05)
        distance, nearest = spatial.cKDTree(means).query(points, distance_upper_bound=3 * 0.05)
        good = np.isfinite(distance)
        counts = np.bincount(nearest[good], minlength=25)
        pairs += (found.modes, int((counts > 0).sum())), (found.good, float(good.mean()))
        pairs.append((found.unevenness, float(stats.entropy(counts, np.ones(25)))))
    return pairs


def intervals_scipy(stats: Any) -> Pairs:
    pairs: Pairs = []
    for hits, count in ((1, 20), (17, 40), (999, 1000), (5_000, 60_000)):
        ours, theirs = wilson_interval(hits, count), stats.binomtest(hits, count).proportion_ci(method="wilson")
        pairs += (ours.low, float(theirs.low)), (ours.high, float(theirs.high))
    for n in (2, 3, 5, 12, 40):
        values = np.random.default_rng(n).normal(5, 1, n)
        low, high = stats.t.interval(0.95, n - 1, values.mean(), values.std(ddof=1) / np.sqrt(n))
        ours = mean_interval(values.tolist())
        pairs += (ours.low, float(low)), (ours.high, float(high))
    return pairs


FRECHET, KERNEL, MANIFOLD = "Fréchet distance", "kernel distance", "precision and recall"
FIDELITY = "torch-fidelity"
PIQ_ROOT = (
    "piq stops iterating its matrix root at an error of 1e-5; with scipy's root in its place the two agree to 1e-13"
)
PIQ_RECALL = "piq also counts a real sample as near as its own radius, where the ball is the fake sample's"
CHECKS = [
    Check(FRECHET, "scipy.linalg.sqrtm", ("scipy.linalg",), frechet_scipy),
    Check(f"{FRECHET}, fewer samples than features", "scipy.linalg.sqrtm", ("scipy.linalg",), frechet_few_scipy),
    Check(FRECHET, FIDELITY, ("torch_fidelity.metric_fid",), frechet_torch_fidelity),
    Check(FRECHET, "clean-fid", ("cleanfid.fid",), frechet_clean_fid),
    Check(FRECHET, "piq", ("piq",), frechet_piq, PIQ_ROOT),
    Check(f"{FRECHET} at infinity", "numpy.polyfit, scipy.linalg.sqrtm", ("numpy", "scipy.linalg"), infinity_numpy),
    Check(f"{FRECHET} within classes", "scipy.linalg.sqrtm", ("scipy.linalg",), intra_class_scipy),
    Check(KERNEL, "scikit-learn polynomial_kernel", ("sklearn.metrics.pairwise",), kernel_sklearn),
    Check(KERNEL, FIDELITY, ("torch_fidelity.metric_kid",), kernel_torch_fidelity),
    Check(KERNEL, "clean-fid", ("cleanfid.fid",), kernel_clean_fid),
    Check(KERNEL, "piq", ("piq",), kernel_piq),
    Check(f"{MANIFOLD}, density, coverage", "scikit-learn NearestNeighbors", ("sklearn.neighbors",), manifold_sklearn),
    Check(f"{MANIFOLD}, density, coverage", "prdc", ("prdc",), manifold_prdc),
    Check(MANIFOLD, FIDELITY, ("torch_fidelity.metric_prc",), manifold_torch_fidelity),
    Check("precision", "piq", ("piq",), lambda piq: manifold_piq(piq, 0)),
    Check("recall", "piq", ("piq",), lambda piq: manifold_piq(piq, 1), PIQ_RECALL),
    Check("Inception Score", FIDELITY, ("torch_fidelity.metric_isc",), inception_torch_fidelity),
    Check("Inception Score", "piq", ("piq.isc",), inception_piq),
    Check("counted modes", "scipy entropy and cKDTree", ("scipy.stats", "scipy.spatial"), modes_scipy),
    Check("Wilson's and Student's intervals", "scipy.stats", ("scipy.stats",), intervals_scipy),
]
