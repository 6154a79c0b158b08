"""The Inception Score where it is known, and what are no probabilities."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.evaluation.metrics.inception_score import ScoreSums, inception_score


def probabilities(n: int, classes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, classes, generator=torch.Generator().manual_seed(seed)).double().mul(2).softmax(1)


def test_sure_and_even_pictures_score_the_number_of_classes():
    assert inception_score(torch.eye(7).repeat(10, 1), splits=1).value == pytest.approx(7)


def test_pictures_all_alike_score_one_however_sure_they_are():
    assert inception_score(torch.tensor([[1.0, 0.0, 0.0]]).repeat(20, 1)).value == pytest.approx(1)
    assert inception_score(torch.tensor([[0.2, 0.5, 0.3]]).repeat(20, 1)).value == pytest.approx(1)


def test_two_classes_at_three_quarters_sure_score_what_a_pencil_gives():
    p = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert inception_score(p.repeat(5, 1), splits=1).value == pytest.approx(math.exp(divergence), rel=1e-6)


def test_the_spread_is_the_standard_deviation_over_the_splits():
    p = probabilities(100, 5)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    each = torch.tensor([inception_score(p[rows], splits=1).value for rows in order.split(25)], dtype=torch.float64)
    found = inception_score(p, splits=4)
    assert found.value == pytest.approx(each.mean().item())
    assert found.spread == pytest.approx(each.std(correction=0).item())


@pytest.mark.parametrize("order", ["sorted by class", "in turns"])
def test_samples_that_come_in_an_order_are_spread_over_the_splits(order):
    labels = torch.arange(1000) // 100 if order == "sorted by class" else torch.arange(1000) % 10
    assert inception_score(torch.eye(10)[labels]).value > 9


def test_the_size_of_the_batches_does_not_matter():
    p, sums = probabilities(103, 6), ScoreSums(103)
    for piece in p.split(7):
        sums.add(piece)
    assert sums.score().value == pytest.approx(inception_score(p).value, rel=1e-12)


def test_one_sample_scores_one():
    assert inception_score(torch.tensor([[0.3, 0.7]]), splits=1).value == pytest.approx(1)


def test_what_are_no_probabilities_is_refused():
    with pytest.raises(ValueError, match="apply softmax"):
        inception_score(torch.randn(20, 4))
    with pytest.raises(ValueError, match="holds NaN"):
        inception_score(torch.full((20, 4), math.nan))


def test_more_splits_than_samples_are_refused():
    with pytest.raises(ValueError, match="10 splits of 9 samples"):
        inception_score(probabilities(9, 3))


def test_another_number_of_samples_than_announced_is_refused():
    sums = ScoreSums(20)
    sums.add(probabilities(19, 3))
    with pytest.raises(ValueError, match="19 samples were added, expected 20"):
        sums.score()
    with pytest.raises(ValueError, match="21 samples were added, expected 20"):
        sums.add(probabilities(2, 3))
