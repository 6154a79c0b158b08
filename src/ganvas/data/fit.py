"""One decoded picture -> the height, width, channels and bits that a store wants; what was done is counted.

Order: transparent pixels are laid on the matte; colour turns grey if grey is wanted; the middle of the wanted
aspect is cut out and scaled to size in one step (Lanczos when shrinking, bicubic when enlarging); grey is
repeated if colour is wanted; bits are scaled. A picture that already is as wanted comes back bit for bit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganvas.data.decode import Pixels

RESIZE = "Lanczos when shrinking, bicubic when enlarging, cut at the centre"
ASPECT_TOLERANCE = 0.02  # a smaller difference of height to width is not worth a note
REDUCING_GAP = 3.0  # large pictures are first halved to this multiple of the size; no difference is seen from there on
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601, as Pillow's mode L


@dataclass(frozen=True)
class Target:
    """What every picture of a store is: pixels, channels (1, 3), bits (8, 16), and the RGB under alpha."""

    height: int
    width: int
    channels: int
    bits: int
    matte: tuple[int, int, int]


def fit(picture: Pixels, target: Target, done: Counter[str]) -> Pixels:
    """[H, W, C] integers, C of 1 to 4 -> [target.channels, target.height, target.width] uint8 or uint16.

    Counts what happened in `done`: flattened, greyed, cropped, shrunk, enlarged, 16 to 8, 8 to 16.
    """
    pixels = picture
    if pixels.shape[2] in (2, 4):
        pixels = _flatten(pixels, target.matte)
        done["flattened"] += 1
    if pixels.shape[2] == 3 and target.channels == 1:
        pixels = _grey(pixels)
        done["greyed"] += 1
    pixels = _resize(pixels, target.height, target.width, done)
    if pixels.shape[2] == 1 and target.channels == 3:
        pixels = pixels.repeat(3, axis=2)
    if pixels.dtype == np.uint16 and target.bits == 8:
        pixels = np.rint(pixels * np.float32(255 / 65535)).astype(np.uint8)
        done["16 to 8"] += 1
    elif pixels.dtype == np.uint8 and target.bits == 16:
        pixels = pixels.astype(np.uint16) * np.uint16(257)
        done["8 to 16"] += 1
    return pixels.transpose(2, 0, 1)


def aspect_differs(height: int, width: int, target_height: int, target_width: int) -> bool:
    """Whether cutting a picture to the wanted aspect loses more than is worth passing over."""
    return abs(width * target_height / (height * target_width) - 1) > ASPECT_TOLERANCE


def _flatten(pixels: Pixels, matte: tuple[int, int, int]) -> Pixels:
    """[H, W, 2] or [H, W, 4] on the matte -> [H, W, 1] or [H, W, 3], always colour on a coloured matte."""
    largest = int(np.iinfo(pixels.dtype).max)
    colour = pixels[..., :-1]
    if colour.shape[2] == 1 and len(set(matte)) > 1:
        colour = colour.repeat(3, axis=2)
    if pixels.dtype == np.uint8:  # the formula below, but faster
        image = Image.fromarray(np.ascontiguousarray(colour if colour.shape[2] == 3 else colour[..., 0]))
        ground = Image.new(image.mode, image.size, matte if image.mode == "RGB" else matte[0])
        ground.paste(image, mask=Image.fromarray(np.ascontiguousarray(pixels[..., -1])))
        return np.asarray(ground).reshape(colour.shape)
    under = np.array(matte[: colour.shape[2]], np.float32) * np.float32(largest / 255)
    alpha = pixels[..., -1:].astype(np.float32) / np.float32(largest)
    return cast(Pixels, np.rint(under + (colour - under) * alpha).astype(pixels.dtype))


def _grey(pixels: Pixels) -> Pixels:
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[..., None]
    return cast(Pixels, np.rint(pixels.astype(np.float32) @ _LUMA).astype(pixels.dtype)[..., None])


def _resize(pixels: Pixels, height: int, width: int, done: Counter[str]) -> Pixels:
    """The largest middle part of [H, W, C] with the wanted aspect, scaled -> [height, width, C]."""
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels
    if aspect_differs(rows, columns, height, width):
        done["cropped"] += 1
    scale = max(height / rows, width / columns)
    if scale == 1:
        top, left = (rows - height) // 2, (columns - width) // 2
        return pixels[top : top + height, left : left + width]
    done["shrunk" if scale < 1 else "enlarged"] += 1
    kept_rows, kept_columns = min(rows, height / scale), min(columns, width / scale)
    top, left = (rows - kept_rows) / 2, (columns - kept_columns) / 2
    box = (left, top, left + kept_columns, top + kept_rows)
    method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    gap = REDUCING_GAP if scale < 1 else None

    def scaled(plane: Pixels | NDArray[np.float32]) -> NDArray[Any]:
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(image.resize((width, height), method, box=box, reducing_gap=gap))

    if pixels.dtype == np.uint8:
        return cast(Pixels, scaled(pixels if pixels.shape[2] == 3 else pixels[..., 0]).reshape(height, width, -1))
    deep = pixels.astype(np.float32)
    planes: list[NDArray[Any]] = [scaled(deep[..., c]) for c in range(deep.shape[2])]
    largest = np.iinfo(pixels.dtype).max  # Lanczos and bicubic overshoot at edges
    levels: NDArray[np.uint16] = np.rint(np.stack(planes, axis=2).clip(0, largest)).astype(np.uint16)
    return levels
