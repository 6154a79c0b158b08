"""Pictures of a study: alike in all but what they show, and ruined ones that nobody takes for real."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from example_pictures import bars
from ganvas.data.sources import open_source
from ganvas.errors import GanvasError
from ganvas.rating.pictures import read_from_source, ruin, shown_size, to_png


def decoded(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_grey_and_colour_of_any_size_and_aspect_are_sent_alike():
    random = np.random.default_rng(0)
    for shape in ((12, 12, 1), (64, 48, 3), (300, 500, 3)):
        image = decoded(to_png(random.integers(0, 256, shape, np.uint8), 96, 96, "lanczos"))
        assert (image.size, image.mode, image.info, image.format) == ((96, 96), "RGB", {}, "PNG")


def test_nearest_repeats_pixels_and_lanczos_is_smooth():
    picture = np.array([[0, 255], [255, 0]], np.uint8)[..., None]
    nearest = np.asarray(decoded(to_png(picture, 8, 8, "nearest")))
    assert np.array_equal(nearest, picture.repeat(4, 0).repeat(4, 1).repeat(3, 2))
    assert len(np.unique(np.asarray(decoded(to_png(picture, 8, 8, "lanczos"))))) > 2


def test_another_aspect_is_cut_to_the_middle():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    assert np.asarray(decoded(to_png(wide, 10, 10, "lanczos"))).min() == 200


@pytest.mark.parametrize(
    ("size", "longest", "upscaling", "expected"),
    [
        ((28, 28), None, "lanczos", (256, 256)),
        ((28, 28), None, "nearest", (252, 252)),
        ((300, 400), None, "lanczos", (300, 400)),
        ((1024, 1024), None, "nearest", (512, 512)),
        ((48, 64), 200, "lanczos", (150, 200)),
        ((48, 64), 200, "nearest", (144, 192)),
        ((64, 64), 16, "nearest", (16, 16)),
    ],
)
def test_the_size_shown_keeps_the_aspect_and_nearest_takes_whole_factors(size, longest, upscaling, expected):
    assert shown_size(*size, longest, upscaling) == expected


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_buries_a_picture_and_blur_leaves_only_its_light_and_dark(channels):
    picture = bars(1, side=48)[0][0][..., None].repeat(channels, axis=2)
    noisy, blurred = ruin(picture, "noise", 0), ruin(picture, "blur", 0)
    for ruined in (noisy, blurred):
        assert (ruined.shape, ruined.dtype) == (picture.shape, np.uint8)
    assert abs(np.corrcoef(noisy.ravel(), picture.ravel())[0, 1]) < 0.5
    steepest, softest = (int(np.abs(np.diff(p.astype(int), axis=0)).max()) for p in (picture, blurred))
    assert softest < steepest / 5


def test_pictures_of_a_source_are_chosen_by_the_seed_named_and_brought_to_size(bars_folder):
    source = open_source(bars_folder)
    first, again, other = (read_from_source("bars", source, 10, seed, (24, 24, 1)) for seed in (0, 0, 1))
    assert first.origins == again.origins != other.origins
    assert len(set(first.origins)) == 10
    assert set(first.origins) <= set(source.names)
    assert all(p.shape == (24, 24, 1) for p in first.pictures)
    assert (first.about.sha256, first.about.height) == (source.fingerprint, 24)


def test_broken_pictures_are_passed_over(bars_folder):
    for i in range(0, 40, 2):
        (bars_folder / f"{i:03d}.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    found = read_from_source("bars", open_source(bars_folder), 40, 0, (12, 12, 1))
    assert sorted(found.origins) == [f"{i:03d}.png" for i in range(1, 40, 2)]
    for path in bars_folder.iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(GanvasError, match="no picture that can be used"):
        read_from_source("bars", open_source(bars_folder), 40, 0, (12, 12, 1))


def test_real_pictures_are_held_out_ones_where_there_are_enough(tmp_path):
    for i, image in enumerate(bars(30)[0]):
        folder = tmp_path / "data" / ("test" if i < 12 else "train")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:02d}.png")
    source = open_source(tmp_path / "data")
    some = read_from_source("data", source, 10, 0, (12, 12, 1), real=True)
    assert some.about.split == "held-out"
    assert all(name.startswith("test/") for name in some.origins)
    assert read_from_source("data", source, 20, 0, (12, 12, 1), real=True).about.split == "all"
