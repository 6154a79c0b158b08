"""The Fréchet distance without the bias of few samples, where the distance of the distributions is known."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.evaluation.metrics.fid_infinity import frechet_at_infinity, line_through
from ganvas.evaluation.metrics.frechet import Statistics

SIZE = 8


def standard_normal() -> Statistics:
    """The exact statistics of a standard normal distribution."""
    statistics = Statistics(SIZE)
    statistics.count, statistics.scatter = 2, torch.eye(SIZE, dtype=torch.float64)
    return statistics


def test_a_line_is_read_at_zero():
    x = [0.1, 0.2, 0.5]
    assert line_through(x, [3 + 7 * each for each in x]) == pytest.approx((3, 7))


def test_a_biased_series_gives_the_distance_of_the_distributions():
    generator = torch.Generator().manual_seed(0)
    known = SIZE * (1.3 - 1) ** 2  # of normal distributions with deviations 1.3 and 1
    found, biased = [], []
    for seed in range(30):
        fake = 1.3 * torch.randn(40 * SIZE, SIZE, generator=generator, dtype=torch.float64)
        at_infinity = frechet_at_infinity(fake, standard_normal(), seed=seed)
        found.append(at_infinity.value)
        biased.append(at_infinity.distances[-1])
    error = torch.tensor(found).std().item() / 30**0.5
    assert abs(sum(found) / 30 - known) < 3 * error
    assert sum(biased) / 30 - known > 3 * error


def test_the_sizes_go_from_a_tenth_of_the_samples_to_all_of_them():
    fake = torch.randn(50 * SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    found = frechet_at_infinity(fake, standard_normal())
    assert (found.sizes[0], found.sizes[-1], len(found.sizes)) == (5 * SIZE, 50 * SIZE, 15)
    assert found.slope > 0


def test_the_same_seed_gives_the_same_number():
    fake = torch.randn(50 * SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    assert frechet_at_infinity(fake, standard_normal()) == frechet_at_infinity(fake, standard_normal())
    assert frechet_at_infinity(fake, standard_normal(), seed=1) != frechet_at_infinity(fake, standard_normal())


def test_too_few_samples_for_a_line_are_refused():
    with pytest.raises(ValueError, match="31 samples of 8 features are too few for a line in 1/N: give at least 32"):
        frechet_at_infinity(torch.randn(31, SIZE), standard_normal())


def test_other_features_and_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="the set has 7 features, the reference 8"):
        frechet_at_infinity(torch.randn(100, SIZE - 1), standard_normal())
    with pytest.raises(ValueError, match="holds NaN"):
        frechet_at_infinity(torch.full((100, SIZE), math.nan), standard_normal())
