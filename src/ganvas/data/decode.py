"""One picture file -> one upright array, whatever its format and mode; or the reason why not.

| in the file                            | array                                                       |
|----------------------------------------|-------------------------------------------------------------|
| black and white ("1"), grey            | [H, W, 1] uint8; black and white as 0 and 255               |
| grey of 16 bits                        | [H, W, 1] uint16                                            |
| grey with alpha or a transparent level | [H, W, 2] uint8                                             |
| RGB, CMYK, YCbCr, Lab, HSV             | [H, W, 3] uint8 (Pillow keeps 8 of 16 bits in colour)       |
| RGBA, RGB with a transparent colour    | [H, W, 4] uint8                                             |
| palette                                | its colours: [H, W, 3], or [H, W, 4] with transparency      |
| several frames                         | the first one                                               |
| floating point                         | refused: nothing says which value is white                  |

The EXIF orientation is applied. HEIC is read where pillow-heif is installed. A size beyond `LARGEST_PIXELS` is
refused from the header, before any pixel is read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from ganvas.errors import GanvasError

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_AVIF = bool(features.check("avif"))
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", *(("AVIF",) if _AVIF else ()))
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".heic", ".heif"}
    | ({".avif"} if _AVIF else set())
)
LARGEST_PIXELS = 100_000_000

# Everything Pillow was seen to raise on damaged files of these formats.
_DAMAGE = (
    OSError,  # also UnidentifiedImageError and "image file is truncated"
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    MemoryError,
    ArithmeticError,
    LookupError,
    TypeError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_ORIENTATION_TAG = 0x0112
_TURNS = {  # EXIF orientation -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PictureError(GanvasError):
    """One picture that cannot be used. `name` is the picture, `reason` says why in a few words."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Header:
    """What a picture declares: sides in pixels (upright), channels (1 to 4) and bits a channel (8 or 16)."""

    width: int
    height: int
    channels: int
    bits: int
    animated: bool = False  # has more frames than the first, which alone is used


def read_header(file: IO[bytes], name: str) -> Header:
    """What the opened `file` declares, without decoding its pixels. Raises PictureError."""
    with _open(file, name) as image:
        channels, bits = _channels_and_bits(image, name)
        width, height = image.size
        if _orientation(image) >= 5:  # stored lying on its side
            width, height = height, width
        return Header(width, height, channels, bits, _is_animated(image))


@dataclass(frozen=True)
class Upright:
    """A decoded picture that Pillow still holds: 8 bits, mode L, LA, RGB or RGBA.

    height and width are those it has, not rounded: a JPEG decoded at a quarter of 481 pixels is 120.25 wide, in 121
    columns. channels: those of the file, where brightness alone was decoded.
    """

    image: Image.Image
    height: float
    width: float
    channels: int


def decode(file: IO[bytes], name: str) -> Pixels:
    """The pixels of the opened `file`, upright: [H, W, C] uint8 or uint16, C of 1 to 4; or PictureError."""
    return _pixels(decode_upright(file, name))


def decode_upright(
    file: IO[bytes], name: str, at_least: tuple[int, int] | None = None, grey: bool = False
) -> Upright | NDArray[np.uint16]:
    """As `decode`, but left with Pillow if it has 8 bits; [H, W, 1] if it has 16. Raises PictureError.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which is faster, if both sides stay `at_least` (height, width);
    and to its brightness alone if only `grey` is wanted.
    """
    with _open(file, name) as image:
        channels, bits = _channels_and_bits(image, name)
        try:
            orientation = _orientation(image)
            width, height = map(float, image.size)
            if at_least is not None and image.format == "JPEG":
                wanted = at_least if orientation >= 5 else at_least[::-1]
                drafted = image.draft("L" if grey and channels == 3 else None, wanted)
                if drafted is not None:
                    width, height = drafted[1][2:]
            image.load()
            turn = _TURNS.get(orientation)
            if bits == 16:
                levels = _deep_grey(image, name)[..., None]
                return levels if turn is None else cast(NDArray[np.uint16], _turned(levels, turn))
            mode = "L" if image.mode == "L" and channels != 2 else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
            upright = image if image.mode == mode else image.convert(mode)
            if turn is not None:
                upright = upright.transpose(turn)
        except PictureError:
            raise
        except _DAMAGE as error:
            raise PictureError(name, _reason(error)) from error
    if orientation >= 5:
        width, height = height, width
    return Upright(upright, height, width, channels)


def _pixels(decoded: Upright | NDArray[np.uint16]) -> Pixels:
    """[H, W, C], as arrays have it."""
    if not isinstance(decoded, Upright):
        return decoded
    pixels = np.asarray(decoded.image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _open(file: IO[bytes], name: str) -> Image.Image:
    if not file.read(1):
        raise PictureError(name, "empty file")
    file.seek(0)
    try:
        image = _identified(file, name)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(name, _too_large(*_declared_size(file))) from error
    except _DAMAGE as error:
        raise PictureError(name, _reason(error)) from error
    width, height = image.size
    if width < 1 or height < 1:
        raise PictureError(name, f"declares {width}x{height} pixels")
    if width * height > LARGEST_PIXELS:
        raise PictureError(name, _too_large(width, height))
    return image


def _identified(file: IO[bytes], name: str) -> Image.Image:
    """The picture by its content, whatever its name says: HEIC is often renamed to .jpg, and JPEG to .heic."""
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        start = file.read(12)
        if start[4:8] != b"ftyp" or start[8:12] not in _HEIC_BRANDS:
            raise
    try:  # looked for only when such a picture is met
        import pillow_heif  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise PictureError(name, 'HEIC, which needs pillow-heif: pip install "ganvas[heic]"') from error
    pillow_heif.register_heif_opener()
    return Image.open(file, formats=("HEIF",))


def _declared_size(file: IO[bytes]) -> tuple[int, int]:
    """Width and height of a picture too large for Image.open: its plugin is asked without that check."""
    for name in FORMATS:
        plugin = Image.OPEN[name][0]
        file.seek(0)
        try:
            return plugin(file, "").size
        except _DAMAGE:
            continue
    return (0, 0)


def _too_large(width: int, height: int) -> str:
    return f"declares {width}x{height} pixels, more than the {LARGEST_PIXELS // 1_000_000}-megapixel limit"


def _reason(error: BaseException) -> str:
    """A few words for a reader who does not know Pillow."""
    text = str(error).strip()
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "truncated"
    return f"damaged ({text or type(error).__name__})"


def _channels_and_bits(image: Image.Image, name: str) -> tuple[int, int]:
    mode = image.mode
    if mode == "F":
        raise PictureError(name, "floating-point pixels: nothing says which value is white; save as 8 or 16 bits")
    if mode == "I" or mode.startswith("I;16"):
        return 1, 16
    transparent = image.has_transparency_data
    if mode in ("1", "L", "LA", "La"):
        return (2 if transparent else 1), 8
    return (4 if transparent else 3), 8


def _is_animated(image: Image.Image) -> bool:
    if image.format in ("JPEG", "MPO"):  # the other pictures of an MPO are a second view or a preview
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except _DAMAGE:
        return False


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8. Damaged EXIF data are no reason to lose a picture that can be seen."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # getexif would decode the whole file to look for a late chunk
    if image.format == "TIFF":
        return 1  # Pillow has turned its sides already, and turns its pixels as it loads them
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except _DAMAGE:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _deep_grey(image: Image.Image, name: str) -> NDArray[np.uint16]:
    levels = np.asarray(image)
    if levels.size and (levels.min() < 0 or levels.max() > 65535):
        raise PictureError(name, "32-bit grey with values outside 0 to 65535: save as 8 or 16 bits")
    return levels.astype(np.uint16)


def _turned(pixels: Pixels, turn: Image.Transpose) -> Pixels:
    rotations = {Image.Transpose.ROTATE_90: 1, Image.Transpose.ROTATE_180: 2, Image.Transpose.ROTATE_270: 3}
    if turn in rotations:
        return np.rot90(pixels, rotations[turn])  # counterclockwise, as Pillow's
    if turn == Image.Transpose.FLIP_LEFT_RIGHT:
        return pixels[:, ::-1]
    if turn == Image.Transpose.FLIP_TOP_BOTTOM:
        return pixels[::-1]
    if turn == Image.Transpose.TRANSPOSE:
        return pixels.swapaxes(0, 1)
    return np.rot90(pixels, 2).swapaxes(0, 1)  # transverse: mirrored about the other diagonal
