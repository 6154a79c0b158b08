"""Label maps: their colours are found, also through JPEG, and each becomes a channel."""

import numpy as np
import pytest
import torch

from ganvas.errors import UsageError
from ganvas.images import to_float
from ganvas.one_hot import find_palette, to_one_hot

MAP = np.array([[[0, 0, 220], [0, 220, 220]], [[0, 0, 40], [0, 40, 40]], [[0, 0, 40], [0, 40, 40]]], np.uint8)[None]


def test_colours_are_found_the_most_frequent_first():
    assert find_palette(MAP) == ((0, 0, 0), (220, 40, 40))


def test_levels_that_jpeg_has_blurred_count_for_the_colour_they_are_near_to():
    noise = np.random.default_rng(0).integers(0, 8, (20, 3, 2, 3), np.uint8)
    found = find_palette(MAP.repeat(20, axis=0) + noise)
    assert len(found) == 2
    assert all(abs(a - b) < 8 for one, other in zip(found, ((0, 0, 0), (220, 40, 40)), strict=True)
               for a, b in zip(one, other, strict=True))  # fmt: skip


def test_sixteen_bits_keep_their_levels():
    assert find_palette(MAP.astype(np.uint16) * 257) == ((0, 0, 0), (220 * 257, 40 * 257, 40 * 257))


def test_each_colour_becomes_a_channel():
    channels = to_one_hot(to_float(torch.from_numpy(MAP)), find_palette(MAP))
    red = torch.from_numpy(MAP[:, 0] == 220)
    assert channels.shape == (1, 2, 2, 3)
    assert torch.equal(channels[:, 1], torch.where(red, 1.0, -1.0))
    assert torch.equal(channels[:, 0], -channels[:, 1])


def test_a_photo_is_no_label_map():
    photo = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), np.uint8)
    with pytest.raises(UsageError, match="colours that are plainly apart, a label map has 2 to 64"):
        find_palette(photo)
    with pytest.raises(UsageError, match="side A shows 1 colours"):
        find_palette(np.zeros((2, 3, 4, 4), np.uint8))
