"""The smooth filling of holes, and the painter that begins with it."""

import pytest
import torch

from ganvas.networks.filling import filled_smoothly
from ganvas.networks.fourier import FourierPainter


def box(height, width, top, left, size):
    mask = torch.zeros(1, 1, height, width)
    mask[:, :, top : top + size, left : left + size] = 1
    return mask


def test_what_is_known_stays_and_what_lies_in_the_hole_is_not_looked_at():
    images, mask = torch.rand(1, 3, 13, 18) * 2 - 1, box(13, 18, 3, 5, 6)
    filled = filled_smoothly(images, mask)
    assert torch.equal(filled * (1 - mask), images * (1 - mask))
    assert torch.equal(filled, filled_smoothly(torch.where(mask > 0, 1000.0, images), mask))


def test_a_hole_in_one_colour_gets_that_colour():
    images = torch.full((2, 1, 16, 16), -0.3)
    torch.testing.assert_close(filled_smoothly(images, box(16, 16, 4, 4, 9).expand(2, -1, -1, -1)), images)


def test_a_slope_goes_on_through_the_hole():
    slope = torch.linspace(-1, 1, 32).expand(1, 1, 32, 32)  # harmonic: each pixel is the mean of its neighbours
    mask = box(32, 32, 10, 10, 12)
    filled = filled_smoothly(slope, mask)
    assert (filled - slope).abs().max() < 0.06
    assert (slope[mask > 0].mean() - slope[mask > 0]).abs().max() > 0.3  # one colour would be that far off


def test_one_missing_pixel_is_the_mean_of_its_four_neighbours():
    images = torch.zeros(1, 1, 3, 3)
    images[0, 0, 0, 1], images[0, 0, 1, 0] = 1.0, 0.6
    assert filled_smoothly(images, box(3, 3, 1, 1, 1))[0, 0, 1, 1] == pytest.approx(0.4)


def test_nothing_known_gives_zero():
    assert torch.equal(filled_smoothly(torch.ones(1, 1, 5, 7), torch.ones(1, 1, 5, 7)), torch.zeros(1, 1, 5, 7))


def test_the_painter_begins_with_the_smooth_filling():
    mask = box(32, 32, 8, 4, 10)
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    painter = FourierPainter((32, 32), 4, 3, width=8, blocks=1, smooth=True)
    with torch.no_grad():
        painted = painter(torch.cat([images * (1 - mask), mask], dim=1))
    torch.testing.assert_close(painted, filled_smoothly(images, mask))
