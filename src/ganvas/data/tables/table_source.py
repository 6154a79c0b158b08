"""Tables as sources: rows that hold or name picture files, and rows that hold pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ganvas.data.contract import Column, EncodedPictures, SourceDefaults
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.labels import Labelling
from ganvas.data.tables.arrow_types import damage, first_line, is_list, plain, require_pyarrow, unwrapped
from ganvas.data.tables.columns import Part
from ganvas.data.tables.rows import MemoryRows, Reader

LARGEST_FILE = 1 << 30  # bytes of a picture that a path names


class _Places(Sequence[str]):
    """ "train[0]", "train[1]", ..., "test[0]", ...: made when asked for."""

    def __init__(self, splits: Sequence[str], counts: Sequence[int]) -> None:
        self._splits = splits
        self._starts = np.cumsum([0, *counts])
        seen: dict[str, int] = {}
        self._first = [seen.get(split, 0) for split in splits]
        for i, (split, count) in enumerate(zip(splits, counts, strict=True)):
            self._first[i] = seen.get(split, 0)
            seen[split] = self._first[i] + count

    def __len__(self) -> int:
        return int(self._starts[-1])

    def find(self, index: int) -> tuple[int, int]:
        """The table of a picture, and its row there."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        table = int(np.searchsorted(self._starts, index, "right")) - 1
        return table, index - int(self._starts[table])

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        table, row = self.find(index + len(self) if index < 0 else index)
        return f"{self._splits[table]}[{self._first[table] + row}]"


@dataclass(frozen=True)
class Content:
    """What a source tells of its rows."""

    parts: Sequence[Part]
    image: str
    labels: Labelling
    held_out: NDArray[np.bool_]
    columns: Mapping[str, Column]
    notes: tuple[str, ...]


class _Table:
    """What tables of encoded pictures and of pixels share."""

    def __init__(self, name: str, content: Content, fingerprint: str) -> None:
        self.name, self.fingerprint = name, fingerprint
        self.labels: NDArray[np.int64] | None = content.labels.labels
        self.class_names: tuple[str, ...] = content.labels.class_names
        self.labels_note = content.labels.note
        self.held_out: NDArray[np.bool_] = content.held_out
        self.columns: Mapping[str, Column] = content.columns
        self.notes: tuple[str, ...] = content.notes
        # Batches of Arrow files that are packed come in order or are unpacked again and again, as those of Parquet.
        self.in_order = any(not isinstance(part.rows, MemoryRows) for part in content.parts)
        parts = content.parts
        self._places = _Places([part.split for part in parts], [part.rows.count for part in parts])
        self.names: Sequence[str] = self._places
        self._parts = parts
        self._reader = Reader([part.rows for part in parts], content.image)

    def _value(self, index: int) -> Any:
        """The cell of a picture as a pyarrow scalar that is not null."""
        try:
            value = self._reader.value(*self._places.find(index))
        except IndexError as error:
            if not 0 <= index < len(self._places):
                raise
            raise PictureError(self.names[index], f"cannot be read ({first_line(error)})") from error
        except damage() as error:
            raise PictureError(self.names[index], f"cannot be read ({first_line(error)})") from error
        if not value.is_valid:
            raise PictureError(self.names[index], "no picture in this row")
        return value


class EncodedTable(_Table, EncodedPictures):
    """Rows that hold or name picture files. See `ganvas.data.contract.Source`."""

    def encoded(self, index: int) -> bytes:
        """The whole file of one picture. Raises PictureError if its bytes cannot be had."""
        found = self._bytes_or_path(index)
        if isinstance(found, bytes):
            return found
        try:
            return found.read_bytes()
        except OSError as error:
            raise PictureError(self.names[index], f"cannot be read ({error.strerror})") from error

    def size(self, index: int) -> int:
        """Bytes of the file; of a path, without reading it."""
        found = self._bytes_or_path(index)
        return len(found) if isinstance(found, bytes) else found.stat().st_size

    def _bytes_or_path(self, index: int) -> bytes | Path:
        name = self.names[index]
        try:
            value = self._value(index).as_py()
        except PictureError:
            raise
        except damage() as error:  # such as text that is none
            raise PictureError(name, f"cannot be read ({first_line(error)})") from error
        if isinstance(value, dict):
            value = value.get("path") if value.get("bytes") is None else value["bytes"]
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str) or not value:
            raise PictureError(name, "no picture in this row")
        return self._path(name, value, self._parts[self._places.find(index)[0]].folder)

    def _path(self, name: str, value: str, folder: Path | None) -> Path:
        """Where a path leads; from a file, only to what lies beside or below it."""
        if "://" in value or "\0" in value:
            raise PictureError(name, f"names {value[:80]!r}, which is no path of a file here")
        if folder is None:
            path = Path(value)
        else:
            relative = PurePosixPath(value.replace("\\", "/"))
            if relative.is_absolute() or PureWindowsPath(value).drive or ".." in relative.parts:
                raise PictureError(name, f"names {value[:80]!r}: only paths below the table's own folder are followed")
            path = folder / relative
        try:
            if not path.is_file():
                raise PictureError(name, f"names {value[:80]!r}, which is not there")
            size = path.stat().st_size
        except (OSError, ValueError) as error:
            if isinstance(error, PictureError):
                raise
            raise PictureError(name, f"names {value[:80]!r}, which cannot be read ({first_line(error)})") from error
        if size > LARGEST_FILE:
            raise PictureError(name, f"a file of {size} bytes, more than the limit of {LARGEST_FILE}")
        return path


class PixelTable(_Table, SourceDefaults):
    """Rows that hold pixels as numbers. See `ganvas.data.contract.Source`."""

    def read(self, index: int) -> Pixels:
        """One picture: [H, W, C] uint8, or uint16 where the column is. Raises PictureError."""
        name, value = self.names[index], self._value(index)
        try:
            pixels = _nested(name, value)
        except PictureError:
            raise
        except damage() as error:
            raise PictureError(name, f"cannot be read ({first_line(error)})") from error
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if pixels.shape[2] not in (1, 2, 3, 4) and pixels.shape[0] in (1, 3, 4):
            pixels = pixels.transpose(1, 2, 0)
        if pixels.shape[2] not in (1, 2, 3, 4) or 0 in pixels.shape:
            raise PictureError(name, f"pixels of shape {list(pixels.shape)}: expected [H, W], [H, W, C] or [C, H, W]")
        if pixels.dtype not in (np.uint8, np.uint16):
            if pixels.min() < 0 or pixels.max() > 255:
                raise PictureError(name, f"values from {pixels.min()} to {pixels.max()}: expected 0 to 255")
            pixels = pixels.astype(np.uint8)
        return pixels

    def header(self, index: int) -> Header:
        """Size, channels and bits of a picture. Raises PictureError."""
        height, width, channels = (pixels := self.read(index)).shape
        return Header(width, height, channels, pixels.dtype.itemsize * 8)


def _nested(name: str, value: Any) -> NDArray[Any]:
    """The numbers of a tensor or of nested lists, [...], without making Python objects of them."""
    pa = require_pyarrow()
    if isinstance(value.type, pa.FixedShapeTensorType):
        return np.asarray(value.to_numpy())
    while isinstance(value.type, pa.BaseExtensionType) or pa.types.is_dictionary(value.type):
        value = value.value
    values = value.values
    shape = [len(values)]
    while is_list(unwrapped(values.type)):
        values = plain(values)
        if values.null_count:
            raise PictureError(name, "rows of pixels are missing")
        lengths = pa.compute.list_value_length(values).to_numpy(zero_copy_only=False)
        if len(lengths) == 0 or (lengths != lengths[0]).any():
            raise PictureError(name, "rows of pixels of unlike length")
        shape.append(int(lengths[0]))
        values = values.flatten()
    values = plain(values)
    if values.null_count:
        raise PictureError(name, "pixels are missing")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(shape)
