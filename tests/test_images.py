"""The range contract: two crossings that undo each other, and sheets that change no pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganvas.images import enlarge, grid, save_png, to_float, to_integers, to_rows_last


@pytest.mark.parametrize(("kind", "bits"), [(torch.uint8, 8), (torch.uint16, 16)])
def test_every_level_survives_the_way_in_and_out(kind, bits):
    levels = torch.arange(2**bits, dtype=torch.int32).to(kind)
    inside = to_float(levels)
    assert inside.min() == -1
    assert inside.max() == 1
    assert torch.equal(to_integers(inside, bits).int(), levels.int())


@given(st.floats(-100, 100))
def test_what_is_out_of_range_is_clamped_not_rescaled(value):
    level = to_integers(torch.tensor([value])).item()
    assert abs(level - min(max((value + 1) * 127.5, 0), 255)) <= 0.5001


def test_floats_are_refused_at_the_way_in():
    with pytest.raises(ValueError, match="uint8 or uint16"):
        to_float(torch.zeros(1))


def test_pictures_leave_with_their_channels_last():
    out = to_rows_last(torch.ones(2, 3, 4, 5))
    assert (out.shape, out.dtype, out.min()) == ((2, 4, 5, 3), np.uint8, 255)


def test_a_sheet_holds_every_picture_unchanged_at_its_place():
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2, 1)
    sheet = grid(images, columns=2, gap=1)
    assert sheet.shape == (7, 7, 1)
    np.testing.assert_array_equal(sheet[1:3, 1:3], images[0])
    np.testing.assert_array_equal(sheet[1:3, 4:6], images[1])
    np.testing.assert_array_equal(sheet[4:6, 1:3], images[2])
    assert (sheet[4:6, 4:6] == 255).all()


def test_enlarging_repeats_pixels_and_leaves_large_sheets_alone():
    small = np.array([[[0], [255]]], np.uint8)
    assert enlarge(small, 4)[..., 0].tolist() == [[0] * 4 + [255] * 4] * 4
    large = np.zeros((500, 600, 3), np.uint8)
    assert enlarge(large) is large


def test_png_files_keep_pixels_depth_and_metadata(tmp_path):
    for dtype, channels in ((np.uint8, 1), (np.uint8, 3), (np.uint16, 1)):
        picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (5, 4, channels), dtype=dtype)
        save_png(tmp_path / "p.png", picture, {"seed": "7", "class": "猫"})
        with Image.open(tmp_path / "p.png") as back:
            np.testing.assert_array_equal(np.asarray(back).reshape(picture.shape), picture)
            assert (back.text["seed"], back.text["class"]) == ("7", "猫")
    assert [p.name for p in tmp_path.iterdir()] == ["p.png"]
