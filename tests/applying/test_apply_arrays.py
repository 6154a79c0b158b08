"""`model.apply`: arrays in, arrays of the same kind out."""

from __future__ import annotations

import numpy as np
import pytest

from ganvas.applying.arrays import apply_array
from ganvas.errors import UsageError
from stand_in_models import filling, identity, nearest, negative


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_one_picture_and_several_come_back_as_they_went_in(dtype):
    pictures = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (3, 20, 30, 3)).astype(dtype)
    several = apply_array(negative(), pictures)
    assert several.dtype == dtype
    np.testing.assert_array_equal(several, np.iinfo(dtype).max - pictures)
    np.testing.assert_array_equal(apply_array(negative(), pictures[1]), several[1])
    assert apply_array(nearest(2), pictures).shape == (3, 40, 60, 3)


def test_grey_arrays_become_colour_where_the_model_needs_it():
    grey = np.arange(100, dtype=np.uint8).reshape(10, 10, 1)
    np.testing.assert_array_equal(apply_array(identity(3), grey), grey.repeat(3, axis=2))


def test_a_mask_says_where_to_paint():
    picture, mask = np.full((20, 20, 3), 7, np.uint8), np.zeros((20, 20), np.bool_)
    mask[5:9, 5:9] = True
    result = apply_array(filling(), picture, mask=mask)
    assert (result[mask] == 255).all()
    assert (result[~mask] == 7).all()


@pytest.mark.parametrize(
    ("pictures", "more", "message"),
    [
        (np.zeros((8, 8, 3), np.float32), {}, "must be uint8 or uint16, not float32"),
        (np.zeros((8, 8, 4), np.uint8), {}, r"shape \[8, 8, 4\]: this model takes RGB \[H, W, 3\]"),
        (np.zeros((8, 8), np.uint8), {}, r"shape \[8, 8\]"),
        (np.zeros((0, 8, 8, 3), np.uint8), {}, "the array is empty"),
        (np.zeros((8, 8, 3), np.uint8), {"mask": np.ones((8, 8), np.bool_)}, "fills no holes"),
    ],
)
def test_other_arrays_are_refused(pictures, more, message):
    with pytest.raises(UsageError, match=message):
        apply_array(identity(), pictures, **more)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(UsageError, match=r"a mask of shape \[8, 9\]: expected \[8, 8\]"):
        apply_array(filling(), np.zeros((8, 8, 3), np.uint8), mask=np.ones((8, 9), np.bool_))
