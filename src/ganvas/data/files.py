"""Pictures as files: in a folder with all its sub-folders, or in a ZIP that is read member by member."""

from __future__ import annotations

import hashlib
import lzma
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.decode import SUFFIXES, Header, PictureError, Pixels, decode, read_header
from ganvas.errors import GanvasError

DATASET_JSON = "dataset.json"
LARGEST_FILE = 1 << 30  # bytes; also what keeps a ZIP member from growing without end while it is unpacked
_ZIP_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,  # encrypted, or an unknown compression
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
_SYSTEM_NAMES = frozenset(("thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx", "$recycle.bin", "@eadir"))


@dataclass(frozen=True)
class _Listing:
    """What lies in a folder or ZIP: the paths of pictures and of dataset.json, and what was left out."""

    pictures: list[str]
    dataset_json: str | None
    notes: tuple[str, ...]


class _PictureFiles:
    """What folders and ZIPs share: names, labels and splits from the paths, and decoding."""

    def __init__(self, name: str, listing: _Listing, fingerprint: str) -> None:
        self.name = name
        self.names: Sequence[str] = listing.pictures
        self.fingerprint = fingerprint
        layout = labelling.read_layout(self.names)
        found = labelling.labels_from_folders(layout)
        if listing.dataset_json is not None:  # it wins over folders
            found = self._labels_from_json(listing.dataset_json)
        self.labels: NDArray[np.int64] | None = found.labels
        self.class_names: tuple[str, ...] = found.class_names
        self.labels_note = found.note
        self.held_out: NDArray[np.bool_] = layout.held_out
        self.notes: tuple[str, ...] = listing.notes + layout.notes

    def _labels_from_json(self, path: str) -> labelling.Labelling:
        folder = path.removesuffix(DATASET_JSON)
        relative = [name.removeprefix(folder) for name in self.names]
        return labelling.labels_from_dataset_json(self._bytes(path), relative, f"{path} of {self.name}")

    def read(self, index: int) -> Pixels:
        """One picture, upright: [H, W, C] uint8 or uint16. Raises PictureError."""
        with self._opened(self.names[index]) as file:
            return decode(file, self.names[index])

    def header(self, index: int) -> Header:
        """What the picture declares, without decoding it. Raises PictureError."""
        with self._opened(self.names[index]) as file:
            return read_header(file, self.names[index])

    def _bytes(self, path: str) -> bytes:
        raise NotImplementedError

    def _opened(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """A picture's file; damage on the way to its bytes is a PictureError."""
        raise NotImplementedError


class FolderSource(_PictureFiles):
    """All pictures in a folder and its sub-folders, in natural order, but no system and hidden files."""

    def __init__(self, name: str, folder: Path) -> None:
        self._folder = folder
        sizes, unreadable = _walk(folder)
        listing = _list_pictures(list(sizes), unreadable)
        if not listing.pictures:
            instead = [path for path in sizes if path.endswith((".zip", ".npz"))]
            hint = f" (or give {name}/{instead[0]} itself)" if instead else ""
            raise GanvasError(_no_pictures(name, listing) + hint)
        digest = hashlib.sha256(b"folder")
        for path in [*listing.pictures, *([listing.dataset_json] if listing.dataset_json else [])]:
            size, changed_ns = sizes[path]
            digest.update(b"%s\0%d\0%d\0" % (os.fsencode(path), size, changed_ns))
        super().__init__(name, listing, digest.hexdigest())

    def _bytes(self, path: str) -> bytes:
        return (self._folder / path).read_bytes()

    @contextmanager
    def _opened(self, path: str) -> Iterator[IO[bytes]]:
        try:
            with (self._folder / path).open("rb") as file:
                _check_size(path, os.fstat(file.fileno()).st_size)
                yield file
        except OSError as error:
            raise PictureError(path, f"cannot be read ({error.strerror or error})") from error


class ZipSource(_PictureFiles):
    """All pictures in a ZIP, read member by member: nothing is ever unpacked to disk."""

    def __init__(self, name: str, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
            raise GanvasError(f"{name} is not a readable ZIP file ({error}): copy or make it again") from error
        members = {info.filename.replace("\\", "/"): info for info in self._zip.infolist() if not info.is_dir()}
        listing = _list_pictures(list(members), 0)
        if not listing.pictures:
            arrays = any(path.endswith(".npy") for path in members)
            hint = " (or rename it to .npz: it holds arrays)" if arrays else ""
            raise GanvasError(_no_pictures(name, listing) + hint)
        used = [*listing.pictures, *([listing.dataset_json] if listing.dataset_json else [])]
        if any(members[path].flag_bits & 1 for path in used):
            raise GanvasError(f"{name} is encrypted: unpack it with its password and give the folder")
        digest = hashlib.sha256(b"zip")
        for member in used:
            info = members[member]
            digest.update(b"%s\0%d\0%d\0" % (member.encode("utf-8", "replace"), info.file_size, info.CRC))
        self._members = members
        super().__init__(name, listing, digest.hexdigest())

    def _bytes(self, path: str) -> bytes:
        return self._zip.read(self._members[path])

    @contextmanager
    def _opened(self, path: str) -> Iterator[IO[bytes]]:
        _check_size(path, self._members[path].file_size)
        try:
            with self._zip.open(self._members[path]) as file:
                yield file
        except PictureError:
            raise
        except _ZIP_DAMAGE as error:
            raise PictureError(path, f"cannot be unpacked ({error})") from error


def _check_size(path: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise PictureError(path, f"a file of {size / 2**30:.1f} GiB: more than 1 GiB is not read")


def _walk(folder: Path) -> tuple[dict[str, tuple[int, int]], int]:
    """Size and time of change of every file below `folder` by relative path, and how many folders refused.

    Links are followed, each folder once.
    """
    found: dict[str, tuple[int, int]] = {}
    refused: list[OSError] = []
    seen: set[str] = set()
    for where, folders, files in os.walk(folder, onerror=refused.append, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not _is_system(name)]
        relative = Path(where).relative_to(folder)
        for name in files:
            if _is_system(name):
                continue
            try:
                status = os.stat(os.path.join(where, name))
            except OSError:  # a link to nowhere: reading it will say so
                found[(relative / name).as_posix()] = (0, 0)
                continue
            found[(relative / name).as_posix()] = (status.st_size, status.st_mtime_ns)
    if refused and len(seen) == 0:
        raise GanvasError(f"{folder} cannot be read ({refused[0].strerror}): change its permissions")
    return found, len(refused)


def _list_pictures(paths: Sequence[str], unreadable_folders: int) -> _Listing:
    pictures: list[str] = []
    other: Counter[str] = Counter()
    json_paths: list[str] = []
    for path in paths:
        parts = PurePosixPath(path).parts
        if any(_is_system(part) for part in parts):
            continue
        suffix = PurePosixPath(path).suffix.lower()
        if suffix in SUFFIXES:
            pictures.append(path)
        elif parts[-1] == DATASET_JSON:
            json_paths.append(path)
        else:
            other[suffix or "no suffix"] += 1
    pictures = labelling.natural_sorted(pictures)
    notes = []
    if other:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in other.most_common(4))
        notes.append(f"{_count(sum(other.values()), 'file')} passed over, not named as pictures ({kinds})")
    if unreadable_folders:
        notes.append(f"{_count(unreadable_folders, 'folder')} could not be read: check the permissions")
    return _Listing(pictures, _root_json(json_paths, pictures), tuple(notes))


def _root_json(json_paths: Sequence[str], pictures: Sequence[str]) -> str | None:
    """The dataset.json at the root, or at the root of a single folder that wraps everything."""
    if DATASET_JSON in json_paths:
        return DATASET_JSON
    for path in json_paths:
        folder = path.removesuffix(DATASET_JSON)
        if folder.count("/") == 1 and all(name.startswith(folder) for name in pictures):
            return path
    return None


def _is_system(part: str) -> bool:
    return part.startswith(".") or part.lower() in _SYSTEM_NAMES


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _no_pictures(name: str, listing: _Listing) -> str:
    kinds = ", ".join(sorted(SUFFIXES & {".png", ".jpg", ".webp", ".gif", ".bmp", ".tif"}))
    held = f"; {listing.notes[0]}" if listing.notes else ", it is empty"
    return f"{name} holds no pictures{held}: give a folder or ZIP with {kinds} files"
