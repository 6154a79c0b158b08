"""Top-k training against worked examples."""

import pytest
import torch

from ganvas.objectives.top_k import top_k_share, top_k_weights


def test_the_share_falls_by_equal_factors_from_1_and_then_stays():
    shares = [top_k_share(progress, until=0.5, final=0.25) for progress in (0, 0.25, 0.5, 0.75, 1)]
    assert shares == pytest.approx([1, 0.5, 0.25, 0.25, 0.25])


def test_the_mean_of_the_weighed_losses_is_that_of_the_best_pictures():
    logits, losses = torch.tensor([3.0, -1.0, 0.0, 2.0]), torch.tensor([1.0, 10.0, 100.0, 5.0])
    weights = top_k_weights(logits, 0.5)
    assert weights.tolist() == [2.0, 0.0, 0.0, 2.0]
    assert (weights * losses).mean() == (1 + 5) / 2


def test_a_share_of_1_is_everybody_and_the_least_is_one_picture():
    logits = torch.randn(7)
    assert torch.equal(top_k_weights(logits, 1.0), torch.ones(7))
    assert top_k_weights(logits, 0.01).count_nonzero() == 1


def test_equals_are_all_in_whatever_their_order():
    weights = top_k_weights(torch.tensor([1.0, 0.0, 1.0, 1.0]), 0.5)
    torch.testing.assert_close(weights, torch.tensor([4 / 3, 0, 4 / 3, 4 / 3]))


def test_pictures_move_with_their_weights():
    logits, order = torch.randn(16), torch.randperm(16)
    assert torch.equal(top_k_weights(logits, 0.3)[order], top_k_weights(logits[order], 0.3))


def test_several_logits_on_a_picture_count_by_their_mean_and_weights_have_no_gradient():
    logits = torch.tensor([[5.0, -5.0], [1.0, 1.0]], requires_grad=True)
    weights = top_k_weights(logits, 0.5)
    assert weights.tolist() == [0.0, 2.0]
    assert not weights.requires_grad
