"""The kernel distance by hand, without bias, and the same on every call."""

from __future__ import annotations

import pytest
import torch

from ganvas.evaluation.metrics.kernel import kernel_distance, squared_mmd


def test_two_pairs_of_numbers_give_what_a_pencil_gives():
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    within_a = (0 * 1 + 1) ** 3  # the only pair of two different samples
    within_b = (1 * 2 + 1) ** 3
    across = ((0 + 1) ** 3 + (0 + 1) ** 3 + (1 + 1) ** 3 + (2 + 1) ** 3) / 4
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * across)


def test_the_product_is_divided_by_the_number_of_features():
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    assert kernel_distance(a.repeat(1, 5), b.repeat(1, 5)) == pytest.approx(kernel_distance(a, b))


def test_it_has_no_bias_for_small_sets_of_one_distribution():
    generator = torch.Generator().manual_seed(0)
    distances = [squared_mmd(*torch.randn(2, 8, 4, generator=generator, dtype=torch.float64)) for _ in range(2000)]
    mean, spread = torch.tensor(distances).mean().item(), torch.tensor(distances).std().item()
    assert abs(mean) < 4 * spread / 2000**0.5
    assert min(distances) < 0 < max(distances)


def test_sets_that_differ_are_further_apart_the_more_they_differ():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 500, 8, generator=generator)
    assert kernel_distance(a, b) < kernel_distance(a, b + 0.3) < kernel_distance(a, b + 1)


def test_subsets_are_the_same_on_every_call_and_leave_the_global_stream_alone():
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(60, 4, generator=generator), torch.randn(50, 4, generator=generator) + 1
    state = torch.get_rng_state()
    first = kernel_distance(a, b, subset=20)
    assert kernel_distance(a, b, subset=20) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert first == pytest.approx(squared_mmd(a.double(), b.double()), rel=0.2)


def test_a_single_sample_is_refused():
    with pytest.raises(ValueError, match="the second set has 1 samples, at least 2 are needed"):
        kernel_distance(torch.zeros(3, 2), torch.zeros(1, 2))
