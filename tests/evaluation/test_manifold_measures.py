"""Precision, recall, density and coverage on points of a line, where balls are intervals."""

from __future__ import annotations

import pytest
import torch

from ganvas.evaluation.metrics import distances
from ganvas.evaluation.metrics.manifold import density_and_coverage, precision_and_recall, squared_radii


def on_a_line(*positions: float) -> torch.Tensor:
    return torch.tensor(positions)[:, None]


def test_a_ball_reaches_to_the_kth_nearest_other_sample():
    points = on_a_line(0, 1, 3, 7)
    assert squared_radii(points.double(), k=1).sqrt().tolist() == [1, 1, 2, 4]
    assert squared_radii(points.double(), k=2).sqrt().tolist() == [3, 2, 3, 6]


def test_precision_counts_fakes_in_real_balls_and_recall_reals_in_fake_balls():
    real = on_a_line(0, 1, 10, 11)  # balls of k = 1: [-1, 1], [0, 2], [9, 11], [10, 12]
    fake = on_a_line(0.5, 1.5, 5, 6)  # balls: [-0.5, 1.5], [0.5, 2.5], [4, 6], [5, 7]
    precision, recall = precision_and_recall(real, fake, k=1)
    assert precision == 2 / 4  # 0.5 and 1.5
    assert recall == 2 / 4  # 0 and 1


def test_density_counts_balls_and_coverage_balls_that_are_met():
    real = on_a_line(0, 1, 10, 11)
    fake = on_a_line(0.5, 1.5)  # 0.5 lies in two balls, 1.5 in one
    density, coverage = density_and_coverage(real, fake, k=1)
    assert density == 3 / 2
    assert coverage == 2 / 4


def test_equal_sets_are_wholly_precise_recalled_and_covered():
    points = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    assert precision_and_recall(points, points.clone()) == (1, 1)
    assert density_and_coverage(points, points.clone())[1] == 1


def test_one_real_outlier_swells_precision_but_hardly_density():
    real = on_a_line(0, 1, 2, 3, 4, 5, 6, 7, 8, 1000)  # the outlier's ball reaches back to 8 and beyond
    fake = on_a_line(100, 200, 300, 400, 500, 600)
    assert precision_and_recall(real, fake, k=3)[0] == 1
    assert density_and_coverage(real, fake, k=3)[0] == pytest.approx(1 / 3)


def test_a_collapsed_generator_is_precise_and_recalls_nothing():
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(200, 8, generator=generator)
    fake = real[:1] + 0.01 * torch.randn(200, 8, generator=generator)
    precision, recall = precision_and_recall(real, fake)
    assert precision == 1
    assert recall <= 1 / 200


def test_repeated_pictures_with_a_ball_of_radius_zero_contain_themselves():
    repeated = (torch.arange(6.0)[:, None] + 0.1).repeat(5, 7).repeat(1, 1)
    assert precision_and_recall(repeated, repeated.clone(), k=3) == (1, 1)


def test_the_size_of_the_pieces_does_not_matter(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(70, 5, generator=generator), torch.randn(40, 5, generator=generator)
    whole = precision_and_recall(real, fake), density_and_coverage(real, fake)
    monkeypatch.setattr(distances.pieces, "__defaults__", (16,))
    assert (precision_and_recall(real, fake), density_and_coverage(real, fake)) == whole


def test_too_few_samples_for_k_are_refused():
    with pytest.raises(ValueError, match="the second set has 3 samples, at least 4 are needed"):
        precision_and_recall(torch.zeros(9, 2), torch.zeros(3, 2), k=3)
