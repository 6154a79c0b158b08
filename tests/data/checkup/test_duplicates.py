"""Equal and near-equal pictures are found, and only those."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from ganvas.data.checkup import duplicates
from ganvas.data.checkup.duplicates import equal_groups, grouped, look_alike, near_pairs
from ganvas.data.checkup.examine import examine_pixels


def scene(seed: int) -> Image.Image:
    """A picture unlike that of any other seed: patches of random colours, the smaller the paler, as in photographs."""
    rng = np.random.default_rng(seed)
    whole = np.zeros((96, 96, 3))
    for patches, weight in ((4, 0.5), (8, 0.3), (14, 0.2)):
        coarse = Image.fromarray(rng.integers(0, 256, (patches, patches, 3), np.uint8))
        whole += weight * np.asarray(coarse.resize((96, 96), Image.Resampling.BICUBIC))
    return Image.fromarray(whole.astype(np.uint8))


def compared(images: list[Image.Image]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    facts = [examine_pixels(np.asarray(image), str(i)) for i, image in enumerate(images)]
    thumbnails = np.stack([np.frombuffer(f.thumbnail, np.uint8).reshape(16, 16, 3) for f in facts])
    return np.array([f.phash for f in facts], np.uint64), thumbnails, np.array([not f.blank for f in facts])


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def test_equal_values_are_grouped_in_order_and_empty_ones_are_equal_to_nothing():
    assert equal_groups([b"x", b"y", b"x", b"", b"", b"y", b"x", b"z"]) == [[0, 2, 6], [1, 5]]


def test_pairs_that_hang_together_make_one_group():
    assert grouped([(0, 4), (2, 3), (4, 7), (3, 9)]) == [[0, 4, 7], [2, 3, 9]]
    assert grouped([(5, 6), (1, 6), (2, 5)]) == [[1, 2, 5, 6]]
    assert grouped([]) == []


@pytest.mark.parametrize(
    "edited",
    [
        lambda image: as_jpeg(image, 30),
        lambda image: image.resize((48, 48)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.05),
        lambda image: ImageEnhance.Contrast(image).enhance(0.9),
        lambda image: image.crop((1, 1, 95, 95)),
    ],
)
def test_a_copy_that_was_edited_a_little_is_found_among_others(edited):
    images = [scene(seed) for seed in range(30)]
    assert near_pairs(*compared([*images, edited(images[7])])) == [(7, 30)]


def test_pictures_of_their_own_are_not_taken_for_copies():
    images = [scene(seed) for seed in range(60)]
    mirrored = scene(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert near_pairs(*compared([*images, mirrored])) == []


def test_blank_pictures_are_left_out():
    even = [Image.new("RGB", (32, 32), (level,) * 3) for level in (100, 101, 102)]
    assert near_pairs(*compared(even)) == []


def test_a_small_change_in_one_place_makes_another_picture():
    face = Image.new("L", (64, 64), 255)
    face.paste(128, (8, 8, 56, 56))
    smiling = face.copy()
    smiling.paste(20, (24, 40, 40, 44))
    assert near_pairs(*compared([face.convert("RGB"), smiling.convert("RGB")])) == []


def test_thumbnails_are_compared_after_brightness_and_contrast_are_made_equal():
    ramp = np.linspace(0, 200, 256).reshape(1, 16, 16, 1).repeat(3, 3).astype(np.uint8)
    assert look_alike(ramp, ramp + 20).tolist() == [True]
    assert look_alike(ramp, ramp[:, ::-1]).tolist() == [False]
    assert look_alike(ramp // 8, ramp // 8 + 200).tolist() == [False]  # grey and black: too far apart
    assert look_alike(ramp[:0], ramp[:0]).tolist() == []


def test_buckets_find_the_same_pairs_as_comparing_all(monkeypatch):
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 1 << 63, 400, np.uint64)
    for place in range(0, 100, 2):  # each second one differs from the one before by up to 8 bits
        flips = rng.choice(64, place // 12, replace=False)
        hashes[place + 1] = hashes[place] ^ np.uint64(sum(1 << int(bit) for bit in flips))
    thumbnails = np.broadcast_to(rng.integers(0, 256, (1, 16, 16, 3), np.uint8), (400, 16, 16, 3))
    everything = near_pairs(hashes, thumbnails, np.ones(400, bool))
    assert everything == [(place, place + 1) for place in range(0, 84, 2)]  # up to 6 bits
    monkeypatch.setattr(duplicates, "ALL_PAIRS", 10)
    assert near_pairs(hashes, thumbnails, np.ones(400, bool)) == everything
