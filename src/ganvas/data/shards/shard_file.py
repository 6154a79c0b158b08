"""The bytes of a shard, here or on an object store: a remote one is read forward in large pieces."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import IO, Any, cast

from ganvas.data.shards.remote import filesystem_of, is_remote
from ganvas.errors import GanvasError

READ_AHEAD = 4 << 20  # bytes of a remote shard fetched at a time


class ReadFailed(Exception):
    """The bytes of a shard could not be had, which says nothing about what they are."""

    def __init__(self, error: BaseException) -> None:
        # Over HTTP every failure to open comes as "not found", caused by what it really was.
        http = error.__cause__ if type(error.__cause__).__module__.startswith("aiohttp") else None
        cause: BaseException = http or error
        super().__init__(f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__)
        status = getattr(cause, "status", getattr(getattr(cause, "response", None), "status_code", None))
        missing = isinstance(cause, FileNotFoundError | IsADirectoryError | PermissionError)
        self.permanent = missing or (isinstance(status, int) and 400 <= status < 500 and status not in (408, 425, 429))
        self.no_ranges = isinstance(error, ValueError) and "range requests" in str(error)


class ShardFile(io.RawIOBase):
    """The bytes of a shard, forward or (where it can) anywhere. What fails below them is a ReadFailed."""

    def __init__(self, address: str, *, streamed: bool = False) -> None:
        self._file: IO[bytes] | None = None
        self.bytes: int | None = None
        self._position, self._back = 0, b""
        with _failing():
            self._file = _opened(address, streamed)
            size = getattr(self._file, "size", None) if is_remote(address) else os.fstat(self._file.fileno()).st_size
            self.bytes = size if isinstance(size, int) else None
        self.head = self.read(6)
        self._position = 0
        try:
            self._file.seek(0)
            self.anywhere = True
        except (ValueError, OSError):
            self._back, self.anywhere = self.head, False

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """Whether it can go back."""
        return self.anywhere

    def tell(self) -> int:
        """Bytes from the beginning."""
        return self._position

    def read(self, count: int | None = -1, /) -> bytes:
        """So many bytes, or all; fewer at the end alone."""
        pieces = []
        left = math.inf if count is None or count < 0 else count
        while left > 0:
            if self._back:
                piece = self._back if left >= len(self._back) else self._back[: int(left)]
                self._back = self._back[len(piece) :]
            else:
                assert self._file is not None, "the file is open"
                with _failing():
                    piece = self._file.read(READ_AHEAD if left == math.inf else int(left))
            if not piece:
                if self.bytes is not None and self._position < self.bytes:
                    raise ReadFailed(EOFError(f"ended at byte {self._position} of {self.bytes}"))
                break
            pieces.append(piece)
            left -= len(piece)
            self._position += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer as far as there are bytes; how many."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte; where it cannot jump, forward by reading."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            if self.bytes is None:
                raise io.UnsupportedOperation("the size is not known")
            offset += self.bytes
        if offset == self._position:
            return offset
        if self.anywhere:
            assert self._file is not None, "the file is open"
            with _failing():
                self._file.seek(offset)
            self._back, self._position = b"", offset
            return offset
        if offset < self._position:
            raise io.UnsupportedOperation("this shard can only be read forward")
        while self._position < offset and self.read(min(READ_AHEAD, offset - self._position)):
            pass
        return self._position

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
        super().close()


class _failing:
    """What goes wrong within is a ReadFailed: stores of all kinds raise errors of their own, not all OSError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, GanvasError):
            raise ReadFailed(error) from None


def _opened(address: str, streamed: bool) -> IO[bytes]:
    if not is_remote(address):
        return Path(address).expanduser().open("rb")
    filesystem, path = filesystem_of(address)
    return cast(
        IO[bytes],
        filesystem.open(path, "rb", block_size=0 if streamed else READ_AHEAD, cache_type="readahead"),
    )
