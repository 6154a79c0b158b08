"""Intervals that hold what they promise, and agree with the textbook."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from ganvas.evaluation.metrics.frechet import Statistics, frechet_distance
from ganvas.evaluation.metrics.interval import (
    bootstrap_interval,
    frechet_interval,
    mean_interval,
    student,
    wilson_interval,
)
from ganvas.evaluation.metrics.kernel import squared_mmd


def normal(n: int, size: int, seed: int) -> torch.Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def first_mean(samples: torch.Tensor) -> float:
    return float(samples[:, 0].mean())


def test_of_a_mean_it_is_two_standard_errors_to_either_side():
    found = bootstrap_interval(first_mean, normal(400, 1, 0), draws=2000)
    middle, half = (found.low + found.high) / 2, (found.high - found.low) / 2
    assert middle == pytest.approx(first_mean(normal(400, 1, 0)), abs=0.005)
    assert half == pytest.approx(1.96 / 20, rel=0.1)
    assert found.method == "bootstrap, 2000 draws"


def test_it_holds_the_true_mean_95_times_in_a_hundred():
    held = 0
    for seed in range(300):
        found = bootstrap_interval(first_mean, normal(60, 1, seed), draws=100, seed=seed)
        held += found.low <= 0 <= found.high
    assert 0.90 < held / 300 < 0.98


def test_repeats_do_not_move_it_off_a_distance():
    real = normal(200, 6, 0)
    for fake in (normal(200, 6, 1), normal(200, 6, 1) + 0.3):
        found = bootstrap_interval(lambda x: squared_mmd(x, real), fake, draws=50)
        assert found.low < squared_mmd(fake, real) < found.high


def test_the_frechet_distance_of_other_samples_mostly_lies_in_it():
    reference = Statistics(4)
    reference.add(normal(5000, 4, 99))

    def distance(seed: int) -> float:
        statistics = Statistics(4)
        statistics.add(1.2 * normal(300, 4, seed))
        return frechet_distance(statistics.mean, statistics.covariance, reference.mean, reference.covariance)

    expected = np.mean([distance(seed) for seed in range(100, 140)])
    intervals = [frechet_interval(1.2 * normal(300, 4, seed), reference, draws=60) for seed in range(20)]
    assert sum(found.low <= expected <= found.high for found in intervals) >= 17


def test_a_small_distance_has_no_end_below_zero():
    reference = Statistics(3)
    reference.add(normal(500, 3, 0))
    assert frechet_interval(normal(500, 3, 0), reference, draws=20).low == 0


def test_wilson_agrees_with_scipy_and_stays_within_zero_and_one():
    for hits, count in ((0, 10), (3, 10), (10, 10), (481, 1000), (1, 100_000)):
        expected = scipy.stats.binomtest(hits, count).proportion_ci(method="wilson")
        found = wilson_interval(hits, count)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert 0 <= found.low <= hits / count <= found.high <= 1


@pytest.mark.parametrize("degrees", [1, 2, 5, 10, 11, 20, 100])
def test_students_factor_is_that_of_scipy(degrees):
    assert student(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), rel=2e-4)


def test_of_seeds_it_is_students():
    found = mean_interval([0.90, 0.92, 0.91])
    half = 4.3027 * 0.01 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.91 - half, 0.91 + half))


def test_the_seed_decides():
    x = normal(50, 1, 0)
    assert bootstrap_interval(first_mean, x) == bootstrap_interval(first_mean, x)
    assert bootstrap_interval(first_mean, x) != bootstrap_interval(first_mean, x, seed=1)


def test_too_little_for_an_interval_is_refused():
    with pytest.raises(ValueError, match="the set has 1 samples, at least 2 are needed"):
        bootstrap_interval(first_mean, normal(1, 1, 0))
    with pytest.raises(ValueError, match="1 draws are too few"):
        bootstrap_interval(first_mean, normal(5, 1, 0), draws=1)
    with pytest.raises(ValueError, match="holds NaN"):
        bootstrap_interval(first_mean, torch.full((5, 1), math.nan))
    with pytest.raises(ValueError, match="3 of 2 is no share"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match="0 of 0 is no share"):
        wilson_interval(0, 0)
    with pytest.raises(ValueError, match="1 values have no interval"):
        mean_interval([0.5])
