"""What every source of pictures promises, and what those that hold encoded files have in common."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ganvas.data.decode import Header, Pixels, decode, read_header


@dataclass(frozen=True)
class Column:
    """What a source knows of each picture besides its class; kept in the store. One value per picture.

    text: str, "" where missing. number: float, NaN where missing. tags: a tuple of names (multi-label).
    """

    kind: Literal["text", "number", "tags"]
    values: Sequence[str] | Sequence[float] | Sequence[tuple[str, ...]]


class Source(Protocol):
    """Pictures with names, maybe labels, and how they are split. All sequences have one entry per picture.

    Opening a source decodes nothing; pictures are read one by one. `SourceDefaults` gives the optional parts.
    """

    @property
    def name(self) -> str:
        """The source as the user gave it."""

    @property
    def names(self) -> Sequence[str]:
        """A relative path with forward slashes, or a place such as "train[17]"; no two are equal."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Places in `class_names`, or None."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """In natural order ("9" before "10"); empty without labels."""

    @property
    def labels_note(self) -> str:
        """One sentence on where the labels come from, or why there are none."""

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """True for pictures that are kept from training."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What else the user should know."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal of what identifies the content without reading all of it."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """Captions, attributes and tags by name; often empty."""

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """Equal for pictures that must never be split between training and held out (one patient, one video)."""

    @property
    def default_resolution(self) -> tuple[int, int] | None:
        """(height, width) for pictures that are best stored at another size than their own."""

    @property
    def in_order(self) -> bool:
        """Whether reading anywhere but forward is slow."""

    def read(self, index: int) -> Pixels:
        """One picture, upright: [H, W, C], C of 1 (grey), 2 (and alpha), 3 (RGB), 4; or PictureError."""

    def header(self, index: int) -> Header:
        """What the picture declares, without decoding it. Raises PictureError."""


class SourceDefaults:
    """The parts of a source that most do not have."""

    notes: tuple[str, ...] = ()
    columns: Mapping[str, Column] = {}
    groups: NDArray[np.int64] | None = None
    default_resolution: tuple[int, int] | None = None
    in_order: bool = False


class EncodedPictures(SourceDefaults):
    """A source whose pictures are the bytes of picture files, which other processes can decode."""

    names: Sequence[str]

    def encoded(self, index: int) -> bytes:
        """The whole file of one picture. Raises PictureError if its bytes cannot be had."""
        raise NotImplementedError

    @contextmanager
    def opened(self, index: int) -> Iterator[IO[bytes]]:
        """The file of one picture, where that is cheaper than all of its bytes. Damage is a PictureError."""
        yield io.BytesIO(self.encoded(index))

    def size(self, index: int) -> int:
        """Bytes of the file, without reading it."""
        return len(self.encoded(index))

    def read(self, index: int) -> Pixels:
        """One picture, upright: [H, W, C] uint8 or uint16. Raises PictureError."""
        with self.opened(index) as file:
            return decode(file, self.names[index])

    def header(self, index: int) -> Header:
        """What the picture declares, without decoding it. Raises PictureError."""
        with self.opened(index) as file:
            return read_header(file, self.names[index])
