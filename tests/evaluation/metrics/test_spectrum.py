"""Radial power spectra of pictures whose spectrum is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganvas.evaluation.metrics import pictures
from ganvas.evaluation.metrics.spectrum import FLOOR, rings, spectrum, spectrum_distance


def waves(frequency: int, height: int = 32, width: int = 32, contrast: float = 100.0) -> np.ndarray:
    """Stripes of that many periods across: [1, 1, H, W] uint8."""
    x = np.cos(2 * math.pi * frequency * np.arange(width) / width)
    return np.rint(128 + contrast * x).astype(np.uint8)[None, None, None].repeat(height, axis=2)


def noise(n: int, *shape: int, seed: int = 0, deviation: float = 20.0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(128, deviation, (n, *shape))
    return np.rint(drawn).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("frequency", [1, 5, 16])
def test_a_pure_cosine_peaks_at_its_frequency(frequency):
    found = spectrum(waves(frequency))
    assert found.frequencies[found.mean.argmax()].item() == frequency / 32


def test_a_plain_picture_has_the_power_of_rounding_alone():
    found = spectrum(np.full((2, 3, 16, 16), 77, np.uint8))
    torch.testing.assert_close(found.mean, torch.full_like(found.mean, 10 * math.log10(FLOOR)))
    torch.testing.assert_close(found.spread, torch.zeros_like(found.spread))


def test_white_noise_is_as_strong_at_all_frequencies():
    found = spectrum(noise(50, 3, 32, 32))
    expected = 10 * math.log10((20 / 255) ** 2)
    assert (found.mean[:-1] - expected).abs().max() < 0.3  # the last ring is a single place: its log is far off


def test_half_the_contrast_is_six_decibels_less():
    loud, soft = noise(20, 1, 32, 32, deviation=30), noise(20, 1, 32, 32, deviation=15)
    assert spectrum_distance(spectrum(loud), spectrum(soft)) == pytest.approx(20 * math.log10(2), abs=0.05)


def test_equal_sets_are_at_distance_zero_whatever_their_brightness():
    dark = noise(5, 1, 20, 20)
    assert spectrum_distance(spectrum(dark), spectrum(dark.copy())) == 0
    assert spectrum_distance(spectrum(dark), spectrum(dark + 20)) == pytest.approx(0, abs=1e-9)


def test_a_checkerboard_shows_in_the_corner_of_the_transform():
    rows, columns = np.indices((16, 16))
    board = (100 + 50 * ((rows + columns) % 2)).astype(np.uint8)[None, None]
    found = spectrum(board)
    assert found.mean.argmax() == len(found.frequencies) - 1
    assert found.frequencies[-1].item() == pytest.approx(0.5**0.5, abs=0.05)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (5, 9), (16, 100), (33, 32), (1, 7)])
def test_every_ring_has_a_place_at_any_size(height, width):
    frequencies, ring_of = rings(height, width)
    assert torch.bincount(ring_of.flatten()).min() > 0
    assert int((ring_of == 0).sum()) == 1
    assert len(frequencies) == int(ring_of.max())


def test_both_depths_and_any_pieces_give_the_same_spectrum(monkeypatch):
    eight = noise(9, 2, 10, 14)
    whole = spectrum(eight)
    monkeypatch.setattr(pictures, "PIECE", 4)
    sixteen = spectrum(eight.astype(np.uint16) * 257)
    torch.testing.assert_close(sixteen.mean, whole.mean)
    torch.testing.assert_close(sixteen.spread, whole.spread)


def test_pictures_of_different_sizes_or_of_floats_are_refused():
    with pytest.raises(ValueError, match="different sizes"):
        spectrum_distance(spectrum(noise(1, 1, 8, 8)), spectrum(noise(1, 1, 9, 9)))
    with pytest.raises(ValueError, match="expected uint8 or uint16 pictures"):
        spectrum(noise(1, 1, 8, 8).astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a spectrum needs 2 a side"):
        spectrum(noise(1, 1, 1, 8))
