"""The Fréchet distance against closed forms, scipy's matrix square root and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from ganvas.evaluation.metrics.frechet import Statistics, frechet_distance, frechet_distance_of_features


def gaussian_features(samples: int, features: int, seed: int, mean: float = 0.0) -> torch.Tensor:
    """Correlated features: [samples, features] float64."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(features, features)) / math.sqrt(features)
    return torch.from_numpy(rng.normal(size=(samples, features)) @ mixing + mean)


def by_matrix_square_root(a: torch.Tensor, b: torch.Tensor) -> float:
    """The formula as written in the paper, by scipy."""
    cov_a, cov_b = np.cov(a.numpy().T), np.cov(b.numpy().T)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    difference = a.numpy().mean(0) - b.numpy().mean(0)
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root))


def test_in_one_dimension_it_is_the_differences_of_mean_and_deviation_squared():
    mean_a, mean_b = torch.tensor([1.0]), torch.tensor([4.0])
    cov_a, cov_b = torch.tensor([[4.0]]), torch.tensor([[25.0]])
    assert frechet_distance(mean_a, cov_a, mean_b, cov_b) == pytest.approx((4 - 1) ** 2 + (5 - 2) ** 2)


def test_diagonal_covariances_add_up_dimension_by_dimension():
    zero = torch.zeros(3)
    distance = frechet_distance(
        zero, torch.diag(torch.tensor([1.0, 4.0, 9.0])), zero, torch.diag(torch.tensor([4.0, 4.0, 1.0]))
    )
    assert distance == pytest.approx((2 - 1) ** 2 + 0 + (1 - 3) ** 2)


def test_a_rotated_covariance_has_the_distance_of_its_principal_axes():
    angle = math.pi / 6
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
    stretched = turn @ torch.diag(torch.tensor([9.0, 1.0]).double()) @ turn.T
    zero = torch.zeros(2)
    assert frechet_distance(zero, stretched, zero, torch.eye(2)) == pytest.approx((3 - 1) ** 2 + 0)


def test_equal_statistics_are_at_distance_zero():
    features = gaussian_features(200, 20, seed=0)
    assert frechet_distance_of_features(features, features.clone()) == pytest.approx(0, abs=1e-9)


def test_it_agrees_with_scipys_matrix_square_root():
    a, b = gaussian_features(400, 40, seed=1), gaussian_features(300, 40, seed=2, mean=0.3)
    assert frechet_distance_of_features(a, b) == pytest.approx(by_matrix_square_root(a, b), abs=1e-6)


def test_it_is_symmetric():
    a, b = gaussian_features(90, 12, seed=3), gaussian_features(70, 12, seed=4)
    assert frechet_distance_of_features(a, b) == pytest.approx(frechet_distance_of_features(b, a), abs=1e-10)


@pytest.mark.parametrize(("n", "m"), [(10, 10), (10, 200), (200, 10), (64, 63)])
def test_with_fewer_samples_than_features_it_still_agrees(n, m):
    a, b = gaussian_features(n, 64, seed=5), gaussian_features(m, 64, seed=6, mean=0.2)
    assert frechet_distance_of_features(a, b) == pytest.approx(by_matrix_square_root(a, b), abs=1e-4)
    by_statistics = frechet_distance(a.mean(0), torch.cov(a.T), b.mean(0), torch.cov(b.T))
    assert frechet_distance_of_features(a, b) == pytest.approx(by_statistics, abs=1e-6)


def test_features_that_never_fire_are_no_obstacle():
    a, b = gaussian_features(200, 10, seed=7), gaussian_features(200, 10, seed=8)
    dead = torch.zeros(200, 3, dtype=torch.float64)
    alive = frechet_distance_of_features(a, b)
    assert frechet_distance_of_features(torch.cat([a, dead], 1), torch.cat([b, dead], 1)) == pytest.approx(alive)


def test_a_doubled_feature_makes_the_covariance_singular_and_is_no_obstacle():
    a, b = gaussian_features(200, 1, seed=7), gaussian_features(200, 1, seed=8)
    once = frechet_distance_of_features(a, b)
    assert frechet_distance_of_features(a.repeat(1, 2), b.repeat(1, 2)) == pytest.approx(2 * once)


def test_two_single_samples_are_as_far_apart_as_they_are():
    assert frechet_distance_of_features(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])) == 25


def test_the_size_of_the_batches_does_not_matter():
    features = gaussian_features(101, 8, seed=9, mean=1e4)
    whole, pieces = Statistics(8), Statistics(8)
    whole.add(features)
    for piece in features.split(7):
        pieces.add(piece)
    assert pieces.count == 101
    torch.testing.assert_close(pieces.mean, whole.mean)
    torch.testing.assert_close(pieces.covariance, whole.covariance, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(whole.covariance, torch.cov(features.T), rtol=1e-9, atol=1e-9)


def test_single_precision_features_are_summed_in_double_precision():
    statistics = Statistics(1)
    for _ in range(3):
        statistics.add(torch.tensor([[16777216.0], [16777217.0 + 1.0]]))
    assert statistics.mean.item() == 16777217
    assert statistics.covariance.item() == pytest.approx(6 / 5)


def test_sets_of_different_features_are_refused():
    with pytest.raises(ValueError, match="one set has 3 features, the other 4"):
        frechet_distance_of_features(torch.zeros(5, 3), torch.zeros(5, 4))
    with pytest.raises(ValueError, match=r"cov_b has shape \[3, 3\], expected \[2, 2\]"):
        frechet_distance(torch.zeros(2), torch.eye(2), torch.zeros(2), torch.eye(3))


def test_values_that_are_not_finite_are_refused():
    broken = torch.tensor([[0.0, math.nan], [1.0, 2.0]])
    with pytest.raises(ValueError, match="the first set holds NaN"):
        frechet_distance_of_features(broken, torch.zeros(2, 2))
    with pytest.raises(ValueError, match="cov_a holds NaN or infinite"):
        frechet_distance(torch.zeros(1), torch.tensor([[math.inf]]), torch.zeros(1), torch.eye(1))


def test_statistics_without_samples_are_refused():
    with pytest.raises(ValueError, match="no samples were added"):
        _ = Statistics(4).covariance
