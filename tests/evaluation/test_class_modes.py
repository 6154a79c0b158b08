"""Which classes were drawn, how surely, how evenly: counted by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.evaluation.metrics.modes import (
    class_agreement,
    class_coverage,
    class_divergence,
    class_shares,
    missing_classes,
    sure_share,
)

EVEN = torch.full((4,), 0.25, dtype=torch.float64)


def test_a_class_that_was_never_drawn_is_missing():
    drawn = torch.tensor([0, 1, 1, 3])
    assert missing_classes(drawn, EVEN) == [2]
    assert class_coverage(drawn, EVEN) == 3 / 4


def test_one_stray_among_many_does_not_make_a_class_drawn():
    many = torch.tensor([0] * 500 + [1] * 300 + [2] * 199 + [3])
    assert missing_classes(many, EVEN) == [3]


def test_a_class_without_real_pictures_is_not_asked_for():
    assert class_coverage(torch.tensor([0, 1]), torch.tensor([0.5, 0.5, 0.0])) == 1


def test_the_same_mixture_has_no_divergence():
    assert class_divergence(torch.tensor([0, 1, 2, 3]), EVEN, real_count=400) == 0


def test_drawing_one_class_of_four_diverges_by_log_four():
    assert class_divergence(torch.zeros(100, dtype=torch.int64), EVEN, 400) == pytest.approx(math.log(4))


def test_a_class_that_only_the_samples_show_keeps_the_divergence_finite():
    drawn, shares = torch.tensor([0, 1]), torch.tensor([1.0, 0.0])
    q = 0.5 / 10  # half a picture of ten
    expected = 0.5 * math.log(0.5 / (1 / (1 + q))) + 0.5 * math.log(0.5 / (q / (1 + q)))
    assert class_divergence(drawn, shares, real_count=10) == pytest.approx(expected)


def test_sure_means_more_than_nine_tenths_for_one_class():
    probabilities = torch.tensor([[0.95, 0.05], [0.5, 0.5], [0.1, 0.9], [0.01, 0.99]], dtype=torch.float64)
    assert sure_share(probabilities) == 2 / 4


def test_agreement_is_the_share_taken_for_the_wanted_class():
    probabilities = torch.tensor([[0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
    assert class_agreement(probabilities, torch.tensor([0, 1, 1])) == pytest.approx(2 / 3)


def test_no_pictures_have_no_shares():
    with pytest.raises(ValueError, match="no labels were given"):
        class_shares(torch.empty(0, dtype=torch.int64), 3)
