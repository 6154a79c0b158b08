"""Modes as papers on collapse count them: at least one sample, and KL from the real shares."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.evaluation.metrics.modes import count_modes

UNEVEN = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)


def test_one_sample_makes_a_mode_found():
    assert count_modes(torch.tensor([0] * 99 + [2]), UNEVEN)[0] == 2


def test_the_same_shares_have_no_divergence():
    modes, divergence = count_modes(torch.tensor([0, 0, 1, 2]), UNEVEN)
    assert (modes, divergence) == (3, pytest.approx(0, abs=1e-12))


def test_one_mode_alone_diverges_by_the_log_of_its_share():
    assert count_modes(torch.ones(7, dtype=torch.int64), UNEVEN) == (1, pytest.approx(math.log(4)))


def test_a_mode_that_the_real_ones_do_not_have_is_infinitely_far():
    assert count_modes(torch.tensor([0, 1]), torch.tensor([1.0, 0.0])) == (2, math.inf)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="no labels were given"):
        count_modes(torch.empty(0, dtype=torch.int64), UNEVEN)
