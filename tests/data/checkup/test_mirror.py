"""A set that looks the same mirrored is safe to mirror; one with a direction is not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ganvas.data.checkup.mirror import mirror_safety


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), np.uint8)


def letters(count: int) -> np.ndarray:
    """Letters R on noise, at places that differ."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        image = Image.fromarray(rng.integers(0, 60, (32, 32, 3), np.uint8))
        ImageDraw.Draw(image).text(rng.integers(2, 10, 2).tolist(), "R", "white", font_size=22)
        pictures.append(np.asarray(image.resize((16, 16), Image.Resampling.BOX)))
    return np.stack(pictures)


def test_noise_may_be_mirrored():
    safety = mirror_safety(noise(400))
    assert safety.verdict == "safe"
    assert safety.accuracy == pytest.approx(0.5, abs=0.08)
    assert safety.error == pytest.approx(0.025)


def test_letters_may_not():
    safety = mirror_safety(letters(200))
    assert safety.verdict == "unsafe"
    assert safety.accuracy > 0.9
    assert "mirroring would show what never occurs (text, asymmetric things, light from one side)" in safety.words


def test_a_set_with_every_picture_and_its_mirror_image_is_safe():
    some = letters(100)
    both = np.stack((some, some[:, :, ::-1]), axis=1).reshape(-1, 16, 16, 3)
    order = np.random.default_rng(0).permutation(len(both))
    assert mirror_safety(both[order]).verdict == "safe"


def test_symmetric_pictures_are_guessing_exactly():
    half = noise(60)[:, :, :8]
    safety = mirror_safety(np.concatenate((half, half[:, :, ::-1]), axis=2))
    assert safety.verdict == "safe"
    assert safety.accuracy == 0.5


def test_few_pictures_are_not_enough_to_tell():
    safety = mirror_safety(letters(39))
    assert (safety.verdict, safety.accuracy) == ("unknown", None)
    assert safety.words == "39 pictures are not enough to tell whether they may be mirrored"
    assert mirror_safety(noise(0)).verdict == "unknown"
