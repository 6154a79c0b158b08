"""Label maps whose colours are classes."""

from __future__ import annotations

import numpy as np
import pytest

from ganvas.errors import UsageError
from ganvas.one_hot import find_palette


def maps_of(*colours: tuple[int, ...], counts: tuple[int, ...]) -> np.ndarray:
    """One map of one row: [1, C, 1, W], so many pixels of each colour."""
    pixels = np.concatenate([np.tile(np.array(c, np.uint8), (n, 1)) for c, n in zip(colours, counts, strict=True)])
    return pixels.T[None, :, None]


def test_colours_are_classes_the_most_frequent_first():
    assert find_palette(maps_of((0, 0, 0), (255, 0, 0), counts=(10, 30))) == ((255, 0, 0), (0, 0, 0))


def test_what_jpeg_made_of_a_colour_is_that_colour():
    blurred = maps_of((200, 0, 0), (190, 8, 3), (0, 0, 0), counts=(50, 20, 40))
    assert find_palette(blurred) == ((200, 0, 0), (0, 0, 0))


def test_sixteen_bits_are_the_same_colours():
    maps = maps_of((0,), (255,), counts=(3, 2))
    assert find_palette(maps.astype(np.uint16) * 257) == ((0,), (65535,))


@pytest.mark.parametrize("levels", [(7,), tuple(range(0, 256, 50))])
def test_one_colour_and_too_many_are_no_label_map(levels):
    maps = maps_of(*((level,) for level in levels), counts=(5,) * len(levels))
    with pytest.raises(
        UsageError, match=r"--one-hot: side A shows \d colours that are plainly apart, a label map has 2"
    ):
        find_palette(maps, most=4)
