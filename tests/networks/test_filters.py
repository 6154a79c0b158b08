"""Filters against plain convolutions, scipy's designs, and what they do to pictures."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import firwin
from torch.nn import functional as F

from ganvas.networks.filters import binomial_kernel, downsampled, kaiser_taps, upsampled


def depthwise(kernel, channels):
    return kernel.expand(channels, 1, *kernel.shape)


def test_the_binomial_kernel_is_that_of_the_paper():
    assert (64 * binomial_kernel()[0]).tolist() == [1, 3, 3, 1]
    assert (64 * binomial_kernel()[1]).tolist() == [3, 9, 9, 3]


@pytest.mark.parametrize(("stride", "padding"), [((1, 1), (2, 1)), ((2, 2), (1, 1)), ((2, 1), (0, 3))])
@pytest.mark.parametrize("size", [(8, 8), (9, 11)])
def test_down_and_up_are_depthwise_convolutions_with_the_same_first_and_second_gradients(stride, padding, size):
    torch.manual_seed(0)
    kernel = torch.randn(4, 4, dtype=torch.float64)
    plain = {
        downsampled: lambda x: F.conv2d(x, depthwise(kernel, 3), stride=stride, padding=padding, groups=3),
        upsampled: lambda x: F.conv_transpose2d(x, depthwise(kernel, 3), stride=stride, padding=padding, groups=3),
    }
    for ours, theirs in plain.items():
        start, results = torch.randn(2, 3, *size, dtype=torch.float64), []
        for function in (lambda x, ours=ours: ours(x, kernel, stride, padding), theirs):
            x = start.clone().requires_grad_(True)
            y = function(x)
            (first,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
            (second,) = torch.autograd.grad(first.square().sum(), x)
            results.append((y, first, second))
        for mine, other in zip(*results, strict=True):
            torch.testing.assert_close(mine, other)


def test_up_is_the_adjoint_of_down():
    torch.manual_seed(0)
    kernel = torch.randn(4, 6, dtype=torch.float64)
    x, y = torch.randn(1, 2, 10, 12, dtype=torch.float64), torch.randn(1, 2, 5, 12, dtype=torch.float64)
    down = downsampled(x, kernel, (2, 1), (1, 3))[..., :12]
    up = upsampled(F.pad(y, (0, 1)), kernel, (2, 1), (1, 3))
    assert (down * y).sum().item() == pytest.approx((x * up).sum().item())


def test_a_flat_picture_stays_flat_away_from_its_edge():
    flat = torch.ones(1, 2, 8, 8)
    assert downsampled(flat, binomial_kernel(), (2, 2)).allclose(torch.ones(1, 2, 3, 3))
    up = upsampled(flat, 4 * binomial_kernel(), (2, 2), (1, 1))
    assert up.shape == (1, 2, 16, 16)
    assert up[..., 1:-1, 1:-1].allclose(torch.ones(1, 2, 14, 14))


def test_without_a_gradient_the_numbers_are_the_same():
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        down, up = downsampled(x, binomial_kernel(), (2, 2), (1, 1)), upsampled(x, binomial_kernel(), (2, 2))
    assert torch.equal(down, downsampled(x, binomial_kernel(), (2, 2), (1, 1)))
    assert torch.equal(up, upsampled(x, binomial_kernel(), (2, 2)))


@pytest.mark.parametrize(
    ("taps", "cutoff", "half_width", "rate"),
    [(12, 2.0, 6.0, 32.0), (24, 5.0, 11.0, 128.0), (12, 16.0, 3.7, 64.0), (48, 8.0, 9.0, 64.0), (12, 16.0, 0.1, 64.0)],
)
def test_low_pass_filters_are_those_of_scipy(taps, cutoff, half_width, rate):
    ours = kaiser_taps(taps, cutoff, half_width, rate)
    scipys = firwin(taps, cutoff=cutoff, width=2 * half_width, fs=rate)
    np.testing.assert_allclose(ours.numpy(), scipys, atol=1e-7)
    assert ours.sum().item() == pytest.approx(1.0)


def test_a_low_pass_filter_keeps_what_is_below_its_band_and_stops_what_is_above():
    cutoff, half_width, rate = 8.0, 6.0, 64.0
    taps = kaiser_taps(24, cutoff, half_width, rate).double()
    places = torch.arange(24) / rate

    def response(frequency):
        turns = 2 * math.pi * frequency * places
        return math.hypot((taps * turns.cos()).sum().item(), (taps * turns.sin()).sum().item())

    assert response(0) == pytest.approx(1.0)
    assert response(cutoff) == pytest.approx(0.5, abs=0.02)
    assert response(cutoff - half_width) == pytest.approx(1.0, abs=0.01)
    assert max(response(f) for f in range(15, 32)) < 0.01
