"""Spectra of patterns whose frequencies are known, and drift of sheets that were made up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.explaining.drift import Moment, cut, difference, drift_of, find_drift
from ganvas.explaining.spectra import compare_spectra, lattice, mean_power
from ganvas.images import enlarge, grid
from ganvas.training.sheets import save_sheet


def noise(n, side=32, seed=0, scale=20.0):
    drawn = np.random.default_rng(seed).normal(128, scale, (n, 1, side, side))
    return drawn.clip(0, 255).round().astype(np.uint8)


def blurred(images):
    x = images.astype(float)
    return ((x + np.roll(x, 1, 2) + np.roll(x, 1, 3) + np.roll(x, (1, 1), (2, 3))) / 4).round().astype(np.uint8)


def test_two_sets_of_the_same_sort_do_not_deviate():
    found = compare_spectra(noise(60), noise(60, seed=1))
    assert found.differ < 3 * found.halves_differ
    assert found.words[1:] == ["No part of the spectrum deviates notably, and no lattice stands out."]


def test_blur_is_said_to_take_power_from_the_fine_frequencies():
    found = compare_spectra(noise(60), blurred(noise(60, seed=1)))
    fine, coarse = found.band(1 / 3, 1), found.band(0, 1 / 6)
    assert fine is not None
    assert coarse is not None
    assert fine < -4
    assert abs(coarse) < 1.5
    assert any("less power at fine frequencies" in words for words in found.words)


@pytest.mark.parametrize("period", [2, 4])
def test_a_checkerboard_is_named_with_its_period(period):
    place = np.arange(32)
    board = np.where((place[:, None] + place) % period < period / 2, 6, -6)
    fakes = (noise(60, seed=1).astype(int) + board).clip(0, 255).astype(np.uint8)
    found = compare_spectra(noise(60), fakes)
    assert any(f"A lattice of {period} pixels" in words for words in found.words)
    assert not any(f"A lattice of {6 - period} pixels" in words for words in found.words)


def test_a_lattice_is_measured_in_decibels_above_what_lies_around():
    power = np.ones((16, 16))
    power[8, 0] = 100
    assert lattice(torch.from_numpy(power), 2) == pytest.approx(20)
    assert lattice(torch.from_numpy(power), 4) == pytest.approx(0)
    assert lattice(torch.ones(15, 16), 2) is None
    assert lattice(torch.ones(4, 4), 4) is None


def test_the_mean_power_of_white_noise_is_its_variance():
    power = mean_power(noise(200, scale=25.5))
    power[0, 0] = power[0, 1]
    assert float(power.mean()) == pytest.approx(0.01, rel=0.05)


def pictures(level, n=16, side=6):
    return np.full((n, side, side, 3), level, np.uint8)


def test_equal_sheets_do_not_drift_and_black_to_white_drifts_by_all():
    still = drift_of([Moment(0, pictures(40)), Moment(100, pictures(40))])
    assert still.changes == (0.0,)
    flip = drift_of([Moment(0, pictures(0)), Moment(100, pictures(255)), Moment(200, pictures(255))])
    assert flip.changes == (1.0, 0.0)
    assert flip.between_seeds == (0.0, 0.0, 0.0)
    assert flip.words[1] == "They changed most between 0 and 100 images and are settling."


def test_seeds_that_grow_alike_are_said_to():
    unlike = pictures(0)
    unlike[::2] = 200
    found = drift_of([Moment(0, unlike), Moment(100, pictures(100))])
    assert found.between_seeds == (pytest.approx(200 / 255), 0.0)
    assert any("grown alike" in words for words in found.words)


@pytest.mark.parametrize(("height", "width", "channels"), [(6, 6, 3), (16, 10, 1), (64, 64, 4), (400, 300, 3)])
def test_a_sheet_is_cut_into_the_pictures_it_was_made_of(height, width, channels):
    made = np.random.default_rng(0).integers(0, 256, (16, height, width, channels), np.uint8)
    assert np.array_equal(cut(enlarge(grid(made, 8)), height, width), made)


def test_what_is_no_sheet_of_such_pictures_is_refused():
    with pytest.raises(ValueError, match="no sheet with 8 pictures of 7x7 a row"):
        cut(grid(pictures(0), 8), 7, 7)


def test_sheets_are_read_in_the_order_of_what_the_model_had_seen(tmp_path):
    for name, level, seen in (("fakes_init", 0, 0), ("fakes000001", 51, 1000), ("fakes000002.5", 153, 2500)):
        save_sheet(tmp_path / f"{name}.png", grid(pictures(level), 8), images_seen=seen)
    save_sheet(tmp_path / "fakes000003.png", grid(pictures(102), 8), images_seen=2000)  # of the best moment
    save_sheet(tmp_path / "final.png", grid(pictures(102), 8), images_seen=2000)
    (tmp_path / "fakes000009.png").write_bytes(b"half")
    save_sheet(tmp_path / "fakes000008.png", grid(pictures(0, side=5), 8), images_seen=8000)
    found = find_drift(tmp_path, 6, 6)
    assert [moment.images for moment in found.moments] == [0, 1000, 2000, 2500]
    assert found.changes == pytest.approx((0.2, 0.2, 0.2))
    assert len(found.notes) == 2
    assert "fakes000009.png cannot be read" in found.notes[0]


def test_sheets_of_sixteen_bits_and_with_transparency_are_read_as_they_are(tmp_path):
    made = np.random.default_rng(0).integers(0, 65536, (16, 6, 6, 1)).astype(np.uint16)
    save_sheet(tmp_path / "fakes000001.png", grid(made, 8), images_seen=1000)
    assert np.array_equal(find_drift(tmp_path, 6, 6).moments[0].pictures, made)
    clear = np.random.default_rng(0).integers(0, 256, (16, 6, 6, 4), np.uint8)
    save_sheet(tmp_path / "fakes000001.png", grid(clear, 8), images_seen=1000)
    assert np.array_equal(find_drift(tmp_path, 6, 6).moments[0].pictures, clear)


def test_without_sheets_nothing_is_claimed(tmp_path):
    found = find_drift(tmp_path, 6, 6)
    assert "nothing can be said" in found.words[0]


def test_sixteen_bits_differ_by_shares_of_their_own_range():
    black, white = np.zeros((1, 2, 2, 1), np.uint16), np.full((1, 2, 2, 1), 65535, np.uint16)
    assert difference(black, white) == 1


def test_whether_seeds_settle_is_judged_by_more_than_the_last_sheet_of_a_moment_before():
    moments = [Moment(i, pictures(level)) for i, level in ((0, 0), (800, 100), (990, 199), (1000, 200))]
    found = drift_of(moments)
    assert found.late == (1, pytest.approx(100 / 255))
    assert "have not settled" in found.words[1]
