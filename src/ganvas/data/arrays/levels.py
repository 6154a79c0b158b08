"""What the numbers of an array mean as pixels: which value is black, which is white, and of how many bits.

| in the array                                  | pixels                                                  |
|-----------------------------------------------|---------------------------------------------------------|
| bool, or whole numbers of which all are 0 or 1 | 0 and 255                                              |
| uint8, uint16                                 | as they are                                             |
| other whole numbers in 0 to 255               | uint8                                                   |
| other whole numbers in 0 to 65535             | uint16                                                  |
| floating point in [0, 1] or in [-1, 1]        | uint8 if they are whole 255ths of it, else uint16       |
| anything else                                 | refused: nothing says which value is white              |
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data.decode import PictureError, Pixels
from ganvas.errors import GanvasError

SAMPLED = 64  # pictures that are looked at to tell the range of an array
# Everything that reading an array was seen to raise on damaged files.
DAMAGE = (
    *(OSError, EOFError, zlib.error, struct.error, zipfile.BadZipFile, NotImplementedError, RuntimeError),
    *(ValueError, LookupError, TypeError, SyntaxError, ArithmeticError, MemoryError),
)
ROUNDING = 1e-6  # how far beyond its range a floating-point value may lie: a few units in the last place of float32
_HOW_TO_CONVERT = "save 8-bit pictures instead, for values in [0, 1] with (images * 255).round().astype(numpy.uint8)"


class Rows(Protocol):
    """Pictures of one size and type, one a row: an array, or what reads one row by row."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every row."""

    def __getitem__(self, row: int, /) -> NDArray[Any]:
        """One row, of shape[1:]."""


@dataclass(frozen=True)
class Levels:
    """How values become pixels: `low` becomes 0 and `high` the largest of `bits`; `note` tells the user."""

    bits: int
    low: float
    high: float
    note: str = ""

    def pixels(self, values: NDArray[Any], name: str) -> Pixels:
        """`values` as uint8 or uint16. PictureError if one is not finite, or not from `low` to `high`."""
        target = np.dtype(np.uint8 if self.bits == 8 else np.uint16)
        black_and_white = values.dtype.kind in "biu" and self.high == 1
        if values.dtype == target and not black_and_white:
            return cast(Pixels, values)
        if values.dtype.kind == "b":
            return cast(Pixels, values.astype(np.uint8) * np.uint8(255))
        margin = ROUNDING if values.dtype.kind == "f" else 0
        least, most = values.min(), values.max()
        if not (np.isfinite(least) and np.isfinite(most)):
            raise PictureError(name, "holds values that are not finite")
        if least < self.low - margin or most > self.high + margin:
            raise PictureError(name, f"holds values from {least:g} to {most:g}, outside {self.low:g} to {self.high:g}")
        if black_and_white:
            return cast(Pixels, values.astype(np.uint8) * np.uint8(255))
        if values.dtype.kind in "iu":
            return cast(Pixels, values.astype(target))
        white = 2**self.bits - 1
        scaled = (values.astype(np.float64) - self.low) * (white / (self.high - self.low))
        return cast(Pixels, np.rint(scaled).clip(0, white).astype(target))


_BLACK_AND_WHITE = Levels(8, 0, 1, "0 and 1, the only values, made 0 and 255")


def read_levels(what: str, rows: Rows, sampled: Sequence[int]) -> Levels:
    """The levels of `rows`, told from their type and from the rows `sampled`, of which no more is read than needed.

    `what` names the array in messages. Raises GanvasError if the values are no pixels, or nothing says how they are.
    """
    kind, dtype = rows.dtype.kind, rows.dtype
    if kind == "u" and dtype.itemsize <= 2:
        if _is_black_and_white(rows, sampled):
            return _BLACK_AND_WHITE
        return Levels(8 * dtype.itemsize, 0, 2 ** (8 * dtype.itemsize) - 1)
    if kind == "b":
        return Levels(8, 0, 1, "true and false made 255 and 0")
    if kind not in "iuf":
        raise GanvasError(f"{what} are {dtype}: expected uint8 or uint16; {_HOW_TO_CONVERT}")
    values = _Sampled()
    for row in sampled:
        values.add(rows[row])
    if not values.distinct:
        raise GanvasError(f"{what} are {dtype} and hold no finite values: expected uint8 or uint16; {_HOW_TO_CONVERT}")
    span = f"{what} are {dtype} from {values.least:g} to {values.most:g}"
    if kind != "f":
        if values.distinct == {0, 1}:
            return _BLACK_AND_WHITE
        if values.least < 0 or values.most > 65535:
            raise GanvasError(
                f"{span}: expected whole numbers from 0 to 255 or from 0 to 65535; save them as uint8 or uint16"
            )
        bits = 8 if values.most <= 255 else 16
        return Levels(bits, 0, 2**bits - 1, f"{dtype} from {values.least:g} to {values.most:g} made {bits}-bit")
    if values.least < -1 - ROUNDING or values.most > 1 + ROUNDING:
        raise GanvasError(f"{span}: expected uint8 or uint16, or values in [0, 1] or [-1, 1]; {_HOW_TO_CONVERT}")
    if len(values.distinct) <= 2:
        raise GanvasError(
            f"{span} with no value between, so that nothing says which value is white: save them as uint8, "
            "or as bool for black and white"
        )
    low = 0.0 if values.least >= -ROUNDING else -1.0
    bits = 8 if (values.whole_from_0 if low == 0 else values.whole_from_minus_1) else 16
    black = "" if low == 0 else "-1 is black, "
    return Levels(bits, low, 1.0, f"floating point in [{low:g}, 1] made {bits}-bit: {black}1 is white")


def evenly_spread(count: int, most: int = SAMPLED) -> list[int]:
    """Up to `most` places in `count` rows, the first and, unless there is but one, the last among them."""
    return sorted({int(place) for place in np.linspace(0, max(0, count - 1), min(count, most))})


def _is_black_and_white(rows: Rows, sampled: Sequence[int]) -> bool:
    """Whether both 0 and 1 are met, and nothing else, as far as the rows can be read: the first often says no."""
    black = white = False
    for row in sampled:
        try:
            values = rows[row]
        except DAMAGE:  # told when that picture is read; most damage is met again in every row after it
            break
        if values.max() > 1:
            return False
        black, white = black or values.min() == 0, white or values.max() == 1
    return bool(black and white)


class _Sampled:
    """What is known of the values of some pictures, gathered one by one; those with values not finite do not count."""

    def __init__(self) -> None:
        self.least, self.most = float("inf"), float("-inf")
        self.distinct: set[float] = set()  # only as many as are needed to know that there are more than two
        self.whole_from_0 = self.whole_from_minus_1 = True

    def add(self, values: NDArray[Any]) -> None:
        least, most = float(values.min()), float(values.max())
        if not (np.isfinite(least) and np.isfinite(most)):
            return
        self.least, self.most = min(self.least, least), max(self.most, most)
        if len(self.distinct) <= 2:
            self.distinct.update(np.unique(values)[:3].tolist())
        if values.dtype.kind == "f":
            self.whole_from_0 = self.whole_from_0 and _whole(values.astype(np.float64) * 255)
            self.whole_from_minus_1 = self.whole_from_minus_1 and _whole((values.astype(np.float64) + 1) * 127.5)


def _whole(values: NDArray[np.float64]) -> bool:
    return bool((np.abs(values - np.rint(values)) <= 1e-3).all())
