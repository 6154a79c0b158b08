"""How much faster the Fréchet distance is than by scipy's matrix square root, and how well both agree.

    python benchmarks/frechet_speed.py [--features 2048] [--samples 10000 1000] [--rounds 1] [--out FILE]

With at least as many samples as features both sides start from the same means and covariances; with fewer,
ours starts from the features, from which it never builds a covariance. Best of the rounds, interleaved.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from ganvas.evaluation.metrics.frechet import Statistics, frechet_distance, frechet_distance_of_features
from ganvas.versions import versions

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


def compare(samples: int, size: int, rounds: int) -> dict[str, float]:
    """Times, ratio and agreement for one number of samples."""
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
    return {
        "samples": samples,
        "features": size,
        "scipy_sqrtm_s": round(their_s, 2),
        "ours_s": round(our_s, 3),
        "ratio": round(their_s / our_s, 1),
        "scipy_distance": their_distance,
        "our_distance": our_distance,
        "relative_difference": abs(our_distance / their_distance - 1),
    }


def main() -> None:
    """Print one line for each number of samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 1_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, {arguments.features} features, best of {arguments.rounds}")
    compare(64, 32, 1)  # the first call loads libraries
    rows = []
    for samples in arguments.samples:
        rows.append(compare(samples, arguments.features, arguments.rounds))
        print(json.dumps(rows[-1]), flush=True)
    if arguments.out:
        facts = {"schema": 1, "threads": torch.get_num_threads(), "versions": versions(), "rows": rows}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
