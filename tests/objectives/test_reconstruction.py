"""The reconstruction loss against numbers that can be checked by hand."""

import pytest
import torch

from ganvas.objectives.reconstruction import reconstruction_loss


def test_a_perfect_decoder_has_no_loss_and_its_negative_has_two():
    pictures = torch.ones(3, 1, 4, 4)
    torch.testing.assert_close(reconstruction_loss([(pictures, pictures)]), torch.zeros(3))
    torch.testing.assert_close(reconstruction_loss([(-pictures, pictures)]), torch.full((3,), 2.0))


def test_pairs_of_different_sizes_are_averaged_over_pixels_and_added_per_picture():
    large = torch.zeros(2, 3, 8, 8), torch.tensor([0.5, 0.25]).view(2, 1, 1, 1).expand(2, 3, 8, 8)
    small = torch.zeros(2, 3, 2, 2), torch.full((2, 3, 2, 2), 0.1)
    torch.testing.assert_close(reconstruction_loss([large, small]), torch.tensor([0.6, 0.35]))


def test_the_gradient_is_the_sign_of_the_error_over_the_number_of_values():
    decoded = torch.tensor([[[[0.5, -0.5]]]], requires_grad=True)
    reconstruction_loss([(decoded, torch.zeros(1, 1, 1, 2))]).sum().backward()
    torch.testing.assert_close(decoded.grad, torch.tensor([[[[0.5, -0.5]]]]))


def test_no_pair_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one pair"):
        reconstruction_loss([])
