"""A large array in a stream, maybe compressed, read forward in blocks: memory does not grow with it."""

from __future__ import annotations

import threading
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data.decode import Pixels
from ganvas.errors import GanvasError

BLOCK_BYTES = 8 << 20
CHEAP_BYTES = 64 << 20  # what may be read of a stream to learn what it holds
KEPT = 2  # blocks: readers of neighbouring rows in several threads do not send each other back to the start

# Everything that opening a ZIP member or reading the header of an array was seen to raise on damaged files.
_NO_ARRAY = (
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError),
    *(ValueError, LookupError, TypeError, SyntaxError, OverflowError, MemoryError, tokenize.TokenError),
)


class Blocks:
    """Rows of a C-ordered array behind a stream. Going forward is cheap; going back starts the stream anew.

    shape: of the array; `self[i]` has shape[1:]. Safe to use from several threads.
    Raises EOFError (from a row) if the stream ends early, and what the stream itself raises on damage.
    """

    def __init__(
        self,
        opened: Callable[[], IO[bytes]],
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype[np.generic],
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._opened, self._offset = opened, offset
        self._row_bytes = int(np.prod(shape[1:], dtype=object)) * dtype.itemsize
        self._rows = max(1, BLOCK_BYTES // max(1, self._row_bytes))
        self._stream: IO[bytes] | None = None
        self._next = 0
        self._kept: dict[int, NDArray[np.generic]] = {}
        self._lock = threading.Lock()

    def __getitem__(self, row: int) -> Pixels:
        if not 0 <= row < self.shape[0]:
            raise IndexError(f"row {row} of {self.shape[0]}")
        number, place = divmod(row, self._rows)
        with self._lock:
            while number not in self._kept:
                self._advance(number)
            return cast(Pixels, self._kept[number][place])

    @property
    def cheap_rows(self) -> int:
        """How many rows can be looked at without reading far into the stream; at least 1."""
        return max(1, CHEAP_BYTES // max(1, self._row_bytes))

    def all(self) -> NDArray[np.generic]:
        """The whole array: for small ones, such as labels."""
        with self._opened() as stream:
            stream.read(self._offset)
            data = stream.read(self.shape[0] * self._row_bytes)
        if len(data) < self.shape[0] * self._row_bytes:
            raise EOFError("cut off")
        return np.frombuffer(data, self.dtype).reshape(self.shape)

    def _advance(self, number: int) -> None:
        """Read one more block, from the start again if `number` was already passed."""
        if self._stream is None or number < self._next:
            self._restart()
        assert self._stream is not None, "the stream was opened a line above"
        rows = min(self._rows, self.shape[0] - self._next * self._rows)
        stream, self._stream = self._stream, None  # after a failure nobody knows where it stands
        data = stream.read(rows * self._row_bytes)
        if len(data) < rows * self._row_bytes:
            raise EOFError("cut off")
        self._stream = stream
        block = np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])
        self._kept[self._next] = block
        self._next += 1
        while len(self._kept) > KEPT:
            del self._kept[min(self._kept)]

    def _restart(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._next, self._kept = self._opened(), 0, {}
        self._stream.read(self._offset)

    @classmethod
    def of_npz(cls, name: str, path: Path, member: zipfile.ZipInfo) -> Blocks:
        """The array `member` of the .npz file `path`. Raises GanvasError if it is no such array."""

        def opened() -> IO[bytes]:
            return zipfile.ZipFile(path).open(member)

        try:
            with opened() as stream:
                version = np.lib.format.read_magic(stream)
                read = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }
                shape, fortran_order, dtype = read[version](stream)
                offset = stream.tell()
        except _NO_ARRAY as error:
            raise GanvasError(
                f"{member.filename} of {name} is not a readable array ({error}): save it again"
            ) from error
        if fortran_order and len(shape) > 1:
            raise GanvasError(
                f"{member.filename} of {name} is stored column by column: save numpy.ascontiguousarray of it"
            )
        declared = offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if member.file_size != declared and not dtype.hasobject:
            raise GanvasError(
                f"{member.filename} of {name} has {member.file_size} bytes, its header declares {declared}: "
                "save it again"
            )
        return cls(opened, offset, shape, dtype)
