from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stacked_mnist import ModeCount, stack_digits


@pytest.fixture
def counter() -> ModeCount:
    even = SimpleNamespace(labels=torch.arange(10))  # every digit as often
    return ModeCount(even)  # type: ignore[arg-type]


def test_every_triple_once_is_a_thousand_modes_and_no_divergence(counter: ModeCount) -> None:
    found = torch.cartesian_prod(*[torch.arange(10)] * 3)  # [1000, 3]
    numbers = counter.count(found, torch.ones(1000, 3, dtype=torch.bool))
    assert (numbers["modes"], numbers["sure_modes"], numbers["sure_share"]) == (1000, 1000, 1.0)
    assert numbers["kl"] == pytest.approx(0, abs=1e-4)


def test_one_triple_alone_is_one_mode_at_the_log_of_a_thousand(counter: ModeCount) -> None:
    numbers = counter.count(torch.full((50, 3), 7), torch.ones(50, 3, dtype=torch.bool))
    assert numbers["modes"] == 1
    assert numbers["kl"] == pytest.approx(math.log(1000), abs=1e-4)


def test_a_sample_is_sure_only_if_all_three_digits_are(counter: ModeCount) -> None:
    found = torch.tensor([[1, 2, 3], [4, 5, 6]])
    sure = torch.tensor([[True, True, True], [True, True, False]])
    numbers = counter.count(found, sure)
    assert (numbers["modes"], numbers["sure_modes"], numbers["sure_share"]) == (2, 1, 0.5)
    assert numbers["sure_digits"] == pytest.approx(5 / 6, abs=1e-4)


def test_triples_put_one_digit_in_each_channel_and_repeat_by_the_seed() -> None:
    digits = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    triples = stack_digits(digits, 100, seed=3)
    assert triples.shape == (100, 28, 28, 3)
    assert {tuple(np.unique(picture[..., 0])) for picture in triples} <= {(i,) for i in range(5)}
    np.testing.assert_array_equal(triples, stack_digits(digits, 100, seed=3))
