"""A picture file as applying needs it: colour and alpha apart, upright, with all its bits and what is said about it."""

from __future__ import annotations

import hashlib
import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from ganvas.applying.contract import KINDS, Paints, picture_channels
from ganvas.data.decode import FORMATS, PictureError, Pixels, decode, read_header
from ganvas.data.files.listing import check_size

_SPACES = {b"GRAY": 1, b"RGB ": 3}  # of ICC profiles: bytes 16 to 19
_TEXTS = {  # of TIFF's tags, those that tell of the picture and not of the file
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
}
_SIDES = {ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight}
_OTHER_END = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


@dataclass(frozen=True)
class Facts:
    """What a file says of its pixels, to be kept.

    icc: the colour profile and the colour channels it is for. exif: as a TIFF structure, without orientation and
    thumbnail. dpi: across and down.
    """

    icc: bytes = b""
    icc_channels: int = 0
    exif: bytes = b""
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True)
class Read:
    """colour: [H, W, 1 or 3], or [H, W, 4] for networks that paint alpha too. alpha: [H, W] or None.

    Both uint8 or uint16. sha256: of the file. notes: what the user should know.
    """

    colour: Pixels
    alpha: Pixels | None
    facts: Facts
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def bits(self) -> int:
        return 8 * self.colour.dtype.itemsize


def read(path: Path, name: str) -> Read:
    """A picture file. Raises PictureError, and OSError."""
    check_size(name, path.stat().st_size)
    data = path.read_bytes()
    file, notes, sha256 = io.BytesIO(data), [], hashlib.sha256(data).hexdigest()
    header = read_header(file, name)
    if header.animated:
        notes.append("has several frames: only the first one is used")
    facts, deep = _facts_and_depth(data)
    file.seek(0)
    pixels = _deep_levels(data, deep) if deep else decode(file, name)
    colour, alpha = (pixels[..., :-1], pixels[..., -1]) if pixels.shape[2] in (2, 4) else (pixels, None)
    return Read(colour, alpha, facts, sha256, tuple(notes))


def read_mask(path: Path, name: str) -> NDArray[np.bool_]:
    """[H, W], True where the mask is nearer to white than to black, and opaque. Raises PictureError, and OSError."""
    picture = read(path, name)
    largest = np.iinfo(picture.colour.dtype).max
    hole = picture.colour.mean(axis=2) > largest / 2
    if picture.alpha is not None:
        hole &= picture.alpha > largest / 2
    return cast(NDArray[np.bool_], hole)


def for_model(picture: Read, model: Paints, name: str) -> Read:
    """With the channels that a model takes. Raises PictureError where colour would be lost."""
    wanted, given = picture_channels(model.config), picture.colour.shape[2]
    colour = picture.colour
    if wanted == 1 and given == 3:
        if (colour != colour[..., :1]).any():
            raise PictureError(name, f"is an RGB picture, this model takes {KINDS[wanted]} ones: convert it first")
        return replace(picture, colour=colour[..., :1])
    if wanted == 4:  # grey becomes colour, and what has no alpha is opaque
        largest = np.iinfo(colour.dtype).max
        alpha = np.full(colour.shape[:2], largest, colour.dtype) if picture.alpha is None else picture.alpha
        parts = [np.broadcast_to(colour, (*colour.shape[:2], 3)), alpha[..., None]]
        return replace(picture, colour=cast(Pixels, np.concatenate(parts, axis=2)), alpha=None)
    return picture


def _facts_and_depth(data: bytes) -> tuple[Facts, str]:
    """What the file says of its pixels, and Pillow's word for them where they have 16 bits in colour, or ""."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _facts(image), _deep_mode(image)
    except UnidentifiedImageError:  # HEIC, which is read in another way
        return Facts(), ""


def _facts(image: Image.Image) -> Facts:
    icc = image.info.get("icc_profile") or b""
    channels, dpi = _SPACES.get(icc[16:20], 0), _dpi(image)
    return Facts(
        icc=icc if channels else b"",
        icc_channels=channels,
        exif=_exif_without_orientation(image),
        dpi=dpi[::-1] if dpi is not None and _orientation(image) >= 5 else dpi,
    )


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        value: Any = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF raises nearly anything, and is no reason to lose the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _exif_without_orientation(image: Image.Image) -> bytes:
    """Camera, time, place and the rest; not the thumbnail, which would still show the picture as it was."""
    if image.format != "TIFF" and not image.info.get("exif"):
        return b""
    try:
        found, kept = image.getexif(), Image.Exif()
        for tag, value in found.items():
            if tag != ExifTags.Base.Orientation and (image.format != "TIFF" or tag in _TEXTS):
                kept[tag] = value
        for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            # Not the sides of the picture as it was.
            values = {tag: value for tag, value in found.get_ifd(part).items() if tag not in _SIDES}
            if values:
                kept[part] = values
        return kept.tobytes().removeprefix(b"Exif\0\0") if len(kept) else b""
    except Exception:  # damaged, as above
        return b""


def _deep_mode(image: Image.Image) -> str:
    """Pillow's word for the values of a file with 16 bits in colour, as "RGB;16L"; "" for others."""
    if not isinstance(image, ImageFile.ImageFile) or not image.tile or "transparency" in image.info:
        return ""
    mode = _word_of(image.tile[0].args)
    known = {f"{kind};16{end}" for kind in ("RGB", "RGBA") for end in "LBN"} | {"LA;16B"}
    return mode if mode in known else ""


def _deep_levels(data: bytes, mode: str) -> NDArray[np.uint16]:
    """Pixels of 16 bits in colour, of which Pillow keeps the high byte: [H, W, 2, 3 or 4].

    Read in the other byte order, it keeps the low one: so both are there.
    """
    if mode == "LA;16B":  # four bytes a pixel, taken as four values
        four = _read_as(data, mode, "RGBA").astype(np.uint16)
        return cast(NDArray[np.uint16], four[..., 0::2] << 8 | four[..., 1::2])
    high, low = _read_as(data, mode, mode), _read_as(data, mode, mode[:-1] + _OTHER_END[mode[-1]])
    return cast(NDArray[np.uint16], high.astype(np.uint16) << 8 | low)


def _read_as(data: bytes, mode: str, instead: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        assert isinstance(image, ImageFile.ImageFile), "what was opened comes from a file"
        tiles = []
        for tile in image.tile:
            assert _word_of(tile.args) == mode, f"tiles of one file are {mode} and {tile.args}"
            args = (instead, *tile.args[1:]) if isinstance(tile.args, tuple) else instead
            tiles.append(tile._replace(args=args))
        image.tile = tiles
        return np.asarray(image if _orientation(image) == 1 else ImageOps.exif_transpose(image))


def _word_of(args: tuple[Any, ...] | str | None) -> str:
    """Pillow's word for the values in a part of a file, of what its decoder is told."""
    return str(args[0] if isinstance(args, tuple) and args else args)


def check_mask(mask: NDArray[np.bool_], height: int, width: int, mask_name: str, name: str) -> None:
    """Refuse a mask of another size, or without a hole. Raises PictureError."""
    if mask.shape != (height, width):
        raise PictureError(
            name,
            f"is {width}x{height} pixels, its mask {mask_name} {mask.shape[1]}x{mask.shape[0]}: make them one size",
        )
    if not mask.any():
        raise PictureError(name, f"its mask {mask_name} is empty: paint the hole white")
