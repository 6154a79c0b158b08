"""What a container of picture files holds: which files are its pictures, their names, and the tables beside them."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import EncodedPictures
from ganvas.data.decode import SUFFIXES, PictureError
from ganvas.data.files.sidecars import Sidecar, read_sidecars
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError

LARGEST_FILE = 1 << 30  # bytes of a picture; also what keeps a member from growing without end while it is unpacked
LARGEST_TABLE = 256 << 20  # bytes of a table beside the pictures, which is read whole
FIRST_BYTES = 32  # enough to know a picture by

_TABLES_ANYWHERE = frozenset(("metadata.jsonl", "metadata.csv"))
_TABLES_AT_ROOT = frozenset(("dataset.json", "labels.csv"))
_SYSTEM_NAMES = frozenset(("thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx", "$recycle.bin", "@eadir"))
# Camera raw files are TIFF files whose first picture is a small preview.
_RAW_SUFFIXES = frozenset((".dng", ".nef", ".cr2", ".arw", ".orf", ".rw2", ".pef", ".srw"))
_PICTURE_STARTS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II[*+]\0|MM\0[*+]|P[56]\s"
    rb"|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    re.DOTALL,
)
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Listing:
    """The pictures of a container: their `paths` in it and their `names` for the user, [N] each, in order.

    tables: the paths of tables of labels beside them. notes: what was left out.
    """

    paths: list[str]
    names: list[str]
    tables: list[str]
    notes: tuple[str, ...]


def list_pictures(paths: Iterable[str], first_bytes: Callable[[str], bytes], natural_order: bool = True) -> Listing:
    """The pictures among `paths` (relative, forward slashes), without system and hidden files.

    Pictures are known by their suffix; only if no path has such a suffix are files known by their `first_bytes`,
    which may raise PictureError. natural_order: False keeps the order of `paths`.
    """
    pictures: list[str] = []
    other: list[str] = []
    tables: list[str] = []
    for path in paths:
        parts = path.split("/")
        if any(_is_system(part) for part in parts):
            continue
        if _suffix(path) in SUFFIXES:
            pictures.append(path)
        elif parts[-1] in _TABLES_ANYWHERE or parts[-1] in _TABLES_AT_ROOT:
            tables.append(path)
        else:
            other.append(path)
    notes = []
    if not pictures and other:
        pictures = [path for path in other if _looks_like_a_picture(path, first_bytes)]
        if pictures:
            known = set(pictures)
            other = [path for path in other if path not in known]
            notes.append(f"{counted(len(pictures), 'file')} not named as pictures used, as the content is one")
    if natural_order:
        pictures = labelling.natural_sorted(pictures)
    if other:
        kinds = Counter(printable(_suffix(path))[:12] or "no suffix" for path in other).most_common(4)
        listed = ", ".join(f"{count} {suffix}" for suffix, count in kinds)
        notes.append(f"{counted(len(other), 'file')} passed over, not named as pictures ({listed})")
    return Listing(pictures, unique_names(pictures), _used_tables(tables, pictures), tuple(notes))


def printable(name: str) -> str:
    """`name` with %XX for control characters and for bytes that are not UTF-8, so that it can be shown and saved."""
    return _UNPRINTABLE.sub(lambda found: _escaped(ord(found[0])), name)


def unique_names(paths: Sequence[str]) -> list[str]:
    """Printable names of different paths, no two equal."""
    names = [printable(path) for path in paths]
    if len(set(names)) == len(names):
        return names
    taken = set(paths)
    for i, path in enumerate(paths):
        while names[i] != path and names[i] in taken:
            names[i] += "_"
        taken.add(names[i])
    return names


def counted(number: int, noun: str) -> str:
    """ "1 file", "2 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def check_size(name: str, size: int) -> None:
    """Raise PictureError for a file that is too large to be read whole."""
    if size > LARGEST_FILE:
        raise PictureError(name, f"a file of {size / 2**30:.1f} GiB: more than 1 GiB is not read")


def no_pictures(name: str, listing: Listing, instead: str = "") -> GanvasError:
    """What to raise for a container without pictures; `instead` says what else could be done."""
    kinds = ", ".join(sorted(SUFFIXES & {".png", ".jpg", ".webp", ".gif", ".bmp", ".tif"}))
    held = f"; {listing.notes[0]}" if listing.notes else ", it is empty"
    return GanvasError(f"{name} holds no pictures{held}: give a folder or ZIP with {kinds} files{instead}")


def fingerprint(kind: str, entries: Iterable[tuple[str, int, int | str]], options: SourceOptions) -> str:
    """SHA-256 of (path, size, time of change or checksum) of each file, and of a table of labels elsewhere."""
    digest = hashlib.sha256(kind.encode())
    for path, size, changed in entries:
        digest.update(f"{path}\0{size}\0{changed}\0".encode("utf-8", "surrogatepass"))
    if options.labels_file is not None:
        try:
            status = os.stat(options.labels_file)
            digest.update(f"labels\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        except OSError:
            pass  # reading it will say so
    for column in (options.image_column, options.label_column):
        if column is not None:
            digest.update(f"column\0{column}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class PictureFiles(EncodedPictures):
    """What all containers share: names, and labels and splits from tables or else from the paths.

    A subclass sets `name` and `fingerprint`, gives contents by path, and may open a picture more cheaply.
    """

    def __init__(self, name: str, listing: Listing, fingerprint: str, options: SourceOptions) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.names: Sequence[str] = listing.names
        self._paths: Sequence[str] = listing.paths
        layout = labelling.read_layout(self.names)
        sidecar = self._read_tables(listing.tables, options)
        found = sidecar.labelling if sidecar is not None else None
        if found is None:
            found = labelling.labels_from_folders(layout)
        self.labels: NDArray[np.int64] | None = found.labels
        self.class_names: tuple[str, ...] = found.class_names
        self.labels_note = found.note
        self.held_out: NDArray[np.bool_] = layout.held_out
        self.notes: tuple[str, ...] = listing.notes + layout.notes
        if sidecar is not None:
            if sidecar.held_out is not None:
                self.held_out, self.notes = sidecar.held_out, listing.notes
            self.groups = sidecar.groups
            self.columns = sidecar.columns
            self.notes += sidecar.notes

    def _read_tables(self, paths: Sequence[str], options: SourceOptions) -> Sidecar | None:
        if not paths and options.labels_file is None:
            return None
        found: dict[str, bytes] = {}
        for path in paths:
            where = f"{printable(path)} of {self.name}"
            if self._length(path) > LARGEST_TABLE:
                raise GanvasError(
                    f"{where} is larger than {LARGEST_TABLE >> 20} MiB: keep what is needed of it, or move it away"
                )
            try:
                found[printable(path)] = self._content(path, path)
            except PictureError as error:
                raise GanvasError(f"{where} cannot be read ({error.reason}): mend it or move it away") from error
        return read_sidecars(found, self.names, options, self.name)

    def encoded(self, index: int) -> bytes:
        """The whole file of one picture. Raises PictureError if its bytes cannot be had."""
        return self._content(self._paths[index], self.names[index])

    def size(self, index: int) -> int:
        """Bytes of the file, without reading it."""
        return self._length(self._paths[index])

    def _content(self, path: str, name: str) -> bytes:
        """All bytes of the file at `path`; PictureError(name, ...) where that fails."""
        raise NotImplementedError

    def _length(self, path: str) -> int:
        raise NotImplementedError


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1].lower()


def _is_system(part: str) -> bool:
    return part.startswith(".") or part.lower() in _SYSTEM_NAMES


def _looks_like_a_picture(path: str, first_bytes: Callable[[str], bytes]) -> bool:
    if _suffix(path) in _RAW_SUFFIXES:
        return False
    try:
        return _PICTURE_STARTS.match(first_bytes(path)) is not None
    except PictureError:
        return False


def _used_tables(tables: Sequence[str], pictures: Sequence[str]) -> list[str]:
    """metadata.* of any folder; the others at the root, or at the root of a single folder that wraps everything."""
    first = {path.partition("/")[0] for path in pictures}
    wrapping = first.pop() + "/" if len(first) == 1 and all("/" in path for path in pictures) else None
    return [
        path
        for path in tables
        if path.rpartition("/")[2] in _TABLES_ANYWHERE or path.rpartition("/")[0] in ("", (wrapping or "/")[:-1])
    ]


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is not UTF-8
        code -= 0xDC00
    return f"%{code:02X}" if code < 256 else f"%u{code:04X}"
