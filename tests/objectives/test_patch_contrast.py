"""PatchNCE by hand."""

import math

import pytest
import torch
from torch.nn import functional as F

from ganvas.objectives.patch_contrast import multilayer_patch_contrast_loss, patch_contrast_loss


def test_vectors_that_are_all_alike_leave_the_logarithm_of_the_places():
    alike = torch.ones(2, 8, 4) / 2
    torch.testing.assert_close(patch_contrast_loss(alike, alike), torch.full((2,), math.log(8)))


def test_orthogonal_places_that_match_cost_what_the_temperature_leaves():
    places = torch.eye(5)[None]
    expected = math.log(math.exp(1 / 0.5) + 4) - 1 / 0.5
    assert patch_contrast_loss(places, places, temperature=0.5).item() == pytest.approx(expected)
    swapped = places[:, [1, 0, 2, 3, 4]]
    assert patch_contrast_loss(swapped, places).item() == pytest.approx(2 / 5 / 0.07, rel=0.01)


def test_the_loss_falls_when_what_was_painted_turns_to_its_place():
    torch.manual_seed(0)
    source = F.normalize(torch.randn(2, 6, 16), dim=2).requires_grad_(True)
    painted = torch.randn(2, 6, 16, requires_grad=True)
    before = patch_contrast_loss(F.normalize(painted, dim=2), source)
    before.sum().backward()
    assert source.grad is None
    after = patch_contrast_loss(F.normalize(painted - 0.1 * painted.grad, dim=2), source)
    assert (after < before).all()


def test_layers_of_any_number_of_places_count_alike():
    a, b = (F.normalize(torch.randn(3, s, 8), dim=2) for s in (4, 9))
    both = multilayer_patch_contrast_loss([a, b], [a, b])
    torch.testing.assert_close(both, (patch_contrast_loss(a, a) + patch_contrast_loss(b, b)) / 2)
    with pytest.raises(ValueError, match="at least one layer"):
        multilayer_patch_contrast_loss([], [])
