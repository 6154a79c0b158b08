"""One picture -> what a checkup has to know about it: plain numbers, hashes and a thumbnail.

A picture is always decoded as a whole, or damage would go unseen. A JPEG of 1024 pixels a side and more is decoded at
1/2, 1/4 or 1/8 of its size: all of its data are read all the same (so that a file that is cut off is found), only the
last step is cheaper. Other pictures of more than 16 megapixels are reduced once they are decoded. Statistics are of
at most 256x256 of the pixels, evenly spread.
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganvas.data import decode as decoding
from ganvas.data.checkup.jpeg_quality import jpeg2000_is_lossy, jpeg_quality, webp_is_lossy
from ganvas.data.decode import Pixels, Upright, decode_upright

THUMBNAIL = 16
BLANK_BELOW = 2.0  # standard deviation of the grey levels, of 255
GREY_WITHIN = 4  # levels by which red, green and blue of a grey picture may differ: what JPEG does to grey
_FULL_SIDE = 512  # a JPEG is not decoded smaller than this
_SAMPLED_SIDE = 256
_SEEN_SIDE = 2048  # what is looked at as a whole is thinned to less than twice this
_LARGE = 16_000_000  # pixels
_BARS_FROM = 32  # pixels a side: in smaller pictures an object that fills one side looks the same
_EDGE_TOLERANCE = 12  # levels of noise in a bar that was compressed with the picture
_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png", ".apng"},
    "WEBP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "DIB": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "PPM": {".ppm", ".pgm", ".pbm", ".pnm"},
    "JPEG2000": {".jp2", ".j2k", ".jpx"},
    "AVIF": {".avif"},
    "HEIF": {".heic", ".heif"},
}
_LOSSLESS = frozenset(("PNG", "GIF", "BMP", "DIB", "PPM"))
_ORIENTATION, _GPS = 0x0112, 0x8825


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one picture is. Levels are 0 to 255, shares 0 to 1; what does not apply is None.

    format: as found, "pixels" if there is no file. mode: Pillow's name of how the file stores pixels. transparent:
    share of pixels that are not opaque, None without alpha. turned: EXIF says it lies on its side. gps: EXIF tells
    where it was taken (the place itself is not kept). quality: of a JPEG, 1 to 100. sha256, pixels_sha256: of the
    file and of the upright pixels. phash: 64 bits, alike for pictures that look alike. thumbnail: 16x16 RGB bytes.
    mean, deviation: per channel, without alpha. bars: share of even bars at two opposite sides; surround: share of
    an even surround on all four sides. preview: a small PNG, if it was asked for.
    """

    name: str
    format: str
    suffix_fits: bool
    nbytes: int
    width: int
    height: int
    channels: int
    bits: int
    mode: str
    transparent: float | None
    turned: bool
    gps: bool
    frames: int
    lossy: bool | None
    quality: int | None
    sha256: bytes
    pixels_sha256: bytes
    phash: int
    thumbnail: bytes
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    blank: bool
    grey_in_colour: bool
    bars: float
    surround: float
    preview: bytes = b""

    def thumbnail_png(self) -> bytes:
        """The thumbnail as a file."""
        pixels = np.frombuffer(self.thumbnail, np.uint8).reshape(THUMBNAIL, THUMBNAIL, 3)
        return _png(Image.fromarray(pixels))


def examine(data: tuple[bytes, ...], name: str, argument: object = None) -> FileFacts:
    """The facts of one encoded picture. Raises PictureError if it cannot be used.

    Of a pair of files both must be fine and the hashes are of both; the rest is said of the first. argument: the
    longest side of the preview in pixels, or None for no preview.
    """
    pixels = [_decoded(part, name) for part in data]
    facts = examine_pixels(pixels[0], name, argument)
    hashed = hashlib.sha256()
    for part in data:
        hashed.update(part)
    if len(data) > 1:
        both = b"".join(_pixels_sha256(part, part.shape[1], part.shape[0]) for part in pixels)
        facts = replace(facts, pixels_sha256=hashlib.sha256(both).digest())
    return _with_file(facts, data[0], pixels[0], nbytes=sum(map(len, data)), sha256=hashed.digest())


def _decoded(data: bytes, name: str) -> Pixels:
    """[H, W, C]; every byte of the file has been read."""
    decoded = decode_upright(io.BytesIO(data), name, (_FULL_SIDE, _FULL_SIDE))
    if not isinstance(decoded, Upright):
        return decoded
    image = decoded.image
    if image.width * image.height > _LARGE:  # as an array it would take its memory once more
        image = image.reduce(math.ceil(math.sqrt(image.width * image.height / _LARGE)))
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def examine_pixels(pixels: Pixels, name: str, argument: object = None) -> FileFacts:
    """The facts of a picture that comes as an array [H, W, C], uint8 or uint16, C of 1 to 4."""
    height, width, channels = pixels.shape
    step = max(1, -(-max(height, width) // _SAMPLED_SIDE))
    sample = pixels[::step, ::step]
    colours = sample[..., : 1 if channels < 3 else 3]
    transparent = None
    if channels in (2, 4):
        transparent = float(np.mean(sample[..., -1] != np.iinfo(pixels.dtype).max))
    levels = colours.reshape(-1, colours.shape[2]).astype(np.float32) * np.float32(255 / np.iinfo(pixels.dtype).max)
    thin = max(1, max(height, width) // _SEEN_SIDE)
    seen = _on_white(pixels[::thin, ::thin])
    shrunk = seen.resize((2 * THUMBNAIL, 2 * THUMBNAIL), Image.Resampling.BOX, reducing_gap=2.0)
    thumbnail = np.asarray(shrunk.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
    whole = np.asarray(seen)
    fewer = max(1, step // thin)
    looked_at = whole[::fewer, ::fewer]
    bars, surround = _bars(whole)
    return FileFacts(
        name=name,
        format="pixels",
        suffix_fits=True,
        nbytes=pixels.nbytes,
        width=width,
        height=height,
        channels=channels,
        bits=pixels.dtype.itemsize * 8,
        mode={1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels] + (";16" if pixels.dtype == np.uint16 else ""),
        transparent=transparent,
        turned=False,
        gps=False,
        frames=1,
        lossy=None,
        quality=None,
        sha256=b"",
        pixels_sha256=_pixels_sha256(pixels, width, height),
        phash=_phash(np.asarray(shrunk.convert("L"))),
        thumbnail=thumbnail.tobytes(),
        mean=tuple(np.round(levels.mean(axis=0), 2).tolist()),
        deviation=tuple(np.round(levels.std(axis=0), 2).tolist()),
        blank=bool(looked_at.mean(axis=2).std() < BLANK_BELOW),
        grey_in_colour=channels >= 3 and _is_grey(looked_at) and _is_grey(thumbnail),
        bars=bars,
        surround=surround,
        preview=_preview(seen, argument) if isinstance(argument, int) else b"",
    )


def _with_file(facts: FileFacts, data: bytes, pixels: Pixels, *, nbytes: int, sha256: bytes) -> FileFacts:
    """The facts of the pixels and what the file around them says."""
    formats = (*decoding.FORMATS, *(("HEIF",) if "HEIF" in Image.OPEN else ()))
    with Image.open(io.BytesIO(data), formats=formats) as image:
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        orientation, gps = _exif(image)
        width, height = image.size if orientation < 5 else image.size[::-1]
        quality = jpeg_quality(getattr(image, "quantization", {})) if kind == "JPEG" else None
        suffix = PurePosixPath(facts.name).suffix.lower()
        known = suffix in decoding.SUFFIXES
        full = (height, width) == pixels.shape[:2]
        return replace(
            facts,
            format=kind,
            suffix_fits=not known or suffix in _SUFFIXES.get(kind, {suffix}),
            nbytes=nbytes,
            width=width,
            height=height,
            mode=image.mode,
            turned=orientation != 1,
            gps=gps,
            frames=1 if kind == "JPEG" else _frames(image),
            lossy=_lossy(image, kind, data),
            quality=quality,
            sha256=sha256,
            pixels_sha256=facts.pixels_sha256 if full else _pixels_sha256(pixels, width, height),
        )


def _exif(image: Image.Image) -> tuple[int, bool]:
    """The orientation, 1 to 8, and whether a place is told. Nothing else is looked at."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1, False
    try:
        exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        return (orientation if orientation in range(1, 9) else 1), _GPS in exif
    except Exception:  # whatever Pillow finds wrong with EXIF data, the picture itself is fine
        return 1, False


def _frames(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # damage beyond the first frame, which alone is used
        return 1


def _lossy(image: Image.Image, kind: str, data: bytes) -> bool | None:
    if kind == "JPEG":
        return True
    if kind == "WEBP":
        return webp_is_lossy(data)
    if kind == "JPEG2000":
        return jpeg2000_is_lossy(data)
    if kind == "TIFF":
        return image.info.get("compression") in ("jpeg", "tiff_jpeg", "webp")
    return False if kind in _LOSSLESS else None


def _on_white(pixels: Pixels) -> Image.Image:
    """RGB of 8 bits as a viewer would show it; levels of 16 bits up to the largest there is."""
    if pixels.dtype == np.uint16:
        largest = max(1, int(pixels.max()))
        pixels = (pixels.astype(np.float32) * np.float32(255 / largest)).astype(np.uint8)
    if pixels.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(pixels[..., 0])).convert("RGB")
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if pixels.shape[2] == 3:
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return ground


def _pixels_sha256(pixels: Pixels, width: int, height: int) -> bytes:
    """width, height: of the picture, which may have been decoded smaller."""
    digest = hashlib.sha256(repr((pixels.shape, pixels.dtype.str, width, height)).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def _dct_rows() -> NDArray[np.float32]:
    """[8, 32]: the 8 lowest cosines over 32 points."""
    places = (np.arange(32) + 0.5) * np.pi / 32
    return np.cos(np.arange(8)[:, None] * places).astype(np.float32)


_DCT = _dct_rows()


def _phash(grey: NDArray[np.uint8]) -> int:
    """One bit for each of the 8x8 lowest frequencies of [32, 32]: whether it is above their median (Zauner, 2010)."""
    low = _DCT @ grey.astype(np.float32) @ _DCT.T
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    red, green, blue = (pixels[..., channel].astype(np.int16) for channel in range(3))
    return max(int(np.abs(red - green).max()), int(np.abs(green - blue).max())) <= GREY_WITHIN


def _bars(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Shares of [H, W, 3] that are even bars at two opposite sides only, and an even surround on all four sides."""
    height, width, _ = pixels.shape
    if min(height, width) < _BARS_FROM:
        return 0.0, 0.0
    # At most 128 points across each line are looked at, but every line, so that edges are found to the pixel.
    rows = _differing(pixels[:, :: -(-width // 128)], pixels[0, 0])
    columns = _differing(pixels[:: -(-height // 128)].swapaxes(0, 1), pixels[0, 0])
    (top, bottom), (left, right) = _margins(rows), _margins(columns)
    if top + bottom >= height or left + right >= width:
        return 0.0, 0.0  # all even: blank
    if min(top, bottom, left, right) > 0:
        return 0.0, 1 - (height - top - bottom) * (width - left - right) / (height * width)
    for lines, (before, after), others in ((rows, (top, bottom), left + right), (columns, (left, right), top + bottom)):
        least = max(2, len(lines) // 50)
        alike = abs(before - after) <= max(2, len(lines) // 10)
        if others == 0 and min(before, after) >= least and alike and _abrupt(lines, before, after):
            return (before + after) / len(lines), 0.0
    return 0.0, 0.0


def _differing(lines: NDArray[np.uint8], colour: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[N]: share of each line of [N, M, 3] that is not of that colour."""
    away = np.abs(lines.astype(np.int16) - colour.astype(np.int16)).max(axis=2)
    return cast(NDArray[np.float64], (away > _EDGE_TOLERANCE).mean(axis=1))


def _margins(lines: NDArray[np.float64]) -> tuple[int, int]:
    """How many lines at either end are even."""
    content = np.flatnonzero(lines > 0.02)
    return (int(content[0]), len(lines) - 1 - int(content[-1])) if len(content) else (len(lines), 0)


def _abrupt(lines: NDArray[np.float64], before: int, after: int) -> bool:
    """Whether a full picture lies between the bars, and not an object on an even ground."""
    content = lines[before : len(lines) - after]
    return bool(min(content[:2].max(), content[-2:].max()) >= 0.6 and content.mean() >= 0.8)


def _preview(image: Image.Image, side: int) -> bytes:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=2.0)
    return _png(small)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
