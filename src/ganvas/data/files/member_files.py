"""Ways to read one member of an archive without ever holding more than it takes."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ganvas.data.decode import PictureError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 20
LARGEST_KEPT = 16 << 20  # bytes

Unpack = Callable[[IO[bytes]], IO[bytes]]


def read_all(file: IO[bytes], size: int, name: str) -> bytes:
    """The next `size` bytes, never asked for at once: what is declared need not be there."""
    data = bytearray()
    while len(data) < size:
        more = file.read(min(CHUNK, size - len(data)))
        if not more:
            raise PictureError(name, f"cut off: {len(data)} of {size} bytes are there")
        data += more
    return bytes(data)


class AnyOrder:
    """Reads parts of an uncompressed archive."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, offset: int, size: int, name: str) -> bytes:
        """`size` bytes from `offset` on."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return read_all(file, size, name)


class Forward:
    """Reads parts of a compressed archive; going back starts it again."""

    def __init__(self, path: Path, unpack: Unpack) -> None:
        self.path, self._unpack = path, unpack
        self._lock = threading.Lock()
        self._stream: IO[bytes] | None = None
        self._file: IO[bytes] | None = None
        self._place = 0
        self._last: tuple[int, bytes] = (0, b"")  # a header is often followed by its picture

    def read(self, offset: int, size: int, name: str) -> bytes:
        """`size` bytes from `offset` on, of what is unpacked."""
        with self._lock:
            if self._last[0] == offset and len(self._last[1]) == size:
                return self._last[1]
            if self._stream is None or offset < self._place:
                self._close()
                self._file = self.path.open("rb")
                self._stream = self._unpack(self._file)
            try:
                self._stream.seek(offset)
                data = read_all(self._stream, size, name)
                self._place = offset + size
                self._last = (offset, data) if size <= LARGEST_KEPT else (0, b"")
            except BaseException:
                self._close()
                raise
            return data

    def _close(self) -> None:
        for file in (self._stream, self._file):
            if file is not None:
                file.close()
        self._stream = self._file = None

    def __del__(self) -> None:
        self._close()


class Bounded(io.RawIOBase):
    """A ZIP member of which no more is unpacked at once than a chunk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._file.read(min(len(view), CHUNK))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


class Part(io.RawIOBase):
    """`size` bytes of a file from `offset` on, as a file."""

    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._file, self._offset, self._size = file, offset, size
        self._place = 0

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        self._file.seek(self._offset + self._place)
        data = self._file.read(max(0, min(len(view), self._size - self._place)))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
