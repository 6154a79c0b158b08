"""Resizing as the published networks' own code does it: by hand, by another formula, and by Pillow itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.errors import GanvasError
from ganvas.evaluation.backbones.resize import (
    middle_square_in_pillow,
    resize_clean,
    resize_in_pillow,
    resize_like_tensorflow_1,
    three_channels,
)

SIZES = [(5, 7, 11, 3), (32, 32, 30, 64), (9, 20, 9, 20), (40, 25, 13, 13)]  # height and width before and after


def pictures(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Two of them: [2, channels, height, width] uint8."""
    return np.random.default_rng(height * width).integers(0, 256, (2, channels, height, width), np.uint8)


def of_row(*levels: int) -> torch.Tensor:
    return torch.tensor(levels, dtype=torch.uint8).view(1, 1, 1, -1)


def test_tensorflow_1_stretches_from_the_first_pixel_and_repeats_the_last():
    resized = resize_like_tensorflow_1(of_row(0, 100), 1, 4)
    assert resized.shape == (1, 3, 1, 4)
    assert resized[0, 1, 0].tolist() == [0, 50, 100, 100]


def test_tensorflow_1_skips_pixels_when_it_shrinks():
    assert resize_like_tensorflow_1(of_row(0, 10, 20, 200), 1, 2)[0, 0, 0].tolist() == [0, 20]
    assert resize_like_tensorflow_1(of_row(0, 30, 60), 1, 2)[0, 0, 0].tolist() == [0, 45]


@pytest.mark.parametrize(("height", "width", "high", "wide"), SIZES)
def test_tensorflow_1_is_four_neighbours_weighed(height, width, high, wide):
    given = pictures(height, width).astype(np.float64)
    expected = np.empty((2, 3, high, wide))
    for i in range(high):
        for j in range(wide):
            y, x = i * height / high, j * width / wide
            top, left = int(y), int(x)
            below, right = min(top + 1, height - 1), min(left + 1, width - 1)
            v, u = y - top, x - left
            expected[:, :, i, j] = (
                given[:, :, top, left] * (1 - v) * (1 - u)
                + given[:, :, top, right] * (1 - v) * u
                + given[:, :, below, left] * v * (1 - u)
                + given[:, :, below, right] * v * u
            )
    resized = resize_like_tensorflow_1(torch.from_numpy(pictures(height, width)), high, wide)
    np.testing.assert_allclose(resized.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize(("height", "width", "high", "wide"), SIZES)
def test_the_clean_resize_is_that_of_pillow_in_floating_point(height, width, high, wide):
    given = pictures(height, width)
    resized = resize_clean(torch.from_numpy(given), high, wide).numpy()
    for place in np.ndindex(2, 3):
        channel = Image.fromarray(given[place].astype(np.float32))
        expected = np.asarray(channel.resize((wide, high), Image.Resampling.BICUBIC)).clip(0, 255)
        np.testing.assert_allclose(resized[place], expected, atol=2e-3)


def test_the_clean_resize_averages_what_tensorflow_1_skips():
    stripes = torch.tensor([0, 255], dtype=torch.uint8).repeat(32).view(1, 1, 1, 64).expand(1, 1, 64, 64)
    middle = slice(2, -2)
    assert resize_clean(stripes, 16, 16)[0, 0, middle, middle].sub(127.5).abs().max() < 10
    assert resize_like_tensorflow_1(stripes, 16, 16).max() == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_s_own_arithmetic_is_pillow_s(channels):
    given = pictures(20, 31, channels)
    resized = resize_in_pillow(torch.from_numpy(given), 14, 14)
    assert resized.shape == (2, 3, 14, 14)
    for picture, got in zip(given, resized.numpy(), strict=True):
        image = Image.fromarray(picture.transpose(1, 2, 0).repeat(3 // channels, 2))
        expected = np.asarray(image.resize((14, 14), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(got.transpose(1, 2, 0), expected)


def test_the_middle_square_leaves_out_the_same_on_both_sides():
    given = np.zeros((1, 1, 10, 30), np.uint8)
    given[..., 10:20] = 200
    square = middle_square_in_pillow(torch.from_numpy(given), 20)
    assert square.shape == (1, 3, 20, 20)
    assert square[..., 2:-2].min() == 200
    upright = middle_square_in_pillow(torch.from_numpy(given.swapaxes(2, 3).copy()), 20)
    torch.testing.assert_close(upright, square.transpose(2, 3))


def test_grey_is_repeated_and_what_is_transparent_is_white():
    grey = three_channels(torch.tensor([[7]], dtype=torch.uint8).view(1, 1, 1, 1))
    assert grey.flatten().tolist() == [7, 7, 7]
    clear = three_channels(torch.tensor([10, 20, 30, 0], dtype=torch.uint8).view(1, 4, 1, 1))
    assert clear.flatten().tolist() == [255, 255, 255]
    half = three_channels(torch.tensor([0, 255, 100, 51], dtype=torch.uint8).view(1, 4, 1, 1))  # alpha 0.2
    torch.testing.assert_close(half.flatten(), torch.tensor([204.0, 255.0, 224.0]))
    veiled = three_channels(torch.tensor([100, 51], dtype=torch.uint8).view(1, 2, 1, 1))
    torch.testing.assert_close(veiled.flatten(), torch.full((3,), 224.0))


@pytest.mark.parametrize("resize", [resize_like_tensorflow_1, resize_clean])
def test_sixteen_bits_are_scaled_and_not_cut(resize):
    coarse = torch.from_numpy(pictures(12, 12))
    fine = coarse.to(torch.int32).mul(257).to(torch.uint16)
    torch.testing.assert_close(resize(fine, 8, 20), resize(coarse, 8, 20))
    between = torch.tensor([257 * 8 + 128], dtype=torch.int32).to(torch.uint16).view(1, 1, 1, 1)
    torch.testing.assert_close(resize(between, 2, 2), torch.full((1, 3, 2, 2), 8 + 128 / 257))


def test_more_than_four_channels_are_refused():
    with pytest.raises(GanvasError, match=r"5 channels, this feature network sees colours .*: use the data's own"):
        resize_like_tensorflow_1(torch.zeros(1, 5, 4, 4, dtype=torch.uint8), 8, 8)
