"""Saliency and occlusion of discriminators whose answer is known by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.explaining.occlusion import occlusion, patch_size
from ganvas.explaining.saliency import (
    border_share,
    half_area,
    half_area_of_noise,
    places,
    saliency,
    smooth_saliency,
)

WEIGHT = torch.tensor([[[1.0, -4.0], [0.0, 2.0]], [[-3.0, 1.0], [0.0, 0.5]]])  # [C, H, W]


def linear(images):
    return (images * WEIGHT).sum((1, 2, 3))


def test_saliency_of_a_linear_discriminator_is_its_weight_of_the_heaviest_channel():
    images = torch.randn(3, 2, 2, 2)
    expected = torch.tensor([[3.0, 4.0], [0.0, 2.0]]).expand(3, 2, 2)
    torch.testing.assert_close(saliency(linear, images), expected)
    torch.testing.assert_close(smooth_saliency(linear, images), expected)


def test_smoothing_averages_a_slope_that_flips_from_pixel_value_to_pixel_value_away():
    def rippled(images):
        return linear(images) + 100 * (200 * images).sin().sum((1, 2, 3)) / 200

    images = torch.zeros(1, 2, 2, 2)
    rough, smooth = saliency(rippled, images), smooth_saliency(rippled, images, draws=400)
    assert rough.min() > 90, "at 0 the ripple rises in every pixel"
    assert smooth[0, 0, 1] < 30


def test_saliency_is_the_same_each_time():
    images = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))

    def judge(x):
        return x.square().sum((1, 2, 3))

    assert torch.equal(smooth_saliency(judge, images), smooth_saliency(judge, images))


def test_occlusion_finds_the_one_pixel_that_a_discriminator_looks_at():
    images = torch.ones(2, 1, 8, 8)
    found, changes = occlusion(lambda x: 5 * x[:, 0, 2, 5], images, patch=(1, 1))
    assert changes.shape == (2, 64)
    assert changes.sum(1).tolist() == [5, 5]
    expected = torch.zeros(2, 8, 8)
    expected[:, 2, 5] = 5
    torch.testing.assert_close(found, expected)


def test_what_speaks_against_a_picture_is_negative_and_what_is_grey_already_changes_nothing():
    images = torch.zeros(1, 1, 4, 4)
    images[0, 0, 0, 0] = -1
    found, _ = occlusion(lambda x: x.sum((1, 2, 3)), images, patch=(1, 1))
    assert found[0, 0, 0] == -1
    assert found.abs().sum() == 1


def test_the_change_by_one_patch_is_told_whole_though_a_map_averages_those_that_overlap():
    found, changes = occlusion(lambda x: 5 * x[:, 0, 2, 5], torch.ones(1, 1, 8, 8), patch=(2, 2))
    assert changes.max() == 5
    assert (changes > 0).sum() == 4, "half a patch apart, four of them cover the pixel"
    assert found[0, 2, 5] == 5
    assert found[0, 2, 4] == 2.5


@pytest.mark.parametrize("size", [(8, 8), (12, 20), (9, 31), (5, 5), (64, 48)])
def test_patches_cover_every_pixel_of_any_size(size):
    found, _ = occlusion(lambda x: x.mean((1, 2, 3)), torch.ones(1, 3, *size))
    assert found.shape == (1, *size)
    down, across = patch_size(*size)
    torch.testing.assert_close(found, torch.full((1, *size), down * across / math.prod(size)))


def test_half_of_an_even_map_needs_half_of_the_pixels_and_of_one_point_only_that():
    point = torch.zeros(1, 10, 10)
    point[0, 3, 3] = 7
    assert half_area(torch.ones(1, 10, 10)) == pytest.approx(0.5)
    assert half_area(point) == pytest.approx(0.01)
    assert half_area(torch.cat([point, torch.ones(1, 10, 10), torch.zeros(1, 10, 10)])) == pytest.approx(0.255)
    assert math.isnan(half_area(torch.zeros(1, 4, 4)))


def test_noise_is_said_to_look_everywhere_and_a_quarter_of_the_picture_to_be_a_quarter():
    noise = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(1)).abs().amax(1)
    assert half_area(places(noise)) == pytest.approx(half_area_of_noise(3, 64, 64), abs=0.01)
    assert 0.4 < half_area_of_noise(3, 64, 64) < 0.5
    corner = torch.zeros(1, 64, 64)
    corner[:, :32, :32] = noise[0, :32, :32]
    assert half_area(places(corner)) == pytest.approx(0.25 * half_area(places(noise[:1, :32, :32])), abs=0.02)
    exact = 2 * (1 - torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(2 * math.log(2)).sqrt()))
    assert half_area_of_noise(1, 8, 8) == pytest.approx(float(exact), abs=0.02), "pixels as places: |N(0, 1)|"


def test_an_even_map_has_as_much_in_the_border_as_the_border_has_area():
    share, area = border_share(torch.ones(2, 16, 8))
    assert share == pytest.approx(area) == pytest.approx(1 - (12 * 6) / (16 * 8))
    framed = torch.ones(1, 16, 16)
    framed[:, 2:14, 2:14] = 0
    assert border_share(framed)[0] == pytest.approx(1)
    assert math.isnan(border_share(torch.zeros(1, 8, 8))[0])
