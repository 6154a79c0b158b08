"""A decoded picture is brought to the height, width, channels and bits of a store."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ganvas.data.fit import Target, fit

WHITE = (255, 255, 255)


def fitted(picture, height=4, width=6, channels=3, bits=8, matte=WHITE):
    """The fitted picture and what was done to it."""
    done: Counter[str] = Counter()
    (pixels,) = fit(np.asarray(picture), Target(height, width, channels, bits, matte), done)
    assert pixels.shape == (channels, height, width)
    assert pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    return pixels, set(done)


def one_pixel(*levels: int, dtype: type = np.uint8) -> np.ndarray:
    """[4, 6, C] with all pixels alike."""
    return np.broadcast_to(np.array(levels, dtype), (4, 6, len(levels)))


def test_a_picture_that_is_as_wanted_comes_back_bit_for_bit(ramp):
    pixels, done = fitted(ramp)
    np.testing.assert_array_equal(pixels, ramp.transpose(2, 0, 1))
    assert done == set()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_0_shows_the_matte_alpha_full_the_picture_and_half_the_middle(dtype):
    full = np.iinfo(dtype).max
    scale = full // 255
    for alpha, expected in ((0, [10, 20, 30]), (full, [200, 100, 50]), (full * 51 // 255, [48, 36, 34])):
        picture = one_pixel(200 * scale, 100 * scale, 50 * scale, alpha, dtype=dtype)
        pixels, done = fitted(picture, matte=(10, 20, 30))  # with alpha 1/5: 10 + (200 - 10) / 5 = 48, ...
        assert pixels[:, 0, 0].tolist() == expected
        assert "flattened" in done


def test_grey_with_alpha_stays_grey_on_grey_and_takes_the_colour_of_a_coloured_matte():
    transparent = one_pixel(7, 0)
    assert fitted(transparent, channels=1)[0][0, 0, 0] == 255
    assert fitted(transparent, matte=(10, 20, 30))[0][:, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(("dtype", "expected"), [(np.uint8, [76, 150, 29]), (np.uint16, [76, 150, 29])])
def test_colour_turns_grey_by_the_luma_weights(dtype, expected):
    full = np.iinfo(dtype).max
    for c, level in enumerate(expected):  # 0.299, 0.587 and 0.114 of 255
        colour = [full if i == c else 0 for i in range(3)]
        pixels, done = fitted(one_pixel(*colour, dtype=dtype), channels=1)
        assert pixels[0, 0, 0] == level
        assert "greyed" in done


def test_grey_is_repeated_for_a_colour_store():
    assert fitted(one_pixel(9))[0][:, 0, 0].tolist() == [9, 9, 9]


def test_sixteen_bits_become_eight_by_rounding_not_by_cutting():
    levels = np.array([0, 128, 129, 32896, 65535], np.uint16)  # 129 / 257 is just above one half
    pixels, done = fitted(levels.reshape(1, 5, 1), 1, 5, 1)
    assert pixels[0, 0].tolist() == [0, 0, 1, 128, 255]
    assert done == {"16 to 8"}


def test_eight_bits_fill_the_range_of_sixteen():
    pixels, done = fitted(np.array([[[0], [1], [255]]], np.uint8), 1, 3, 1, bits=16)
    assert pixels[0, 0].tolist() == [0, 257, 65535]
    assert done == {"8 to 16"}


def test_another_aspect_is_cut_at_the_centre_without_resampling_when_the_scale_is_1():
    columns = np.arange(10, dtype=np.uint8)[None, :, None].repeat(4, axis=0)
    pixels, done = fitted(columns, 4, 6, 1)
    assert pixels[0, 0].tolist() == [2, 3, 4, 5, 6, 7]
    assert done == {"cropped"}


def test_cutting_and_shrinking_keep_the_centre():
    picture = np.zeros((20, 40, 1), np.uint8)
    picture[:, 10:30] = 200  # the middle square
    pixels, done = fitted(picture, 5, 5, 1)
    row = pixels[0, 2].astype(int)
    assert row.tolist() == row[::-1].tolist()
    assert abs(row - 200).max() <= 15  # Lanczos rings at an edge of 0 to 200; off the centre there would be 0
    assert done == {"cropped", "shrunk"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(3, 5), (12, 18), (400, 601), (1000, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_flat_picture_stays_flat_at_any_size(dtype, size, channels):
    level = 200 if dtype == np.uint8 else 51400
    picture = np.full((*size, channels), level, dtype)
    pixels, _ = fitted(picture, channels=channels, bits=8 * np.dtype(dtype).itemsize)
    assert (pixels == level).all()


def test_shrinking_a_checkerboard_gives_its_mean_not_some_of_its_pixels():
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    pixels, done = fitted(board, 8, 8, 1)
    assert abs(pixels[0, 2:6, 2:6].astype(int) - 127.5).max() <= 2
    assert done == {"shrunk"}


def test_sixteen_bit_edges_do_not_wrap_around_when_scaled():
    edge = np.zeros((32, 32, 1), np.uint16)
    edge[:, 16:] = 65535
    for size in (8, 100):  # both filters overshoot at an edge
        pixels, _ = fitted(edge, size, size, 1, bits=16)
        row = pixels[0, size // 2].astype(int)
        assert row[0] <= 2000
        assert row[-1] >= 63535
        assert np.diff(row).min() > -5000
