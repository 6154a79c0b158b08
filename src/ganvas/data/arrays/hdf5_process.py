"""What is done with an HDF5 file in a worker process: the library itself can crash or never end on damaged ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.hdf5_columns import Beside, read_beside
from ganvas.data.arrays.hdf5_layout import contents, is_encoded, pictures_among
from ganvas.data.arrays.levels import DAMAGE
from ganvas.data.decoders import Decoders, Failed
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError

_DESCRIBE_LIMIT_S, _READ_LIMIT_S = 60.0, 20.0
_MEMORY_LIMIT_MB = 4096  # a chunk of 1 GiB, packed and unpacked, and labels
_MOST_DEATHS = 3  # of workers, after which a file is given up
_NOT_READABLE = (*DAMAGE, AttributeError, UnicodeError)


@dataclass(frozen=True)
class Member:
    """A data set of pictures. split: "" or as in the file; together: rows that lie in one chunk."""

    path: str
    split: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    together: int
    encoded: bool


@dataclass(frozen=True)
class Description:
    """What an HDF5 file holds for us."""

    members: list[Member]
    beside: Beside


@dataclass(frozen=True)
class _Refused:
    """What went wrong in the worker, in words."""

    message: str


class Reader:
    """An HDF5 file, read in a worker process. Raises what the methods say, whatever the file does to the worker."""

    def __init__(self, name: str, path: Path) -> None:
        self.identity = identity_of(path)
        self._name, self._path = name, str(path.resolve())
        self._deaths = 0

    def describe(self, options: SourceOptions) -> Description:
        """Pictures, labels and columns. Raises GanvasError."""
        answer = self._ask(_describe, (self._name, self._path, self.identity, options), _DESCRIBE_LIMIT_S)
        if isinstance(answer, Failed):
            raise GanvasError(f"{self._name} is not a readable HDF5 file (it {answer.reason}): copy or make it again")
        if isinstance(answer, _Refused):
            raise GanvasError(answer.message)
        assert isinstance(answer, Description), "the worker describes or refuses"
        return answer

    def rows(self, dataset: str, start: int, stop: int) -> NDArray[Any]:
        """Some rows of a data set; as objects, if their lengths vary. Raises OSError if they cannot be read."""
        if self._deaths >= _MOST_DEATHS:
            raise OSError("the file is damaged: reading it has failed too often")
        answer = self._ask(_rows, (self._path, self.identity, dataset, start, stop), _READ_LIMIT_S)
        if isinstance(answer, Failed):
            self._deaths += 1
            raise OSError(answer.reason)
        if isinstance(answer, _Refused):
            raise OSError(answer.message)
        assert isinstance(answer, np.ndarray), "the worker reads or refuses"
        return answer

    def _ask(self, job: Any, argument: Any, limit_s: float) -> Any:
        with Decoders(1, time_limit_s=limit_s, memory_limit_mb=_MEMORY_LIMIT_MB) as workers:
            return next(workers.map(job, [((), self._name)], argument))


def identity_of(path: Path) -> bytes:
    """Name, size and time of change."""
    status = path.stat()
    return b"%s\0%d\0%d\0" % (path.name.encode("utf-8", "replace"), status.st_size, status.st_mtime_ns)


_open_file: tuple[str, bytes, Any] | None = None  # of the worker, kept from one job to the next


def _opened(path: str, identity: bytes) -> Any:
    """The open h5py.File. Raises OSError if it is no longer the file that it was."""
    import h5py  # type: ignore[import-untyped]

    global _open_file
    if _open_file is None or _open_file[:2] != (path, identity) or not _open_file[2]:
        if identity_of(Path(path)) != identity:
            raise OSError("the file was changed")
        if _open_file is not None:
            _open_file[2].close()
        _open_file = (path, identity, h5py.File(path, "r"))
    return _open_file[2]


def _describe(
    _files: tuple[bytes, ...], _name: str, argument: tuple[str, str, bytes, SourceOptions]
) -> Description | _Refused:
    """In the worker: what the file holds."""
    name, path, identity, options = argument
    try:
        found = contents(_opened(path, identity))
        members = pictures_among(name, found, options.image_column)
        beside = read_beside(name, found, members, options.label_column)
        described = [
            Member(
                entry.path,
                entry.split,
                entry.dataset.shape,
                entry.dataset.dtype,
                entry.dataset.chunks[0] if entry.dataset.chunks else 1,
                is_encoded(entry),
            )
            for entry in members
        ]
        return Description(described, beside)
    except GanvasError as error:
        return _Refused(str(error))
    except _NOT_READABLE as error:
        return _Refused(f"{name} is not a readable HDF5 file ({error}): copy or make it again")


def _rows(_files: tuple[bytes, ...], _name: str, argument: tuple[str, bytes, str, int, int]) -> NDArray[Any] | _Refused:
    """In the worker: rows of a data set that `_describe` has found to lie in the file."""
    path, identity, dataset, start, stop = argument
    try:
        rows: NDArray[Any] = _opened(path, identity)[dataset][start:stop]
        return rows
    except _NOT_READABLE as error:
        return _Refused(str(error))
