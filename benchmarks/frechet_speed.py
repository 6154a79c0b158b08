"""How much faster the Fréchet distance is than by scipy's matrix square root, and how well both agree.

    python benchmarks/frechet_speed.py [--features 2048] [--samples 10000 1000] [--rounds 1]

With at least as many samples as features both sides start from the same means and covariances; with fewer,
ours starts from the features, from which it never builds a covariance. Best of the rounds, interleaved.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from ganvas.evaluation.frechet import Statistics, frechet_distance, frechet_distance_of_features

Array = NDArray[np.float64]


def by_matrix_square_root(a: Statistics, b: Statistics) -> float:
    """The formula as it is usually computed."""
    cov_a, cov_b = a.covariance.numpy(), b.covariance.numpy()
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    difference = (a.mean - b.mean).numpy()
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root))


def by_ganvas(a: Statistics, b: Statistics) -> float:
    """Ours, from the same statistics."""
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)


def statistics_of(features: Array) -> Statistics:
    """Mean and covariance of [N, F]."""
    statistics = Statistics(features.shape[1])
    statistics.add(torch.from_numpy(features))
    return statistics


def features(samples: int, size: int, seed: int) -> Array:
    """Correlated, positive, with a decaying spectrum, as post-ReLU features are: [samples, size]."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(size, size)) / np.sqrt(np.arange(1, size + 1))[:, None]
    return np.maximum(rng.normal(size=(samples, size)) @ mixing / np.sqrt(np.log(size)) + 0.1 * seed, 0)


def seconds(function: Callable[[], float]) -> tuple[float, float]:
    """(what it took, what it gave)."""
    start = time.perf_counter()
    distance = function()
    return time.perf_counter() - start, distance


def compare(samples: int, size: int, rounds: int) -> str:
    """One line: times, ratio, agreement."""
    a, b = features(samples, size, 1), features(samples, size, 2)
    sums_a, sums_b = statistics_of(a), statistics_of(b)
    few = samples < size
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(seconds(lambda: by_matrix_square_root(sums_a, sums_b)))
        if few:
            ours.append(seconds(lambda: frechet_distance_of_features(torch.from_numpy(a), torch.from_numpy(b))))
        else:
            ours.append(seconds(lambda: by_ganvas(sums_a, sums_b)))
    (their_s, their_distance), (our_s, our_distance) = min(theirs), min(ours)
    return (
        f"{samples:6} samples: scipy sqrtm {their_s:.2f} s, ours {our_s:.2f} s, ratio {their_s / our_s:.1f}; "
        f"distances {their_distance:.8f} and {our_distance:.8f}, "
        f"relative difference {abs(our_distance / their_distance - 1):.1e}"
    )


def main() -> None:
    """Print one line for each number of samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 1_000])
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, {arguments.features} features, best of {arguments.rounds}")
    compare(64, 32, 1)  # the first call loads libraries
    for samples in arguments.samples:
        print(compare(samples, arguments.features, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
