"""Picture files in and out: what was in them is in the results, bit by bit, as Pillow and tifffile read them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from ganvas.applying.png import write_png
from ganvas.applying.reading import Facts, read, read_mask
from ganvas.applying.tiff import write_tiff
from ganvas.data.decode import PictureError

NO_FACTS, NO_TEXTS = Facts(), {}


def levels(height: int, width: int, channels: int, bits: int) -> np.ndarray:
    dtype = np.uint8 if bits == 8 else np.uint16
    smooth = np.add.outer(np.arange(height) * 3, np.arange(width) * 2)[..., None] * np.arange(1, channels + 1)
    random = np.random.default_rng(0).integers(0, 2**bits, (height, width, channels))
    return np.where(np.arange(width)[None, :, None] < width // 2, smooth, random).astype(dtype)


def in_strips(picture: np.ndarray, rows: int = 7):
    return (picture[top : top + rows] for top in range(0, len(picture), rows))


def png(picture: np.ndarray, path: Path, facts: Facts = NO_FACTS, texts: dict[str, str] = NO_TEXTS) -> Path:
    with path.open("wb") as file:
        write_png(file, in_strips(picture), *picture.shape, 8 * picture.dtype.itemsize, facts, texts)
    return path


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_8_bits_is_what_pillow_reads(tmp_path, channels):
    picture = levels(40, 33, channels, 8)
    with Image.open(png(picture, tmp_path / "a.png")) as image:
        assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
        np.testing.assert_array_equal(np.asarray(image).reshape(picture.shape), picture)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_is_read_back_with_all_of_them(tmp_path, channels):
    picture = levels(40, 33, channels, 16)
    found = read(png(picture, tmp_path / "a.png"), "a.png")
    assert found.bits == 16
    colour = picture[..., :-1] if channels in (2, 4) else picture
    np.testing.assert_array_equal(found.colour, colour)
    assert (found.alpha is None) == (channels in (1, 3))
    if found.alpha is not None:
        np.testing.assert_array_equal(found.alpha, picture[..., -1])


def test_png_of_16_bits_agrees_with_another_reader(tmp_path):
    av = pytest.importorskip("av")
    picture = levels(40, 34, 3, 16)
    with av.open(str(png(picture, tmp_path / "a.png"))) as container:
        frame = next(container.decode(video=0))
    np.testing.assert_array_equal(frame.to_ndarray(format="rgb48le"), picture)


def test_png_is_about_as_small_as_pillows(tmp_path):
    photo = pytest.importorskip("skimage.data").astronaut()
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, format="PNG")
    assert png(photo, tmp_path / "a.png").stat().st_size < 1.05 * len(buffer.getvalue())


def test_png_refuses_rows_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="5 rows came for a picture of 6"):
        write_png(io.BytesIO(), iter([np.zeros((5, 4, 3), np.uint8)]), 6, 4, 3, 8, NO_FACTS, {})


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_is_what_others_read(tmp_path, channels, bits):
    tifffile = pytest.importorskip("tifffile")
    picture = levels(300, 520, channels, bits)
    path = tmp_path / "a.tif"
    facts = Facts(dpi=(300, 150))
    write_tiff(path, in_strips(picture, 64), *picture.shape, bits, facts, {"software": "ganvas", "synthetic": "true"})
    np.testing.assert_array_equal(tifffile.imread(path).reshape(picture.shape), picture)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].is_tiled
        assert file.pages[0].tags["ImageDescription"].value == "software: ganvas\nsynthetic: true"
    if (channels, bits) == (2, 16):
        return  # Pillow reads no such TIFF
    found = read(path, "a.tif")
    whole = found.colour if found.alpha is None else np.concatenate([found.colour, found.alpha[..., None]], axis=2)
    np.testing.assert_array_equal(whole, picture)
    assert found.facts.dpi == (300, 150)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_tiff_of_16_bits_in_colour_is_read_whole(tmp_path, byteorder, compression, tile):
    tifffile = pytest.importorskip("tifffile")
    picture = levels(40, 33, 3, 16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture, byteorder=byteorder, compression=compression, photometric="rgb", tile=tile)
    np.testing.assert_array_equal(read(path, "a.tif").colour, picture)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
def test_orientation_is_applied_and_its_tag_reset(tmp_path, orientation, bits):
    upright = levels(20, 30, 3, bits)
    tifffile = pytest.importorskip("tifffile")
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    lying = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, -1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, 1),
    }[undo]
    path = tmp_path / "a.tif"
    tags = [(274, "H", 1, orientation, True), (271, "s", 0, "Maker", True)]
    tifffile.imwrite(path, np.ascontiguousarray(lying), photometric="rgb", metadata=None, extratags=tags)
    found = read(path, "a.tif")
    np.testing.assert_array_equal(found.colour, upright)
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + found.facts.exif)
    assert ExifTags.Base.Orientation not in exif
    assert exif[ExifTags.Base.Make] == "Maker"


def camera_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2020:01:02 03:04:05",
        ExifTags.Base.ExifImageWidth: 30,
        ExifTags.Base.ExposureTime: 0.01,
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    return exif


def test_exif_profile_and_density_come_through_a_png(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = levels(20, 30, 3, 8)
    Image.fromarray(picture).save(
        tmp_path / "a.jpg", exif=camera_exif(), icc_profile=profile, dpi=(300, 150), quality=95
    )
    found = read(tmp_path / "a.jpg", "a.jpg")
    assert found.colour.shape == (30, 20, 3)
    with Image.open(png(found.colour, tmp_path / "b.png", found.facts, {"software": "ganvas ü"})) as image:
        assert image.info["icc_profile"] == profile
        assert image.info["dpi"] == pytest.approx((150, 300), rel=1e-3)  # it was turned by a quarter
        assert image.text["software"] == "ganvas ü"
        exif = image.getexif()
        assert ExifTags.Base.Orientation not in exif
        assert exif[ExifTags.Base.Make] == "Maker"
        details = exif.get_ifd(ExifTags.IFD.Exif)
        assert details[ExifTags.Base.DateTimeOriginal] == "2020:01:02 03:04:05"
        assert float(details[ExifTags.Base.ExposureTime]) == pytest.approx(0.01)
        assert ExifTags.Base.ExifImageWidth not in details
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


def test_a_profile_for_other_channels_is_left_out(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = png(levels(8, 8, 1, 8), tmp_path / "a.png", Facts(icc=profile, icc_channels=3))
    assert "icc_profile" not in Image.open(path).info


def test_an_embedded_thumbnail_is_not_kept(tmp_path):
    thumbnail = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(thumbnail, format="JPEG")
    exif = camera_exif()
    data = exif.tobytes()
    Image.fromarray(levels(20, 30, 3, 8)).save(tmp_path / "a.jpg", exif=data + thumbnail.getvalue())
    assert thumbnail.getvalue()[:20] not in read(tmp_path / "a.jpg", "a.jpg").facts.exif


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("1", 1), ("P", 3), ("RGB", 3), ("CMYK", 3), ("LA", 1), ("RGBA", 3)]
)
def test_modes_of_pictures(tmp_path, mode, channels):
    suffix = "tif" if mode == "CMYK" else "png"
    Image.fromarray(levels(9, 11, 3, 8)).convert(mode).save(tmp_path / f"a.{suffix}")
    found = read(tmp_path / f"a.{suffix}", "a")
    assert found.colour.shape == (9, 11, channels)
    assert (found.alpha is not None) == mode.endswith("A")


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_text("not a picture")
    with pytest.raises(PictureError, match=r"a\.png: not a picture"):
        read(tmp_path / "a.png", "a.png")


def test_a_mask_is_white_where_the_hole_is(tmp_path):
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:4] = 255
    mask[0, 0] = 100
    Image.fromarray(mask).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", "m"), mask == 255)
    Image.fromarray(np.stack([mask, mask, mask, np.full_like(mask, 255)], axis=2)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", "m"), mask == 255)
