"""DRAGAN's penalty around the reals."""

import torch

from ganvas.objectives.dragan import dragan_penalty, perturbed


def test_the_noise_is_as_strong_as_the_picture_has_contrast():
    real = torch.stack([torch.zeros(1, 64, 64), torch.randn(1, 64, 64)])
    around = perturbed(real, torch.randn(2, 1, 64, 64), scale=0.5)
    spread = (around - real).std(dim=(1, 2, 3))
    torch.testing.assert_close(spread, torch.tensor([0.0, 0.5]), atol=0.03, rtol=0)


def test_a_picture_does_not_depend_on_its_neighbours():
    real, noise = torch.randn(4, 3, 5, 5), torch.randn(4, 3, 5, 5)
    assert torch.equal(perturbed(real, noise)[:1], perturbed(real[:1], noise[:1]))


def test_the_points_are_leaves_for_a_gradient():
    around = perturbed(torch.randn(2, 1, 2, 2, requires_grad=True), torch.randn(2, 1, 2, 2))
    assert around.is_leaf
    assert around.requires_grad


def test_a_d_of_slope_3_pays_4_and_one_of_slope_1_nothing():
    around = perturbed(torch.randn(2, 1, 1, 2), torch.randn(2, 1, 1, 2))
    for slope, penalty in ((3.0, 4.0), (1.0, 0.0)):
        logits = slope * around[:, 0, 0, 0]
        torch.testing.assert_close(dragan_penalty(around, logits), torch.full((2,), penalty))


def test_the_penalty_teaches_the_weights_of_d():
    slope = torch.tensor(3.0, requires_grad=True)
    around = perturbed(torch.randn(2, 1, 1, 2), torch.randn(2, 1, 1, 2))
    dragan_penalty(around, slope * around[:, 0, 0, 0]).mean().backward()
    torch.testing.assert_close(slope.grad, torch.tensor(4.0))  # d (s - 1)^2 / ds at 3
