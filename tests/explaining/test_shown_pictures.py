"""What pictures and maps look like on the page."""

from __future__ import annotations

import base64
import io

import numpy as np
import torch
from PIL import Image

from ganvas.explaining.pictures import DIM, data_uri, heat, over, rows, tiles


def test_small_pictures_are_shown_as_they_are_and_large_ones_averaged():
    small = np.random.default_rng(0).integers(0, 256, (3, 3, 10, 20), np.uint8)
    assert np.array_equal(tiles(small), small.transpose(0, 2, 3, 1))
    large = np.zeros((1, 1, 256, 512), np.uint8)
    large[..., ::2] = 200
    shown = tiles(large)
    assert shown.shape == (1, 64, 128, 1)
    assert (shown == 100).all()


def test_sixteen_bits_are_shown_by_their_own_range():
    assert tiles(np.array([[[[0, 65535, 32768]]]], np.uint16)).flatten().tolist() == [0, 255, 128]


def test_heat_goes_from_black_at_zero_to_white_at_the_most():
    shown = heat(torch.tensor([[[0.0, 2.0], [2.0, 2.0]]]))
    assert shown[0, 0, 0].tolist() == [0, 0, 0]
    assert shown[0, 1, 1].tolist() == [255, 255, 255]
    assert (heat(torch.zeros(1, 2, 2)) == 0).all()


def test_what_adds_is_orange_and_what_takes_away_is_blue_over_the_dimmed_picture():
    grey = np.full((1, 1, 3, 1), 100, np.uint8)
    shown = over(grey, torch.tensor([[[2.0, -2.0, 0.0]]]), largest=2.0)[0, 0].astype(int)
    assert shown[0, 0] > shown[0, 2]
    assert shown[1, 2] > shown[1, 0]
    assert shown[2].tolist() == [int(100 * DIM)] * 3


def test_rows_of_grey_and_colour_stand_below_each_other_and_survive_as_a_data_uri():
    grey, colour = np.full((2, 4, 4, 1), 50, np.uint8), np.full((2, 4, 4, 3), 90, np.uint8)
    sheet = rows(grey, colour)
    assert sheet.shape == (2 * 4 + 3 * 2, 2 * 4 + 3 * 2, 3)
    assert (sheet[2:6, 2:6] == 50).all()
    assert (sheet[8:12, 8:12] == 90).all()
    raw = base64.b64decode(data_uri(sheet).removeprefix("data:image/png;base64,"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(raw))), sheet)
    assert rows(colour, np.full((2, 4, 4, 4), 0, np.uint8))[2, 2].tolist() == [90, 90, 90, 255]
