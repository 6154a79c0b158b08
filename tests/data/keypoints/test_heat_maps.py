"""Heat maps: bumps at points, which move with the picture when it is fitted."""

from collections import Counter

import numpy as np
import pytest

from ganvas.data.fit import Target, fit
from ganvas.data.keypoints.heat_maps import KeypointMaps, coloured, fitted, heat_maps, inside

MAPS = KeypointMaps(("a", "b"), 0.1)


def test_a_bump_is_255_at_its_point_and_falls_as_a_gaussian():
    found = heat_maps([(1, 3.0, 5.0)], MAPS, (10, 12))  # sigma: a tenth of the shorter side, one pixel
    assert found.shape == (2, 10, 12)
    assert not found[0].any()
    assert found[1, 5, 3] == 255
    assert found[1, 5, 4] == round(255 * np.exp(-0.5))
    assert found[1, 7, 4] == round(255 * np.exp(-2.5))
    assert heat_maps([(1, 3.0, 5.0)], MAPS, (10, 12), 16)[1, 5, 3] == 65535


def test_several_points_of_a_kind_stay_several_and_do_not_add_up():
    found = heat_maps([(0, 2.0, 5.0), (0, 7.0, 5.0), (0, 7.0, 5.0)], MAPS, (10, 10))[0]
    assert found[5, 2] == found[5, 7] == 255
    assert found[5, 4] < 100


def test_a_point_between_two_pixels_of_a_small_picture_is_still_seen():
    assert heat_maps([(0, 3.5, 3.5)], KeypointMaps(("a",), 0.002), (8, 8)).max() > 90


@pytest.mark.parametrize("mode", ["crop", "pad", "squash"])
@pytest.mark.parametrize(("size", "wanted"), [((64, 96), (32, 32)), ((96, 64), (32, 48)), ((24, 20), (48, 48))])
def test_points_move_with_the_picture(mode, size, wanted):
    (height, width), points = size, [(0, size[1] * 0.4, size[0] * 0.55), (1, size[1] * 0.6, size[0] * 0.4)]
    y, x = np.mgrid[:height, :width]
    for point in points:  # a spot there, brought to size as any picture is
        spot = 255 * np.exp(-((x - point[1]) ** 2 + (y - point[2]) ** 2) / (2 * 2.0**2))
        target = Target(*wanted, 1, 8, (0, 0, 0), mode)
        (picture,) = fit(np.rint(spot).astype(np.uint8)[..., None], target, Counter())
        ((_, left, top),) = fitted([point], size, wanted, mode)
        seen = picture[0].astype(float)
        rows, columns = np.mgrid[: wanted[0], : wanted[1]]
        assert (seen * columns).sum() / seen.sum() == pytest.approx(left, abs=0.6)
        assert (seen * rows).sum() / seen.sum() == pytest.approx(top, abs=0.6)


def test_points_outside_are_known():
    assert inside([(0, -0.1, 3), (0, 0, 0), (1, 10, 4), (1, 10.1, 4)], (4, 10)) == [(0, 0, 0), (1, 10, 4)]


def test_each_kind_of_point_has_a_colour_of_its_own_on_black():
    found = coloured(heat_maps([(0, 1.0, 1.0), (1, 6.0, 6.0)], MAPS, (8, 8))[None])
    assert found.shape == (1, 3, 8, 8)
    assert (found[0, :, 1, 1] != found[0, :, 6, 6]).any()
    assert found[0, :, 1, 6].max() == 0
