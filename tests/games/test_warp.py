"""Affine warps: where pixels go, how sharp they stay, and gradients of gradients."""

import math

import pytest
import torch
from torch.nn import functional as F

from ganvas.games.warp import doubled, spread_in_order, warp


def matrices(*rows, n=1, dtype=torch.float32):
    """The same [3, 3] matrix for n pictures, from its upper two rows."""
    return torch.tensor([*rows, [0, 0, 1]], dtype=dtype).expand(n, 3, 3)


def turn(angle, x=0.0, y=0.0, n=1):
    cosine, sine = math.cos(angle), math.sin(angle)
    return matrices([cosine, -sine, x], [sine, cosine, y], n=n)


def wave(x, y):
    """A picture as a function of the place, with waves of 4 and 5 pixels."""
    return torch.cos(2 * math.pi * (0.2 * x + 0.1 * y)) + torch.sin(2 * math.pi * (0.25 * y - 0.05 * x))


def places(height, width):
    """Each pixel's (x, y) from the centre: twice [H, W]."""
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    return x, y


@pytest.mark.parametrize("size", [(2, 2), (4, 4), (9, 12)])
def test_the_identity_keeps_every_pixel(size):
    images = torch.randn(2, 3, *size)
    torch.testing.assert_close(warp(images, turn(0, n=2)), images, rtol=0, atol=1e-5)


def test_a_quarter_turn_is_exact():
    images = torch.randn(1, 2, 8, 8)
    turned = warp(images, matrices([0.0, -1, 0], [1, 0, 0]))
    torch.testing.assert_close(turned, torch.rot90(images, 1, (2, 3)), rtol=0, atol=1e-5)


def test_a_shift_by_whole_pixels_is_exact_and_brings_in_the_mirror_image():
    line = torch.arange(6.0).view(1, 1, 1, 6).expand(1, 1, 3, 6)
    shifted = warp(line, matrices([1.0, 0, 2], [0, 1, 0]))  # what is seen at x comes from x + 2
    torch.testing.assert_close(shifted[0, 0, 1], torch.tensor([2.0, 3, 4, 5, 4, 3]), rtol=0, atol=1e-4)


def test_a_mirror_is_exact_on_a_side_of_odd_length():
    images = torch.randn(1, 1, 5, 7)
    mirrored = warp(images, matrices([-1.0, 0, 0], [0, 1, 0]))
    torch.testing.assert_close(mirrored, images.flip(3), rtol=0, atol=1e-5)


def test_doubling_keeps_every_pixel_and_draws_waves_through_them():
    x, y = places(32, 24)
    twice = doubled(wave(x, y)[None, None])
    fine_x, fine_y = (v / 2 for v in places(63, 47))
    assert torch.equal(twice[0, 0, ::2, ::2], wave(x, y))
    error = (twice[0, 0] - wave(fine_x, fine_y))[8:-8, 8:-8]
    assert error.abs().max() < 0.05 * 2  # the waves' amplitude


def test_waves_that_are_turned_and_shifted_stay_sharper_than_by_bilinear_sampling():
    x, y = places(33, 33)
    angle, right, down = 0.6, 0.37, -0.21
    cosine, sine = math.cos(angle), math.sin(angle)
    expected = wave(cosine * x - sine * y + right, sine * x + cosine * y + down)
    images, matrix = wave(x, y)[None, None], turn(angle, right, down)
    half = torch.tensor([16.0, 16, 1])
    grid = F.affine_grid((matrix * half / half[:, None])[:, :2], [1, 1, 33, 33], align_corners=True)
    bilinear = F.grid_sample(images, grid, padding_mode="reflection", align_corners=True)
    inner = slice(9, -9)  # what comes from inside of the picture

    def error(out):
        return (out[0, 0] - expected)[inner, inner].square().mean().sqrt() / expected[inner, inner].std()

    assert error(warp(images, matrix)) < 0.06
    assert error(bilinear) > 0.15


def test_each_picture_has_its_own_matrix():
    images = torch.randn(1, 1, 6, 6).repeat(2, 1, 1, 1)
    both = warp(images, torch.cat([turn(0.3), turn(1.2, 1.0)]))
    torch.testing.assert_close(both[:1], warp(images[:1], turn(0.3)))
    torch.testing.assert_close(both[1:], warp(images[1:], turn(1.2, 1.0)))


def test_gradients_and_their_gradients_agree_with_finite_differences():
    images = torch.randn(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    matrix = torch.cat([turn(0.4, 0.3), turn(2.0, 3.0, -1.1)]).double()
    assert torch.autograd.gradcheck(warp, (images, matrix))
    assert torch.autograd.gradgradcheck(warp, (images, matrix))


def test_spreading_in_a_fixed_order_is_the_transposed_operator_too():
    images = torch.randn(2, 3, 5, 7, dtype=torch.float64, requires_grad=True)
    where = torch.rand(2, 4, 6, 2, dtype=torch.float64) * 8 - 4  # far outside as well
    samples = F.grid_sample(images, where, padding_mode="reflection", align_corners=True)
    weights = torch.randn_like(samples)
    (expected,) = torch.autograd.grad(samples, images, weights)
    torch.testing.assert_close(spread_in_order(weights, where, images.shape[2:]), expected)
