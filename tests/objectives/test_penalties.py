"""Penalties against closed forms and finite differences."""

import pytest
import torch
from torch import nn

from ganvas.objectives.penalties import clip_weights, gradient_penalty, interpolate, r1_penalty, r2_penalty


def linear_logits(weight, images):
    return (weight * images).sum(dim=(1, 2, 3))


def test_r1_of_a_linear_discriminator_is_its_squared_weight_length():
    weight = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)  # length 5
    real = torch.randn(6, 2, 1, 1, requires_grad=True)
    torch.testing.assert_close(r1_penalty(real, linear_logits(weight, real)), torch.full((6,), 25.0))
    torch.testing.assert_close(r2_penalty(real, linear_logits(weight, real)), torch.full((6,), 25.0))


def test_r1_agrees_with_finite_differences():
    torch.manual_seed(0)
    D = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    real = torch.randn(2, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    penalty = r1_penalty(real, D(real)[:, 0])
    step = 1e-6
    expected = torch.zeros(2, dtype=torch.float64)
    for i in range(4):
        moved = real.detach().clone()
        moved.view(2, 4)[:, i] += step
        expected += ((D(moved) - D(real.detach()))[:, 0] / step) ** 2
    torch.testing.assert_close(penalty, expected.detach(), rtol=1e-4, atol=1e-8)


def test_r1_teaches_the_weights_of_d():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    real = torch.randn(6, 2, 1, 1, requires_grad=True)
    r1_penalty(real, linear_logits(weight.view(1, 2, 1, 1), real)).mean().backward()
    torch.testing.assert_close(weight.grad, torch.tensor([6.0, 8.0]))  # d(w^2)/dw


@pytest.mark.parametrize(("length", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.0, 1.0)])
def test_the_gradient_penalty_wants_length_one(length, penalty):
    images = torch.randn(4, 1, 2, 2, requires_grad=True)
    logits = linear_logits(torch.tensor([length, 0, 0, 0]).view(1, 1, 2, 2), images)
    torch.testing.assert_close(gradient_penalty(images, logits), torch.full((4,), penalty))


def test_the_gradient_penalty_of_a_flat_discriminator_has_a_finite_gradient():
    weight = torch.zeros(1, 1, 2, 2, requires_grad=True)
    images = torch.randn(4, 1, 2, 2, requires_grad=True)
    gradient_penalty(images, linear_logits(weight, images)).mean().backward()
    assert torch.isfinite(weight.grad).all()


def test_points_between_real_and_fake_lie_where_the_weight_says():
    real, fake = torch.ones(3, 1, 1, 1), torch.zeros(3, 1, 1, 1)
    between = interpolate(real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert between.flatten().tolist() == [0.0, 0.25, 1.0]
    assert between.requires_grad


def test_clipping_keeps_every_parameter_within_the_limit():
    D = nn.Linear(10, 10)
    small = D.weight.detach().abs() < 0.01
    kept = D.weight.detach()[small].clone()
    clip_weights(D, 0.01)
    assert all(p.abs().max() <= 0.01 for p in D.parameters())
    torch.testing.assert_close(D.weight.detach()[small], kept)
