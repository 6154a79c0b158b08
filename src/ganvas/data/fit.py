"""One decoded picture -> the height, width, channels and bits that a store wants; what was done is counted.

Order: transparent pixels are laid on the matte, unless alpha is wanted; the picture is brought to size in one step
(Lanczos when shrinking, bicubic when enlarging); colour turns grey if grey is wanted, grey is repeated if colour is
wanted; bits are scaled. A picture that already is as wanted comes back bit for bit.

| mode   | what happens to another aspect                                                          |
|--------|-----------------------------------------------------------------------------------------|
| crop   | the largest middle part of the wanted aspect is kept                                     |
| pad    | all is kept, with bars in the matte's colour (transparent ones, if alpha is wanted)      |
| squash | all is kept, stretched                                                                   |
| patch  | not scaled: as many patches as lie side by side; a smaller picture is enlarged to hold one |
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganvas.data.decode import PictureError, Pixels, Upright, decode, decode_upright

FitMode = Literal["crop", "pad", "squash", "patch"]

RESIZE = "Lanczos when shrinking, bicubic when enlarging"
ASPECT_TOLERANCE = 0.02  # a smaller difference of height to width is not worth a note
MIN_SIDE = 4
REDUCING_GAP = 3.0  # large pictures are first halved to this multiple of the size; no difference is seen from there on
REDUCED_AT_LEAST = 1.5  # JPEGs are decoded at no less than this multiple of the size: above 42 dB to a full decode
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601, as Pillow's mode L


@dataclass(frozen=True)
class Target:
    """What every picture of a store is: pixels, channels (1, 3, 4), bits (8, 16), and the RGB under alpha.

    sides: of pairs the channels of A and of B, which lie behind each other; `channels` is their sum then.
    """

    height: int
    width: int
    channels: int
    bits: int
    matte: tuple[int, int, int]
    mode: FitMode = "crop"
    sides: tuple[int, ...] = ()

    @property
    def at_least(self) -> tuple[int, int] | None:
        """(height, width) that a picture may be reduced to while it is decoded; None: not at all."""
        if self.mode == "patch":
            return None
        return math.ceil(REDUCED_AT_LEAST * self.height), math.ceil(REDUCED_AT_LEAST * self.width)


@dataclass
class Fitted:
    """What one picture gave, [C, H, W] each (several in patch mode), and what was done to it."""

    pictures: list[Pixels]
    done: Counter[str] = field(default_factory=Counter)


def fit_encoded(data: tuple[bytes, ...], name: str, target: Target) -> Fitted:
    """The bytes of a picture file (or of both files of a pair) -> what goes into the store. Raises PictureError."""
    at_least, grey = target.at_least, target.channels == 1
    if target.sides and len(data) == 1:  # A|B
        return fit_all(halves(decode(io.BytesIO(data[0]), name), name), name, target)
    return fit_all(tuple(decode_upright(io.BytesIO(one), name, at_least, grey) for one in data), name, target)


def fit_all(sides: Sequence[Pixels | Upright], name: str, target: Target) -> Fitted:
    """One decoded picture, or A and B of a pair, each [H, W, C] -> what goes into the store. Raises PictureError."""
    done: Counter[str] = Counter()
    sizes = [_size(side) for side in sides]
    for height, width in sizes:
        small = too_small(math.ceil(height), math.ceil(width))
        if small:
            raise PictureError(name, small)
    if not target.sides:
        return Fitted(fit(sides[0], target, done), done)
    if target.mode == "patch" and len(set(sizes)) > 1:
        raise PictureError(name, "A and B have different sizes, so that their patches would not show the same")
    each = [
        fit(side, replace(target, channels=channels, sides=()), done)
        for side, channels in zip(sides, target.sides, strict=True)
    ]
    return Fitted([np.concatenate(pair) for pair in zip(*each, strict=True)], done)


def halves(pixels: Pixels, name: str) -> tuple[Pixels, Pixels]:
    """A and B of a picture that shows them beside each other: [H, 2W, C] -> two [H, W, C]. Raises PictureError."""
    width = pixels.shape[1]
    if width % 2:
        raise PictureError(name, f"{width} pixels wide, which does not halve into A and B of one width")
    return pixels[:, : width // 2], pixels[:, width // 2 :]


def too_small(height: int, width: int) -> str | None:
    """Why a picture of this size is passed over, or None."""
    if min(height, width) >= MIN_SIDE:
        return None
    return f"{width}x{height} pixels: smaller than the least side of {MIN_SIDE}"


def fit(picture: Pixels | Upright, target: Target, done: Counter[str]) -> list[Pixels]:
    """[H, W, C] integers, C of 1 to 4 -> [target.channels, target.height, target.width] uint8 or uint16, one or more.

    Counts what happened in `done`: flattened, greyed, cropped, padded, squashed, shrunk, enlarged, patches, 16 to 8,
    8 to 16.
    """
    channels = picture.channels if isinstance(picture, Upright) else picture.shape[2]
    if channels == 3 and target.channels == 1:
        done["greyed"] += 1
    if not isinstance(picture, Upright) and picture.dtype == np.uint8:
        as_is = channels in (1, 3) and target.channels != 4 and picture.shape[:2] == (target.height, target.width)
        if as_is and target.mode != "patch":
            return [_finish(picture, target, done)]
        picture = _held_by_pillow(cast(NDArray[np.uint8], picture))
    if target.channels == 4:
        picture = _with_alpha(picture)
    elif channels in (2, 4):
        picture = _flatten(picture, target.matte)
        done["flattened"] += 1
        if channels == 4 and target.channels == 1:
            done["greyed"] += 1
    if target.mode == "patch":
        parts = _patches(picture, target.height, target.width, done)
    else:
        parts = [_SIZED[target.mode](picture, target, done)]
    return [_finish(part, target, done) for part in parts]


def patch_count(height: int, width: int, target: Target) -> int:
    """How many patches a picture gives."""
    return max(1, height // target.height) * max(1, width // target.width)


def aspect_differs(height: float, width: float, target_height: int, target_width: int) -> bool:
    """Whether cutting a picture to the wanted aspect loses more than is worth passing over."""
    return abs(width * target_height / (height * target_width) - 1) > ASPECT_TOLERANCE


def _crop(picture: Pixels | Upright, target: Target, done: Counter[str]) -> Pixels:
    """The largest middle part with the wanted aspect, scaled -> [height, width, C]."""
    height, width = target.height, target.width
    rows, columns = _size(picture)
    if aspect_differs(rows, columns, height, width):
        done["cropped"] += 1
    scale = max(height / rows, width / columns)
    if scale == 1:
        return _cut(picture, int(rows - height) // 2, int(columns - width) // 2, height, width)
    done["shrunk" if scale < 1 else "enlarged"] += 1
    kept_rows, kept_columns = min(rows, height / scale), min(columns, width / scale)
    top, left = (rows - kept_rows) / 2, (columns - kept_columns) / 2
    return _scale(picture, height, width, (left, top, left + kept_columns, top + kept_rows))


def _pad(picture: Pixels | Upright, target: Target, done: Counter[str]) -> Pixels:
    """All of the picture, scaled to lie in the middle of [height, width, C]."""
    rows, columns = _size(picture)
    scale = min(target.height / rows, target.width / columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    if (height, width) == (rows, columns):
        pixels = _cut(picture, 0, 0, height, width)
    else:
        done["shrunk" if scale < 1 else "enlarged"] += 1
        pixels = _scale(picture, height, width)
    if (height, width) == (target.height, target.width):
        return pixels
    done["padded"] += 1
    if pixels.shape[2] == 1 and target.channels == 3 and len(set(target.matte)) > 1:
        pixels = pixels.repeat(3, axis=2)
    ground = np.zeros((target.height, target.width, pixels.shape[2]), pixels.dtype)
    colour = target.matte if pixels.shape[2] >= 3 else (_brightness(target.matte),)
    ground[..., : len(colour)] = np.array(colour, pixels.dtype) * (np.iinfo(pixels.dtype).max // 255)
    top, left = (target.height - height) // 2, (target.width - width) // 2
    ground[top : top + height, left : left + width] = pixels
    return ground


def _squash(picture: Pixels | Upright, target: Target, done: Counter[str]) -> Pixels:
    """All of the picture, stretched to [height, width, C]."""
    rows, columns = _size(picture)
    if (rows, columns) == (target.height, target.width):
        return _cut(picture, 0, 0, target.height, target.width)
    if aspect_differs(rows, columns, target.height, target.width):
        done["squashed"] += 1
    done["shrunk" if rows * columns > target.height * target.width else "enlarged"] += 1
    return _scale(picture, target.height, target.width)


_SIZED = {"crop": _crop, "pad": _pad, "squash": _squash}


def _patches(picture: Pixels | Upright, height: int, width: int, done: Counter[str]) -> list[Pixels]:
    """[height, width, C] patches, row by row, from a middle part that they fill."""
    rows, columns = map(int, _size(picture))
    scale = max(height / rows, width / columns)
    if scale > 1:
        done["enlarged"] += 1
        rows, columns = max(height, round(rows * scale)), max(width, round(columns * scale))
        pixels = _scale(picture, rows, columns)
    else:
        pixels = _cut(picture, 0, 0, rows, columns)
    down, across = rows // height, columns // width
    top, left = (rows - down * height) // 2, (columns - across * width) // 2
    done["patches"] += down * across
    return [
        pixels[top + y * height : top + (y + 1) * height, left + x * width : left + (x + 1) * width]
        for y in range(down)
        for x in range(across)
    ]


def _finish(pixels: Pixels, target: Target, done: Counter[str]) -> Pixels:
    """[H, W, C] of the right size -> [C, H, W] of the right channels and bits."""
    if pixels.shape[2] == 3 and target.channels == 1:
        pixels = _grey(pixels)
    elif pixels.shape[2] == 1 and target.channels == 3:
        pixels = pixels.repeat(3, axis=2)
    if target.channels == 4:
        pixels = _matte_where_clear(pixels, target.matte)
    if pixels.dtype == np.uint16 and target.bits == 8:
        pixels = np.rint(pixels * np.float32(255 / 65535)).astype(np.uint8)
        done["16 to 8"] += 1
    elif pixels.dtype == np.uint8 and target.bits == 16:
        pixels = pixels.astype(np.uint16) * np.uint16(257)
        done["8 to 16"] += 1
    return pixels.transpose(2, 0, 1)


def _held_by_pillow(pixels: NDArray[np.uint8]) -> Upright:
    """[H, W, C] uint8 for Pillow."""
    channels = pixels.shape[2]
    image = Image.fromarray(np.ascontiguousarray(pixels if channels > 1 else pixels[..., 0]))
    return Upright(image, float(pixels.shape[0]), float(pixels.shape[1]), channels)


def _size(picture: Pixels | Upright) -> tuple[float, float]:
    """Height and width."""
    if isinstance(picture, Upright):
        return picture.height, picture.width
    return float(picture.shape[0]), float(picture.shape[1])


def _cut(picture: Pixels | Upright, top: int, left: int, height: int, width: int) -> Pixels:
    """A part, as it is: [height, width, C]."""
    if isinstance(picture, Upright):
        return np.asarray(picture.image.crop((left, top, left + width, top + height))).reshape(height, width, -1)
    return picture[top : top + height, left : left + width]


def _with_alpha(picture: Pixels | Upright) -> Pixels | Upright:
    """The picture with four channels, opaque where nothing says otherwise."""
    if isinstance(picture, Upright):
        image = picture.image
        return picture if image.mode == "RGBA" else replace(picture, image=image.convert("RGBA"))
    channels = picture.shape[2]
    if channels == 4:
        return picture
    opaque = np.full((*picture.shape[:2], 1), np.iinfo(picture.dtype).max, picture.dtype)
    colour, alpha = (picture[..., :1], picture[..., 1:]) if channels == 2 else (picture, opaque)
    return cast(Pixels, np.concatenate([np.broadcast_to(colour, (*colour.shape[:2], 3)), alpha], axis=2))


def _matte_where_clear(pixels: Pixels, matte: tuple[int, int, int]) -> Pixels:
    """What cannot be seen is made the same everywhere, or a network would learn leftovers under the transparency."""
    clear = pixels[..., 3] == 0
    if not clear.any():
        return pixels
    pixels = pixels.copy()
    pixels[clear, :3] = np.array(matte, pixels.dtype) * (np.iinfo(pixels.dtype).max // 255)
    return pixels


def _flatten(picture: Pixels | Upright, matte: tuple[int, int, int]) -> Pixels | Upright:
    """The picture laid on the matte, without alpha: always colour on a coloured matte."""
    coloured = len(set(matte)) > 1
    if isinstance(picture, Upright):
        image = picture.image
        alpha = image.getchannel("A")
        image = image.convert("RGB" if coloured or image.mode == "RGBA" else "L")
        ground = Image.new(image.mode, image.size, matte if image.mode == "RGB" else matte[0])
        ground.paste(image, mask=alpha)
        return replace(picture, image=ground)
    largest = int(np.iinfo(picture.dtype).max)
    colour = picture[..., :-1]
    if colour.shape[2] == 1 and coloured:
        colour = colour.repeat(3, axis=2)
    under = np.array(matte[: colour.shape[2]], np.float32) * np.float32(largest / 255)
    share = picture[..., -1:].astype(np.float32) / np.float32(largest)
    return cast(Pixels, np.rint(under + (colour - under) * share).astype(picture.dtype))


def _grey(pixels: Pixels) -> Pixels:
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[..., None]
    return cast(Pixels, np.rint(pixels.astype(np.float32) @ _LUMA).astype(pixels.dtype)[..., None])


def _brightness(colour: tuple[int, int, int]) -> int:
    return round(float(np.array(colour, np.float32) @ _LUMA))


def _scale(
    picture: Pixels | Upright, height: int, width: int, box: tuple[float, float, float, float] | None = None
) -> Pixels:
    """The part `box` (left, top, right, bottom) of the picture, or all of it -> [height, width, C]."""
    rows, columns = _size(picture)
    box = box or (0, 0, columns, rows)
    shrinks = (box[2] - box[0]) * (box[3] - box[1]) > height * width
    method = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
    gap = REDUCING_GAP if shrinks else None
    if isinstance(picture, Upright):  # Pillow weighs the colours of RGBA by alpha itself
        scaled = picture.image.resize((width, height), method, box=box, reducing_gap=gap)
        return np.asarray(scaled).reshape(height, width, -1)
    deep = picture.astype(np.float32)
    if deep.shape[2] == 4:
        deep[..., :3] *= deep[..., 3:] / 65535
    planes = [Image.fromarray(np.ascontiguousarray(deep[..., c])) for c in range(deep.shape[2])]
    levels = np.stack(
        [np.asarray(p.resize((width, height), method, box=box, reducing_gap=gap)) for p in planes], axis=2
    )
    if levels.shape[2] == 4:
        levels[..., :3] *= 65535 / np.maximum(levels[..., 3:], 1)
    whole: NDArray[np.uint16] = np.rint(levels.clip(0, 65535)).astype(np.uint16)  # both methods overshoot at edges
    return whole
