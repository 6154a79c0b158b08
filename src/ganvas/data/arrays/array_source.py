"""Pictures that are rows of arrays: parts (training, held out), their labels and their pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.arrays.blocks import Blocks
from ganvas.data.arrays.levels import DAMAGE, Levels, Rows, evenly_spread, read_levels
from ganvas.data.contract import Column, SourceDefaults
from ganvas.data.decode import LARGEST_PIXELS, Header, PictureError, Pixels
from ganvas.errors import GanvasError

MOST_PICTURES = 100_000_000  # a header of a few bytes can declare any number


class Part(Protocol):
    """Some of a source's pictures: "train" or "test", how many, and label values, [count] or [count, 1], or None."""

    @property
    def name(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def label_values(self) -> NDArray[np.generic] | None: ...
    @property
    def held_out(self) -> bool: ...


class PartsSource(SourceDefaults):
    """Names, labels and splits of pictures that come in parts, training part first; not the pictures themselves."""

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        class_names: Sequence[str] | None,
        fingerprint: str,
        origin: str,
        notes: Sequence[str] = (),
    ) -> None:
        """`class_names` name the numbers among the labels; `origin` says in the notes where labels come from."""
        values = [part.label_values for part in parts]
        told = list(notes)
        if values[0] is not None and any(value is None for value in values):
            parts, values = parts[:1], values[:1]
            told.append("the test pictures are left out: they have no labels, the training pictures have")
        for part, value in zip(parts, values, strict=True):
            if value is not None and len(value) != part.count:
                raise GanvasError(
                    f"{name} has {part.count} {part.name} pictures but {len(value)} labels "
                    "for them: there must be one label per picture"
                )
        found = labelling.unlabelled(f"{origin} hold no labels")
        if values[0] is not None:
            joined = np.concatenate(cast(list[NDArray[np.generic]], values))
            found = labelling.labels_from_values(joined, class_names, origin)
        self.name, self.fingerprint = name, fingerprint
        self.labels: NDArray[np.int64] | None = found.labels
        self.class_names: tuple[str, ...] = found.class_names
        self.labels_note = found.note
        self.notes = tuple(told)
        self.names: Sequence[str] = [f"{part.name}[{i}]" for part in parts for i in range(part.count)]
        self.held_out: NDArray[np.bool_] = np.repeat([part.held_out for part in parts], [part.count for part in parts])
        self._counts = [part.count for part in parts]

    def take_columns(self, columns: Mapping[str, Column]) -> None:
        """`columns` have a value per row of the arrays, those of parts that are left out too; the source per picture.

        The rows of pictures that belong together, such as slices, are their `groups`.
        """
        rows = range(len(self.names)) if self.groups is None else self.groups.tolist()
        self.columns = {
            key: replace(column, values=cast(Sequence[str], [column.values[row] for row in rows]))
            for key, column in columns.items()
        }

    def _find(self, index: int) -> tuple[int, int]:
        """Which part a picture is in, and its place there."""
        for number, count in enumerate(self._counts):
            if index < count:
                return number, index
            index -= count
        raise IndexError(index)


@dataclass(frozen=True)
class ArrayPart:
    """A part whose pixels are rows of an array."""

    name: str
    pictures: Rows
    levels: Levels
    channels_first: bool
    label_values: NDArray[np.generic] | None
    held_out: bool

    @property
    def count(self) -> int:
        """Pictures."""
        return self.pictures.shape[0]

    @property
    def header(self) -> Header:
        """Size, channels and bits that all pictures of the part share."""
        shape = self.pictures.shape[1:]
        height, width, channels = (*shape[1:], shape[0]) if self.channels_first else (*shape, 1)[:3]
        return Header(width, height, channels, self.levels.bits)


def array_part(name: str, part: str, pictures: Rows, values: NDArray[np.generic] | None) -> ArrayPart:
    """The `part` of the source `name` whose pixels are `pictures`, after checking that they can be pictures.

    pictures: [N, H, W], [N, H, W, C] or, with 1, 3 or 4 channels, [N, C, H, W]; see `ganvas.data.arrays.levels`
    for types. Raises GanvasError for others.
    """
    shape, what = pictures.shape, f"{part} images of {name}"
    channels_first = len(shape) == 4 and shape[3] not in (1, 2, 3, 4) and shape[1] in (1, 3, 4)
    if pictures.dtype.kind not in "biuf":
        read_levels(what, pictures, ())  # refuses them: of the wrong type comes before of the wrong shape
    if not can_be_pictures(shape) or 0 in shape:
        raise GanvasError(
            f"{what} have the shape {list(shape)}: expected [N, H, W], [N, H, W, C] or "
            "[N, C, H, W] with 1 to 4 channels"
        )
    height, width = shape[2:] if channels_first else shape[1:3]
    if shape[0] > MOST_PICTURES or height * width > LARGEST_PIXELS:
        raise GanvasError(
            f"{what} have the shape {list(shape)}: at most {MOST_PICTURES:,} pictures of at most "
            f"{LARGEST_PIXELS // 1_000_000} megapixels can be read; check how they were saved"
        )
    # A stream would be unpacked to its end to look at its last row.
    looked_at = min(shape[0], pictures.cheap_rows) if isinstance(pictures, Blocks) else shape[0]
    levels = levels_of(what, pictures, evenly_spread(looked_at))
    return ArrayPart(part, pictures, levels, channels_first, values, held_out=part != "train")


def can_be_pictures(shape: tuple[int, ...]) -> bool:
    """Whether `shape` is that of pictures as `array_part` takes them, but for sizes beyond its limits."""
    channels_last = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 2, 3, 4))
    return channels_last or (len(shape) == 4 and shape[1] in (1, 3, 4))


def levels_of(what: str, rows: Rows, sampled: Sequence[int]) -> Levels:
    """As `read_levels`, but also raises GanvasError if the rows cannot be read."""
    try:
        return read_levels(what, rows, sampled)
    except GanvasError:
        raise
    except DAMAGE as error:
        raise GanvasError(f"{what} cannot be read ({error}): copy or make the file again") from error


class ArraySource(PartsSource):
    """Pictures from arrays. See `ganvas.data.contract.Source`."""

    def __init__(
        self,
        name: str,
        parts: Sequence[ArrayPart],
        class_names: Sequence[str] | None,
        fingerprint: str,
        origin: str,
        notes: Sequence[str] = (),
        *,
        in_order: bool = False,
    ) -> None:
        rules = dict.fromkeys(part.levels.note for part in parts if part.levels.note)
        super().__init__(name, parts, class_names, fingerprint, origin, (*notes, *rules))
        self._parts = tuple(parts)
        self.in_order = in_order

    def read(self, index: int) -> Pixels:
        """One picture: [H, W, C] uint8 or uint16. Raises PictureError."""
        number, place = self._find(index)
        part, name = self._parts[number], self.names[index]
        try:
            values = part.pictures[place]
        except DAMAGE as error:
            raise PictureError(name, f"cannot be read ({error})") from error
        picture = part.levels.pixels(values, name)
        if part.channels_first:
            return picture.transpose(1, 2, 0)
        return picture if picture.ndim == 3 else picture[..., None]

    def header(self, index: int) -> Header:
        """What the picture's array declares."""
        return self._parts[self._find(index)[0]].header
