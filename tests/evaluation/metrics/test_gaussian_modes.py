"""Modes of a mixture in the plane, counted by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.evaluation.metrics.gaussian_modes import gaussian_modes

MEANS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def test_a_sample_is_good_within_three_sigma_of_its_nearest_mode():
    points = torch.tensor([[2.9, 0.0], [0.0, 2.9], [10.0, 3.1], [10.0, 9.0]])
    found = gaussian_modes(points, MEANS, sigma=1.0)
    assert (found.modes, found.good) == (2, 0.75)
    shares = (2 / 3, 1 / 3)
    assert found.unevenness == pytest.approx(sum(p * math.log(p / 0.25) for p in shares))


def test_real_samples_find_all_modes_evenly_with_a_spread_of_one():
    generator = torch.Generator().manual_seed(0)
    points = MEANS[torch.randint(0, 4, (20_000,), generator=generator)]
    found = gaussian_modes(points + torch.randn(20_000, 2, generator=generator), MEANS, sigma=1.0)
    assert found.modes == 4
    assert found.good == pytest.approx(1 - math.exp(-4.5), abs=0.003)
    assert found.spread == pytest.approx(1, abs=0.02)
    assert found.unevenness < 0.001


def test_modes_that_have_shrunk_to_points_have_no_spread():
    found = gaussian_modes(MEANS, MEANS, sigma=1.0)
    assert (found.modes, found.good, found.spread, found.unevenness) == (4, 1, 0, 0)


def test_a_generator_that_diverged_finds_nothing():
    found = gaussian_modes(torch.full((5, 2), math.nan), MEANS, sigma=1.0)
    assert (found.modes, found.good, found.spread) == (0, 0, 0)
    assert found.unevenness == pytest.approx(math.log(4))


def test_points_of_other_dimensions_are_refused():
    with pytest.raises(ValueError, match="give points of the plane"):
        gaussian_modes(torch.zeros(5, 3), MEANS, sigma=1.0)
    with pytest.raises(ValueError, match="give points of the plane"):
        gaussian_modes(torch.zeros(0, 2), MEANS, sigma=1.0)
