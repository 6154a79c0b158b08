"""The relativistic average, where it can be worked out by hand."""

import math

import pytest
import torch

from ganvas.objectives.adversarial import relativistic_d_loss
from ganvas.objectives.relativistic_average import relativistic_average_d_loss, relativistic_average_g_loss


def test_a_blind_discriminator_gives_two_logarithms_of_two_to_both():
    zero = torch.zeros(3)
    for loss in (relativistic_average_d_loss, relativistic_average_g_loss):
        torch.testing.assert_close(loss(zero, zero), torch.full((3,), 2 * math.log(2)))


def test_each_is_compared_with_the_mean_of_the_others():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -2.0])  # means 2 and -1
    expected = [math.log1p(math.exp(-1 - 1)) + math.log1p(math.exp(0 - 2)), math.log1p(math.exp(-4)) * 2]
    assert relativistic_average_d_loss(real, fake).tolist() == pytest.approx(expected)


def test_of_one_pair_it_is_twice_the_paired_objective():
    real, fake = torch.tensor([0.7]), torch.tensor([-0.2])
    torch.testing.assert_close(relativistic_average_d_loss(real, fake), 2 * relativistic_d_loss(real, fake))


def test_g_learns_from_reals_and_fakes_and_against_d():
    real, fake = torch.randn(4, 9, requires_grad=True), torch.randn(4, 9, requires_grad=True)
    losses = relativistic_average_g_loss(real, fake)
    assert losses.shape == (4, 9)
    losses.mean().backward()
    assert (fake.grad < 0).all()
    assert (real.grad > 0).all()
