"""One picture file becomes one upright array, or a reason why not."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from ganvas.data.decode import Header, PictureError, decode, read_header


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


def png_that_declares(width: int, height: int) -> io.BytesIO:
    """A PNG whose header is valid and whose data hold a single byte."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + data)


def test_a_colour_picture_comes_back_bit_for_bit(ramp):
    pixels = decode(saved(Image.fromarray(ramp)), "ramp.png")
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, ramp)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_makes_the_picture_upright_and_its_header_too(ramp, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(Image.fromarray(ramp), exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(saved(Image.fromarray(ramp), exif=exif))))
    np.testing.assert_array_equal(decode(file, "turned.png"), upright)
    file.seek(0)
    header = read_header(file, "turned.png")
    assert (header.height, header.width) == upright.shape[:2] == ((6, 4) if orientation >= 5 else (4, 6))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate"])
def test_the_orientation_of_a_tiff_is_applied_once(ramp, orientation, compression):
    exif = Image.Exif()
    exif[0x0112] = orientation
    as_png = saved(Image.fromarray(ramp), exif=exif)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, format="TIFF", exif=exif, compression=compression)
    file.seek(0)
    upright = decode(as_png, "turned.png")
    np.testing.assert_array_equal(decode(file, "turned.tif"), upright)
    file.seek(0)
    header = read_header(file, "turned.tif")
    assert (header.height, header.width) == upright.shape[:2]


def test_black_and_white_becomes_0_and_255():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert decode(saved(image), "bilevel.png").tolist() == [[[0], [255]]]


def test_sixteen_bit_grey_keeps_its_levels():
    levels = np.array([[0, 255, 256, 65535]], np.uint16)
    file = saved(Image.fromarray(levels))
    pixels = decode(file, "deep.png")
    assert pixels.dtype == np.uint16
    assert pixels[..., 0].tolist() == levels.tolist()
    file.seek(0)
    assert read_header(file, "deep.png") == Header(width=4, height=1, channels=1, bits=16)


def test_grey_with_alpha_has_two_channels_and_rgba_four():
    assert decode(saved(Image.new("LA", (2, 2), (10, 20))), "la.png")[0, 0].tolist() == [10, 20]
    assert decode(saved(Image.new("RGBA", (2, 2), (1, 2, 3, 4))), "rgba.png")[0, 0].tolist() == [1, 2, 3, 4]


def test_a_palette_gives_its_colours_not_its_indices():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    assert decode(saved(image), "palette.png")[0, 0].tolist() == [200, 100, 50]


def test_a_transparent_palette_colour_becomes_alpha_0():
    image = Image.new("P", (2, 1), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putpixel((0, 0), 0)
    pixels = decode(saved(image, transparency=0), "palette.png")
    assert pixels.tolist() == [[[0, 0, 0, 0], [200, 100, 50, 255]]]


def test_cmyk_becomes_rgb():
    cyan = decode(saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=95), "cmyk.jpg")
    assert cyan.shape == (16, 16, 3)
    np.testing.assert_allclose(cyan[8, 8], [0, 255, 255], atol=4)


def test_of_an_animation_the_first_frame_is_used_and_the_header_says_that_there_are_more():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    file = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(file, "moving.gif")[0, 0].tolist() == [255, 0, 0]
    file.seek(0)
    assert read_header(file, "moving.gif").animated
    assert not read_header(saved(frames[0], "GIF"), "still.gif").animated


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_each_format_is_known_by_its_content_not_by_its_name(kind):
    assert decode(saved(Image.new("RGB", (8, 5), "white"), kind), "wrong.suffix").shape == (5, 8, 3)


def test_formats_that_are_not_pictures_of_pixels_are_not_opened():
    postscript = io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(PictureError, match="not a picture"):
        decode(postscript, "drawing.png")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"only words", "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(data, reason):
    with pytest.raises(PictureError) as error:
        decode(io.BytesIO(data), "bad.png")
    assert (error.value.name, error.value.reason) == ("bad.png", reason)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_picture_is_refused_although_its_header_can_be_read(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    half = io.BytesIO((whole := saved(Image.fromarray(noise), kind).getvalue())[: len(whole) // 2])
    assert read_header(half, "half").width == 64
    half.seek(0)
    with pytest.raises(PictureError, match=r"half: (truncated|damaged)"):
        decode(half, "half")


def test_a_flipped_byte_in_the_pixels_is_noticed():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    data = bytearray(saved(Image.fromarray(noise)).getvalue())
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(PictureError, match="damaged"):
        decode(io.BytesIO(bytes(data)), "flipped.png")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height"), [(60000, 60000), (20000, 5001)])
@pytest.mark.parametrize("open_it", [decode, read_header])
def test_a_huge_declared_size_is_refused_from_the_header_alone(width, height, open_it):
    with pytest.raises(PictureError) as error:
        open_it(png_that_declares(width, height), "bomb.png")
    assert error.value.reason == f"declares {width}x{height} pixels, more than the 100-megapixel limit"


def test_floating_point_pixels_are_refused():
    file = saved(Image.new("F", (4, 4), 0.5), "TIFF")
    with pytest.raises(PictureError, match="floating-point pixels"):
        decode(file, "float.tif")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_do_not_lose_a_picture_that_can_be_seen(ramp):
    file = saved(Image.fromarray(ramp), exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert decode(file, "odd.png").shape == ramp.shape
