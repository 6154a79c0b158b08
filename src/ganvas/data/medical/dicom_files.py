"""Where DICOM objects lie: a folder, a single file, or a ZIP that is read member by member."""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from ganvas.data.decode import SUFFIXES
from ganvas.data.medical.dicom_headers import NotUsed, has_preamble
from ganvas.data.medical.slices import walk
from ganvas.errors import GanvasError

LARGEST_MEMBER = 1 << 30  # bytes of a file in a ZIP, which is unpacked in memory
_LOOKED_AT = 10_000  # names, until a folder without .dcm files is taken for something else
_CHUNK = 1 << 20
_TRIED = 8  # files without a suffix that are opened to see whether they are DICOM
_ZIP_DAMAGE = (OSError, EOFError, RuntimeError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def is_dicom(path: Path) -> bool:
    """Whether a file, folder or ZIP holds DICOM objects, from names and the first bytes of a few files.

    A folder or ZIP counts if it has .dcm files, or if it has no ordinary pictures and files without a suffix begin
    as DICOM does. A single file counts by its first bytes or its suffix.
    """
    if path.is_dir():
        names = (
            Path(where, file).relative_to(path).as_posix()
            for where, _, files in os.walk(path)
            for file in sorted(files)
        )
        return _looks_like_dicom(list(islice(names, _LOOKED_AT)), lambda name: (path / name).open("rb"))
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _looks_like_dicom(archive.namelist(), archive.open)
        with path.open("rb") as file:
            return has_preamble(file) or path.suffix.lower() == ".dcm"
    except _ZIP_DAMAGE:
        return False


class DicomFiles(Protocol):
    """The files of a folder or ZIP: their sizes, with something that changes with their content."""

    stamps: dict[str, tuple[int, int]]

    def opened(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """A file to read and seek in. Raises OSError."""


class Folder:
    """A folder with its sub-folders, or a single file."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            self._folder, self.stamps = path, walk(path)
        else:
            status = path.stat()
            self._folder, self.stamps = path.parent, {path.name: (status.st_size, status.st_mtime_ns)}

    def opened(self, path: str) -> AbstractContextManager[IO[bytes]]:
        return _Bounded(io.FileIO(self._folder / path))


class _Bounded(io.BufferedReader):
    """A file that is not asked for more than it has: memory for all that a damaged length says would be taken first."""

    def read(self, size: int | None = -1) -> bytes:
        """As of any file."""
        if size is not None and size > _CHUNK:
            size = min(size, os.fstat(self.fileno()).st_size)
        return super().read(size)


class Zip:
    """A ZIP whose members are unpacked in memory, one at a time."""

    def __init__(self, name: str, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
            members = [one for one in self._archive.infolist() if not one.is_dir()]
        except _ZIP_DAMAGE as error:
            raise GanvasError(f"{name} is not a readable ZIP file ({type(error).__name__}): copy it again") from None
        if any(one.flag_bits & 1 for one in members):
            raise GanvasError(f"{name} is encrypted: unpack it with its password and give the folder")
        self._members = {one.filename.replace("\\", "/"): one for one in members}
        self.stamps = {path: (one.file_size, one.CRC) for path, one in sorted(self._members.items())}
        self._last: tuple[str, bytes] = ("", b"")  # the frames of one member are read one after another

    @contextmanager
    def opened(self, path: str) -> Iterator[IO[bytes]]:
        last, data = self._last
        if last != path:
            if self._members[path].file_size > LARGEST_MEMBER:
                raise NotUsed("larger than 1 GiB")
            try:
                data = self._archive.read(self._members[path])
            except _ZIP_DAMAGE:
                raise OSError("damaged") from None
            self._last = (path, data)
        yield io.BytesIO(data)


def _looks_like_dicom(names: Sequence[str], opened: Callable[[str], IO[bytes]]) -> bool:
    names = [name for name in names if not name.endswith("/") and not PurePosixPath(name).name.startswith(".")]
    suffixes = {PurePosixPath(name).suffix.lower() for name in names}
    if ".dcm" in suffixes:
        return True
    if suffixes & SUFFIXES:
        return False
    for name in islice(filter(_is_without_suffix, names), _TRIED):
        try:
            with opened(name) as file:
                if has_preamble(file):
                    return True
        except _ZIP_DAMAGE:
            continue
    return False


def _is_without_suffix(name: str) -> bool:
    """Also "1.2.840.10008": files are often called by their UID."""
    return re.fullmatch(r"(\.[0-9]*)?", PurePosixPath(name).suffix) is not None
