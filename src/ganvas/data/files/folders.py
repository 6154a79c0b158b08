"""Pictures as files: in a folder with all its sub-folders, or wherever a list of paths says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from ganvas.data.decode import PictureError
from ganvas.data.files.listing import (
    FIRST_BYTES,
    Listing,
    PictureFiles,
    check_size,
    counted,
    fingerprint,
    list_pictures,
    no_pictures,
    printable,
    unique_names,
)
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.errors import GanvasError

_ARCHIVES = (".zip", ".npz", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_LARGEST_LIST = 1 << 30  # bytes of a list of paths: some ten million


class _Status(NamedTuple):
    """What is known of a file without opening it: its size in bytes, and when it was changed."""

    size: int
    changed_ns: int


class _FilesOnDisk(PictureFiles):
    """Files below, or relative to, one folder."""

    def __init__(
        self, name: str, kind: str, folder: Path, listing: Listing, found: dict[str, _Status], options: SourceOptions
    ) -> None:
        self._folder, self._found = folder, found
        used = ((path, *found[path]) for path in (*listing.paths, *listing.tables))
        super().__init__(name, listing, fingerprint(kind, used, options), options)

    @contextmanager
    def opened(self, index: int) -> Iterator[IO[bytes]]:
        """The file of one picture. Raises PictureError if it cannot be read."""
        with _opened(self._folder / self._paths[index], self.names[index]) as file:
            yield file

    def _content(self, path: str, name: str) -> bytes:
        with _opened(self._folder / path, name) as file:
            return file.read(os.fstat(file.fileno()).st_size)

    def _length(self, path: str) -> int:
        return self._found[path].size


class FolderSource(_FilesOnDisk):
    """All pictures in a folder and its sub-folders, in natural order, but no system and hidden files."""

    def __init__(self, name: str, folder: Path, options: SourceOptions = DEFAULT_OPTIONS) -> None:
        found, notes = _walk(folder)
        listing = list_pictures(found, lambda path: _first_bytes(folder / path, path))
        listing = Listing(listing.paths, listing.names, listing.tables, listing.notes + notes)
        if not listing.paths:
            archive = next((path for path in found if path.lower().endswith(_ARCHIVES)), None)
            raise no_pictures(name, listing, f" (or give {name}/{printable(archive)} itself)" if archive else "")
        used = {path: found[path] for path in (*listing.paths, *listing.tables)}
        super().__init__(name, "folder", folder, listing, used, options)


class PathListSource(_FilesOnDisk):
    """The pictures at `paths`, whatever their suffix; relative paths begin at `folder` (None: the current one).

    Their names are the paths as given; absolute ones lose what all paths have in common. A path given twice is
    used once. A file that is not there is a PictureError when it is read, unless none is there at all.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[str | Path],
        options: SourceOptions = DEFAULT_OPTIONS,
        folder: Path | None = None,
    ) -> None:
        folder = Path.cwd() if folder is None else folder
        if not paths:
            raise GanvasError(f"{name} lists no pictures: give one path per line")
        chosen = list(dict.fromkeys(_on_this_system(path, folder) for path in paths))
        found = {path: status for path in chosen if (status := _status(folder / path)) is not None}
        if not found:
            raise GanvasError(
                f"no path in {name} is there (the first of {len(chosen)} is "
                f"{_short(chosen[0])}): write paths relative to {folder}, or absolute ones"
            )
        notes = []
        if len(chosen) < len(paths):
            notes.append(f"{counted(len(paths) - len(chosen), 'path')} given before: each file is used once")
        if len(found) < len(chosen):
            missing = next(path for path in chosen if path not in found)
            notes.append(f"{len(chosen) - len(found)} of {counted(len(chosen), 'path')} not there ({_short(missing)})")
        listing = Listing(chosen, unique_names(_without_common_folder(chosen)), [], tuple(notes))
        gone = dict.fromkeys(chosen, _Status(0, 0))
        super().__init__(name, "list", folder, listing, gone | found, options)


def read_path_list(name: str, path: Path, options: SourceOptions = DEFAULT_OPTIONS) -> PathListSource:
    """The pictures that a text file names: one path per line, relative to its folder; "#" begins a comment line."""
    try:
        if path.stat().st_size > _LARGEST_LIST:
            raise GanvasError(f"{name} is larger than {_LARGEST_LIST >> 30} GiB: split it into several lists")
        text = path.read_bytes()
    except OSError as error:
        raise GanvasError(f"{name} cannot be read ({error.strerror or error}): give a text file of paths") from error
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):  # what a Windows shell writes
        lines = text.decode("utf-16", "replace").split("\n")
    else:  # a path need not be valid text
        lines = text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
    paths = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    return PathListSource(name, paths, options, path.absolute().parent)


@contextmanager
def _opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise PictureError(name, f"is a {'folder' if stat.S_ISDIR(mode) else 'pipe or device'}, not a file")
        with path.open("rb") as file:
            check_size(name, os.fstat(file.fileno()).st_size)
            yield file
    except GanvasError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise PictureError(name, f"cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _first_bytes(path: Path, name: str) -> bytes:
    with _opened(path, name) as file:
        return file.read(FIRST_BYTES)


def _walk(folder: Path) -> tuple[dict[str, _Status], tuple[str, ...]]:
    """Every file below `folder` by relative path, and notes on what could not be used.

    Links are followed, each folder once.
    """
    found: dict[str, _Status] = {}
    refused: list[OSError] = []
    special = 0
    seen: set[str] = set()
    for where, folders, files in os.walk(folder, onerror=refused.append, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(where).relative_to(folder)
        for name in files:
            path = (relative / name).as_posix()
            try:
                status = os.stat(os.path.join(where, name))
            except OSError:  # a link to nowhere: reading it will say so
                found[path] = _Status(0, 0)
                continue
            if stat.S_ISREG(status.st_mode):
                found[path] = _Status(status.st_size, status.st_mtime_ns)
            else:
                special += 1
    if refused and not seen:
        raise GanvasError(f"{folder} cannot be read ({refused[0].strerror}): change its permissions")
    notes = []
    if refused:
        notes.append(f"{counted(len(refused), 'folder')} could not be read: check the permissions")
    if special:
        notes.append(f"{counted(special, 'pipe or device')} passed over")
    return found, tuple(notes)


def _status(path: Path) -> _Status | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return _Status(status.st_size, status.st_mtime_ns)


def _on_this_system(path: str | Path, folder: Path) -> str:
    """`path` with forward slashes; a list made on Windows is understood elsewhere."""
    text = str(path)
    if "\\" in text and (os.sep == "\\" or _status(folder / text) is None):
        text = text.replace("\\", "/")
    return text


def _without_common_folder(paths: Sequence[str]) -> list[str]:
    """Relative names, also for absolute paths, so that class folders come first."""
    if all(map(os.path.isabs, paths)):
        common = os.path.commonpath([os.path.dirname(path) for path in paths])
        return [os.path.relpath(path, common).replace(os.sep, "/") for path in paths]
    return [path.lstrip("/") for path in paths]


def _short(path: str) -> str:
    """For messages: what is no list of paths at all may be one long line."""
    return printable(path if len(path) <= 200 else f"{path[:200]}...")
