"""What each objective is worth where it can be worked out by hand."""

import math

import pytest
import torch

from ganvas.objectives.adversarial import OBJECTIVES
from ganvas.settings import PROPORTIONAL

ZERO = torch.zeros(3)


def values(name, real, fake):
    d_loss, g_loss = OBJECTIVES[name]
    real, fake = torch.tensor([real]), torch.tensor([fake])
    return d_loss(real, fake).item(), g_loss(real, fake).item()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_gives_one_value_per_image(name):
    for loss in OBJECTIVES[name]:
        assert loss(torch.randn(5), torch.randn(5)).shape == (5,)


@pytest.mark.parametrize(
    ("name", "d_blind", "g_blind"),
    [
        ("minimax", 2 * math.log(2), -math.log(2)),
        ("non_saturating", 2 * math.log(2), math.log(2)),
        ("least_squares", 0.5, 0.5),
        ("wasserstein", 0.0, 0.0),
        ("hinge", 2.0, 0.0),
        ("relativistic", math.log(2), math.log(2)),
    ],
)
def test_a_blind_discriminator_gives_the_known_values(name, d_blind, g_blind):
    assert values(name, 0.0, 0.0) == pytest.approx((d_blind, g_blind))


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "hinge", "relativistic"])
def test_a_perfect_discriminator_has_no_loss(name):
    assert values(name, 30.0, -30.0)[0] == pytest.approx(0.0, abs=1e-6)


def test_a_perfect_least_squares_discriminator_answers_one_and_zero():
    assert values("least_squares", 1.0, 0.0) == pytest.approx((0.0, 0.5))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_d_wants_reals_above_fakes_and_g_the_opposite(name):
    real, fake = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    OBJECTIVES[name].d_loss(real, fake).sum().backward()
    assert real.grad < 0
    assert fake.grad is None or fake.grad > 0 or name == "least_squares"  # whose fakes rest at 0
    fake.grad = None
    OBJECTIVES[name].g_loss(real, fake).sum().backward()
    assert fake.grad < 0


def test_least_squares_pushes_fakes_to_zero_in_d_and_to_one_in_g():
    fake = torch.tensor([2.0], requires_grad=True)
    OBJECTIVES["least_squares"].d_loss(ZERO[:1], fake).sum().backward()
    assert fake.grad.item() == pytest.approx(2.0)
    fake.grad = None
    OBJECTIVES["least_squares"].g_loss(ZERO[:1], fake).sum().backward()
    assert fake.grad.item() == pytest.approx(1.0)


def test_the_saturating_loss_stops_teaching_where_d_is_sure_and_the_other_does_not():
    slopes = {}
    for name in ("minimax", "non_saturating"):
        fake = torch.tensor([-20.0], requires_grad=True)
        OBJECTIVES[name].g_loss(ZERO[:1], fake).sum().backward()
        slopes[name] = fake.grad.item()
    assert slopes["minimax"] == pytest.approx(0, abs=1e-6)
    assert slopes["non_saturating"] == pytest.approx(-1)


@pytest.mark.parametrize("name", PROPORTIONAL)
def test_where_turns_may_be_simultaneous_the_ratio_of_the_gradients_is_finite_and_negative(name):
    real, fake = torch.randn(50), torch.linspace(-20, 20, 50).requires_grad_(True)
    (g,) = torch.autograd.grad(OBJECTIVES[name].g_loss(real, fake).sum(), fake)
    (d,) = torch.autograd.grad(OBJECTIVES[name].d_loss(real, fake).sum(), fake)
    assert torch.isfinite(g / d).all()
    assert (g / d < 0).all()
