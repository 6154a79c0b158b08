"""Path lengths against generators whose derivative is known."""

import pytest
import torch

from ganvas.objectives.path_length import path_length_penalty, path_lengths, updated_target


def linear_pictures(ws, jacobian):
    """The mean of the layers' w's through a matrix [4, w_dim], as pictures of 1x2x2."""
    return (ws.mean(dim=1) @ jacobian.T).view(-1, 1, 2, 2)


def test_a_generator_that_keeps_lengths_has_the_length_of_the_noise():
    ws = torch.randn(3, 1, 4, requires_grad=True)
    noise = torch.tensor([2.0, 0, 0, 0]).view(1, 1, 2, 2).repeat(3, 1, 1, 1)
    lengths = path_lengths(linear_pictures(ws, torch.eye(4)), ws, noise)
    torch.testing.assert_close(lengths, torch.full((3,), 2.0 / 2))  # divided by the root of four pixels


def test_the_length_of_a_linear_generator_is_that_of_its_jacobian_times_the_noise():
    torch.manual_seed(0)
    jacobian, noise = torch.randn(4, 5), torch.randn(6, 1, 2, 2)
    ws = torch.randn(6, 1, 5, requires_grad=True)
    lengths = path_lengths(linear_pictures(ws, jacobian), ws, noise)
    torch.testing.assert_close(lengths, (noise.view(6, 4) @ jacobian).norm(dim=1) / 2)


def test_the_mean_square_over_noise_is_the_squared_size_of_the_jacobian():
    torch.manual_seed(0)
    jacobian = torch.randn(4, 5)
    ws = torch.randn(20_000, 1, 5, requires_grad=True)
    lengths = path_lengths(linear_pictures(ws, jacobian), ws, torch.randn(20_000, 1, 2, 2))
    assert lengths.square().mean() == pytest.approx(jacobian.square().sum().item() / 4, rel=0.03)


def test_squares_are_averaged_over_the_layers():
    ws = torch.randn(2, 3, 4, requires_grad=True)
    images = (3 * ws[:, 0] + 4 * ws[:, 1]).view(2, 1, 2, 2)  # the third layer does nothing
    noise = torch.tensor([2.0, 0, 0, 0]).view(1, 1, 2, 2).repeat(2, 1, 1, 1)
    torch.testing.assert_close(path_lengths(images, ws, noise), torch.full((2,), (25 / 3) ** 0.5))


def test_lengths_do_not_depend_on_the_resolution():
    torch.manual_seed(0)
    means = []
    for side in (4, 32):
        ws = torch.randn(500, 1, 1, requires_grad=True)
        images = ws.view(-1, 1, 1, 1).expand(-1, 1, side, side)  # brightness alone
        means.append(path_lengths(images, ws, torch.randn(500, 1, side, side)).square().mean().item())
    assert means == pytest.approx([1.0, 1.0], rel=0.2)


def test_one_picture_does_not_change_the_length_of_another():
    torch.manual_seed(0)
    jacobian, noise = torch.randn(4, 5), torch.randn(2, 1, 2, 2)
    ws = torch.randn(2, 1, 5, requires_grad=True)
    both = path_lengths(linear_pictures(ws, jacobian).tanh(), ws, noise)
    alone = ws.detach()[:1].requires_grad_(True)
    torch.testing.assert_close(both[:1], path_lengths(linear_pictures(alone, jacobian).tanh(), alone, noise[:1]))


def test_the_penalty_teaches_the_generator():
    scale = torch.tensor(3.0, requires_grad=True)
    ws = torch.randn(4, 1, 4, requires_grad=True)
    noise = torch.tensor([2.0, 0, 0, 0]).view(1, 1, 2, 2).repeat(4, 1, 1, 1)
    lengths = path_lengths(linear_pictures(ws, torch.eye(4)) * scale, ws, noise)  # the scale itself
    penalty = path_length_penalty(lengths, torch.tensor(1.0))
    torch.testing.assert_close(penalty, torch.full((4,), 4.0))
    penalty.mean().backward()
    torch.testing.assert_close(scale.grad, torch.tensor(4.0))  # 2 (3 - 1)


def test_a_generator_that_does_not_react_has_a_finite_gradient():
    scale = torch.tensor(0.0, requires_grad=True)
    ws = torch.randn(4, 1, 4, requires_grad=True)
    lengths = path_lengths(linear_pictures(ws, torch.eye(4)) * scale, ws, torch.randn(4, 1, 2, 2))
    path_length_penalty(lengths, torch.tensor(0.0)).mean().backward()
    assert torch.isfinite(scale.grad)


def test_the_target_moves_a_hundredth_of_the_way_and_arrives_at_the_mean_length():
    lengths = torch.tensor([1.0, 3.0], requires_grad=True)
    target = updated_target(torch.tensor(0.0), lengths)
    assert target == pytest.approx(0.02)
    assert not target.requires_grad
    for _ in range(1000):
        target = updated_target(target, lengths)
    assert target == pytest.approx(2.0, rel=1e-3)
