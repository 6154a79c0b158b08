"""Path lengths of generators whose change per step is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganvas.evaluation.metrics import path_length
from ganvas.evaluation.metrics.path_length import (
    EPSILON,
    path_length_in_w,
    path_length_in_z,
    slerp,
    step_lengths,
    without_outliers,
)


def as_pictures(z: Tensor) -> Tensor:
    return z[:, :, None, None]


def squared(a: Tensor, b: Tensor) -> Tensor:
    return (a.double() - b.double()).square().sum((1, 2, 3))


def test_a_linear_generator_moves_by_the_difference_of_the_ends_in_w():
    # |w1 - w0|^2 of two normal vectors of 16 numbers: 2 x chi squared, with mean 32
    found = path_length_in_w(lambda z: z, lambda w: as_pictures(3 * w), squared, 16, paths=4000)
    assert found.value == pytest.approx(9 * 32, abs=5 * found.standard_error)
    assert (found.paths, found.discarded) == (4000, 78)  # 39 at either end lie outside the percentiles


def test_on_a_unit_sphere_the_step_is_the_angle_between_the_ends():
    a, b = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    for t in (0.0, 0.3, 0.9):
        found = step_lengths(as_pictures, squared, slerp, a, b, torch.tensor([[t]]))
        assert found.item() == pytest.approx((math.pi / 2) ** 2, rel=2e-3)


def test_a_great_circle_keeps_the_length_and_meets_both_ends():
    a, b = torch.tensor([[3.0, 0.0]]).double(), torch.tensor([[0.0, 5.0]]).double()
    ends = [slerp(a, b, torch.tensor([[t]]).double())[0].tolist() for t in (0.0, 1.0)]
    assert ends[0] == pytest.approx([3, 0])
    assert ends[1] == pytest.approx([0, 5])
    half = slerp(a, b, torch.tensor([[0.5]]).double())
    assert half.norm().item() == pytest.approx(4)
    assert half[0, 0] == pytest.approx(half[0, 1])


def test_equal_ends_are_a_path_of_no_length():
    a = torch.tensor([[0.6, 0.8]])
    assert step_lengths(as_pictures, squared, slerp, a, a, torch.tensor([[0.5]])).item() == pytest.approx(0, abs=1e-4)


def test_a_generator_that_jumps_is_rough_only_where_it_jumps():
    def jumping(w: Tensor) -> Tensor:
        return as_pictures((w > 0).float())

    found = path_length_in_w(lambda z: z, jumping, squared, 1, paths=500)
    assert found.value == 0  # the chance of a jump within 1e-4 of the way is nil
    assert path_length_in_z(as_pictures, squared, 4, paths=500).value > 0


def test_at_the_ends_the_latents_are_the_mapped_ones():
    seen = []

    def synthesis(w: Tensor) -> Tensor:
        seen.append(w)
        return as_pictures(w)

    path_length_in_w(lambda z: z.tanh(), synthesis, squared, 3, paths=8, ends=True)
    here, there = seen
    assert here.abs().max() < 1
    assert (there - here).abs().max() < 2 * EPSILON
    seen.clear()
    path_length_in_w(lambda z: z.tanh(), synthesis, squared, 3, paths=8)
    assert not torch.allclose(seen[0], here)


def test_the_size_of_the_batches_does_not_matter_and_the_seed_does(monkeypatch):
    first = path_length_in_z(as_pictures, squared, 5, paths=50)
    monkeypatch.setattr(path_length, "BATCH", 7)
    assert path_length_in_z(as_pictures, squared, 5, paths=50).value == pytest.approx(first.value)
    assert path_length_in_z(as_pictures, squared, 5, paths=50, seed=1).value != first.value


def test_one_percent_at_either_end_is_discarded():
    lengths = torch.arange(1001.0)
    kept = without_outliers(lengths)
    assert (kept.min(), kept.max(), len(kept)) == (10, 990, 981)


def test_what_hides_steps_or_is_no_distance_is_refused():
    with pytest.raises(ValueError, match=r"the generator gives torch.uint8, in which small steps are lost"):
        path_length_in_z(lambda z: as_pictures(z).to(torch.uint8), squared, 4, paths=8)
    with pytest.raises(ValueError, match="negative, NaN or infinite"):
        path_length_in_z(as_pictures, lambda a, b: -squared(a, b) - 1, 4, paths=8)
    with pytest.raises(ValueError, match="negative, NaN or infinite"):
        path_length_in_z(lambda z: as_pictures(z * math.nan), squared, 4, paths=8)
    with pytest.raises(ValueError, match="1 paths are too few"):
        path_length_in_z(as_pictures, squared, 4, paths=1)
