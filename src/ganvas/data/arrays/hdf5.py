"""Pictures in HDF5 files: data sets of pixels, or of the bytes of picture files, with labels and columns.

| what               | how it is known                                                                              |
|--------------------|----------------------------------------------------------------------------------------------|
| pictures           | the image column; or named images, image, x, data, ...; or the only one of 3 to 5 dimensions |
| labels             | the label column; or named labels, label, y, targets beside the pictures, of the same length |
| training, held out | train_x and test_x, x_train and x_test, or groups train/ and test/ (also val, validation)    |
| columns            | other data sets beside the pictures, of the same length: numbers, text, or 0 and 1 for tags  |

Needs h5py. The file is only read, row by row, by a worker process (see `ganvas.data.arrays.hdf5_process`), and
nothing outside the file is (see `ganvas.data.arrays.hdf5_layout`). Volumes are cut into slices (see
`ganvas.data.arrays.volumes`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.array_source import MOST_PICTURES, ArraySource, PartsSource, array_part
from ganvas.data.arrays.hdf5_process import Description, Member, Reader
from ganvas.data.arrays.volumes import VolumeSource, are_volumes, volume_part
from ganvas.data.contract import EncodedPictures
from ganvas.data.decode import PictureError
from ganvas.data.download import Progress
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.errors import GanvasError

_BLOCK_BYTES = 64 << 20  # rows that share a chunk are read together, if they take no more than this
_LEAST_BYTES = 1 << 20  # read at once where there are no chunks
_ENCODED_TOGETHER = 16  # pictures, where their sizes are not known
_KEPT = 2  # such blocks


def open_hdf5(
    name: str, path: Path, options: SourceOptions = DEFAULT_OPTIONS, progress: Progress | None = None
) -> ArraySource | HDF5Encoded:
    """The pictures of an HDF5 file: pixels of the types that `ganvas.data.arrays.levels` says, or encoded pictures.

    Volumes are cut as options.slices and .plane say (see `ganvas.data.arrays.volumes`, also for `progress`). Raises
    GanvasError, listing the data sets, if nothing says which are the pictures; if one that is needed lies outside the
    file in any way; if the file is damaged; or if h5py is not installed.
    """
    try:
        import h5py  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        raise GanvasError(f'{name} needs h5py, which is not installed: pip install "ganvas[data]"') from error
    reader = Reader(name, path)
    return _source(name, reader, reader.describe(options), options, progress)


def _source(
    name: str, reader: Reader, found: Description, options: SourceOptions, progress: Progress | None
) -> ArraySource | HDF5Encoded:
    members, beside = found.members, found.beside
    paths = [member.path for member in members]
    chosen = repr((paths, beside.label_paths, options.image_column, options.label_column))
    digest = hashlib.sha256(b"hdf5" + reader.identity + chosen.encode("utf-8", "replace"))
    notes = [f"pictures from {', '.join(paths)}", *beside.notes]
    origin = ", ".join(beside.label_paths) or "the data sets"
    parts: list[Any] = []
    encoded = members[0].encoded
    in_volumes = not encoded and are_volumes(members[0].shape)
    if in_volumes:
        digest.update(repr((options.slices, options.plane)).encode())
    for member, values in zip(members, beside.label_values, strict=True):
        split = member.split or "train"
        if encoded:
            parts.append(_encoded_part(name, split, member, _Rows(reader, member), values))
        elif in_volumes:
            parts.append(volume_part(name, split, _Rows(reader, member), values, options, progress))
        else:
            parts.append(array_part(name, split, _Rows(reader, member), values))
    if all(part.held_out for part in parts):
        parts = [replace(part, held_out=False) for part in parts]
        notes.append(f"all pictures are in {', '.join(paths)}: they are used for training")
    source: ArraySource | HDF5Encoded
    given = (name, parts, beside.class_names, digest.hexdigest(), origin, notes)
    slow = in_volumes or any(member.together > 1 for member in members)
    if encoded:
        source = HDF5Encoded(*given)
    elif in_volumes:
        source = VolumeSource(*given, options, in_order=slow)
    else:
        source = ArraySource(*given, in_order=slow)
    source.take_columns(beside.columns)
    return source


class _Rows:
    """Rows of a data set. Those that are packed into one chunk are read at once and kept for a while."""

    def __init__(self, reader: Reader, member: Member) -> None:
        self.shape, self.dtype = member.shape, member.dtype
        self._reader, self._path = reader, member.path
        row_bytes = max(1, int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize)
        chunked = member.together > 1 and member.together * row_bytes <= _BLOCK_BYTES
        self._together = member.together if chunked else max(1, _LEAST_BYTES // row_bytes)
        if member.encoded:
            self._together = _ENCODED_TOGETHER
        self._kept: dict[int, NDArray[Any] | OSError] = {}
        self._lock = threading.Lock()

    def __getitem__(self, row: int) -> NDArray[Any]:
        number, place = divmod(row, self._together)
        with self._lock:
            if number not in self._kept:
                while len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                start = number * self._together
                try:
                    self._kept[number] = self._reader.rows(self._path, start, start + self._together)
                except OSError as error:  # kept too: its rows are not waited for one by one
                    self._kept[number] = error
            block = self._kept[number]
        if isinstance(block, OSError):
            raise OSError(str(block))
        values: NDArray[Any] = block[place]
        return values


@dataclass(frozen=True)
class _EncodedPart:
    name: str
    count: int
    label_values: NDArray[np.generic] | None
    held_out: bool
    rows: _Rows


def _encoded_part(
    name: str, split: str, member: Member, rows: _Rows, values: NDArray[np.generic] | None
) -> _EncodedPart:
    count = member.shape[0]
    if not 0 < count <= MOST_PICTURES:
        raise GanvasError(f"{member.path} of {name} declares {count:,} pictures: expected 1 to {MOST_PICTURES:,}")
    return _EncodedPart(split, count, values, split != "train", rows)


class HDF5Encoded(PartsSource, EncodedPictures):
    """Picture files whose bytes are the values of a data set. See `ganvas.data.contract.Source`."""

    def __init__(
        self,
        name: str,
        parts: Sequence[_EncodedPart],
        class_names: Sequence[str] | None,
        fingerprint: str,
        origin: str,
        notes: Sequence[str],
    ) -> None:
        super().__init__(name, parts, class_names, fingerprint, origin, notes)
        self._rows = [part.rows for part in parts]

    def encoded(self, index: int) -> bytes:
        """The whole file of one picture. Raises PictureError if its bytes cannot be had."""
        number, place = self._find(index)
        try:
            return self._rows[number][place].tobytes()
        except OSError as error:
            raise PictureError(self.names[index], f"cannot be read ({error})") from error
