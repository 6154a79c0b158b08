"""What is found out about one picture; damage is refused, and never anything but a PictureError."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from ganvas.data.checkup import examine as examining
from ganvas.data.checkup.examine import examine, examine_pixels
from ganvas.data.checkup.jpeg_quality import jpeg_quality
from ganvas.data.decode import PictureError


def picture(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """Smooth colours with a little noise: like a photograph to a codec."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    colours = np.stack((across, down, 1 - across), axis=2) * 200 + rng.integers(0, 20, (height, width, 3))
    return Image.fromarray(colours.astype(np.uint8))


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def facts_of(data: bytes, name: str = "picture.png"):
    return examine((data,), name)


def test_a_plain_picture_is_described():
    data = saved(picture())
    facts = facts_of(data)
    assert (facts.format, facts.mode, facts.width, facts.height, facts.channels, facts.bits) == (
        "PNG", "RGB", 64, 48, 3, 8,
    )  # fmt: skip
    assert facts.nbytes == len(data)
    assert facts.transparent is None
    assert facts.lossy is False
    assert facts.quality is None
    assert (facts.turned, facts.gps, facts.blank, facts.grey_in_colour) == (False,) * 4
    assert len(facts.thumbnail) == 16 * 16 * 3
    assert facts.preview == b""
    assert pickle.loads(pickle.dumps(facts)) == facts


def test_mean_and_deviation_are_in_levels_of_255():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4, 0] = 200
    facts = examine_pixels(pixels, "x")
    assert facts.mean == (100.0, 0.0, 0.0)
    assert facts.deviation == (100.0, 0.0, 0.0)
    deep = examine_pixels(np.full((8, 8, 1), 65535, np.uint16), "x")
    assert deep.mean == (255.0,)
    assert deep.bits == 16


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 92, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality):
    facts = facts_of(saved(picture(), "JPEG", quality=quality), "a.jpg")
    assert facts.quality == quality
    assert facts.lossy is True


def test_tables_that_no_quality_makes_give_the_nearest_and_no_tables_none():
    assert jpeg_quality({0: [1] * 64}) == 100
    assert jpeg_quality({0: [255] * 64}) == 1
    assert jpeg_quality({}) is None
    assert jpeg_quality({0: [1] * 8}) is None


@pytest.mark.parametrize(
    ("kind", "options", "lossy"),
    [
        ("WEBP", {"quality": 50}, True),
        ("WEBP", {"lossless": True}, False),
        ("WEBP", {"quality": 50, "save_all": True, "append_images": [picture(seed=1)]}, True),
        ("WEBP", {"lossless": True, "exif": Image.Exif()}, False),
        ("TIFF", {"compression": "jpeg"}, True),
        ("TIFF", {"compression": "tiff_lzw"}, False),
        ("JPEG2000", {"irreversible": True}, True),
        ("JPEG2000", {"irreversible": False}, False),
        ("GIF", {}, False),
    ],
)
def test_what_lost_something_is_told_from_what_did_not(kind, options, lossy):
    assert facts_of(saved(picture(), kind, **options), "a").lossy is lossy


def test_the_format_is_known_from_the_content_and_compared_with_the_suffix():
    png = saved(picture())
    assert facts_of(png, "a.PNG").suffix_fits
    assert facts_of(png, "train[3]").suffix_fits
    assert not facts_of(png, "a.jpg").suffix_fits


def test_exif_turns_the_picture_and_a_place_is_counted_but_not_kept():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 33.0)}
    facts = facts_of(saved(picture(64, 48), "JPEG", exif=exif), "a.jpg")
    assert (facts.width, facts.height) == (48, 64)
    assert facts.turned
    assert facts.gps


def test_transparency_is_the_share_of_pixels_that_are_not_opaque():
    pixels = np.full((8, 8, 4), 255, np.uint8)
    assert examine_pixels(pixels, "x").transparent == 0.0
    pixels[:2, :, 3] = 128
    assert examine_pixels(pixels, "x").transparent == 0.25


def test_an_even_picture_is_blank_and_one_with_a_little_contrast_is_not():
    pixels = np.full((32, 32, 3), 90, np.uint8)
    assert examine_pixels(pixels, "x").blank
    pixels[:16] = 96  # a standard deviation of 3
    assert not examine_pixels(pixels, "x").blank


def test_grey_in_colour_survives_what_jpeg_does_to_grey():
    grey = picture().convert("L").convert("RGB")
    assert facts_of(saved(grey, "JPEG"), "a.jpg").grey_in_colour
    assert not facts_of(saved(picture())).grey_in_colour
    assert not facts_of(saved(picture().convert("L"))).grey_in_colour  # not stored in colour


def test_bars_above_and_below_are_measured():
    boxed = Image.new("RGB", (64, 64))
    boxed.paste(picture(64, 48), (0, 8))
    assert facts_of(saved(boxed)).bars == 0.25
    assert facts_of(saved(boxed.rotate(90))).bars == 0.25
    assert facts_of(saved(boxed, "JPEG"), "a.jpg").bars == pytest.approx(0.25, abs=0.05)
    assert facts_of(saved(picture(64, 64))).bars == 0


def test_an_object_on_an_even_ground_has_no_bars():
    across = np.abs(np.arange(64) - 32)
    pixels = np.where((across < 8 + np.arange(64)[:, None] / 6)[..., None], 200, 0).astype(np.uint8).repeat(3, 2)
    assert examine_pixels(pixels, "x").bars == 0
    pixels[:4] = pixels[-4:] = 0
    facts = examine_pixels(pixels, "x")
    assert facts.bars == 0
    assert facts.surround > 0.3


def test_the_hash_of_the_pixels_does_not_depend_on_the_file():
    png, tiff = facts_of(saved(picture())), facts_of(saved(picture(), "TIFF"), "a.tif")
    assert png.sha256 != tiff.sha256
    assert png.pixels_sha256 == tiff.pixels_sha256
    assert png.pixels_sha256 != facts_of(saved(picture(seed=1))).pixels_sha256


def test_the_perceptual_hash_stays_when_a_picture_is_saved_anew_and_resized():
    def bits(image: Image.Image, **options: object) -> int:
        return facts_of(saved(image, **options), "a").phash

    image = picture(128, 96)
    image.paste((250, 20, 20), (20, 30, 60, 70))
    other = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    own = bits(image)
    assert (own ^ bits(image, kind="JPEG", quality=40)).bit_count() <= 6
    assert (own ^ bits(image.resize((64, 48)))).bit_count() <= 6
    assert (own ^ bits(other)).bit_count() > 12


def test_a_preview_is_made_only_when_asked_for():
    preview = examine((saved(picture(200, 100)),), "a.png", 50).preview
    assert Image.open(io.BytesIO(preview)).size == (50, 25)
    small = examine((saved(picture(20, 10)),), "a.png", 50).preview
    assert Image.open(io.BytesIO(small)).size == (20, 10)


def test_a_large_jpeg_is_decoded_smaller_but_its_truncation_is_found():
    whole = saved(picture(256, 128).resize((2048, 1024)), "JPEG")
    facts = facts_of(whole, "a.jpg")
    assert (facts.width, facts.height) == (2048, 1024)
    for part in (0.3, 0.6, 0.9, 0.98):
        with pytest.raises(PictureError, match=r"a\.jpg: truncated"):
            facts_of(whole[: int(len(whole) * part)], "a.jpg")


def test_a_very_large_picture_is_reduced_but_keeps_its_size_in_the_facts(monkeypatch):
    patches = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    data = saved(Image.fromarray(patches).resize((192, 128), Image.Resampling.BICUBIC))
    monkeypatch.setattr(examining, "_LARGE", 10_000)  # a halving leaves 96x64
    monkeypatch.setattr(examining, "_SEEN_SIDE", 48)  # and every second pixel 48x32
    facts = facts_of(data)
    assert (facts.width, facts.height) == (192, 128)
    monkeypatch.undo()
    whole = facts_of(data)
    assert (facts.phash ^ whole.phash).bit_count() <= 6
    assert facts.pixels_sha256 != whole.pixels_sha256
    assert facts.mean == pytest.approx(whole.mean, abs=2)


def test_both_files_of_a_pair_must_be_sound():
    first, second = saved(picture()), saved(picture(seed=1))
    pair = examine((first, second), "pair.png")
    assert pair.nbytes == len(first) + len(second)
    assert pair.pixels_sha256 != facts_of(first).pixels_sha256
    with pytest.raises(PictureError, match="truncated"):
        examine((first, second[:-200]), "pair.png")


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty file"), (b"hello", "not a picture"), (saved(picture())[:900], "truncated")],
)
def test_what_is_no_picture_is_refused_with_its_reason(data, reason):
    with pytest.raises(PictureError, match=reason) as refused:
        facts_of(data)
    assert refused.value.name == "picture.png"
