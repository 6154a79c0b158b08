"""Where pictures come from: a folder, a ZIP, arrays or a built-in name, all behind one small protocol.

Opening a source never decodes its pictures. They are read one by one, in any order, from several threads.
"""

from __future__ import annotations

import difflib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ganvas.data import arrays, builtin
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.download import Progress
from ganvas.data.files import FolderSource, ZipSource
from ganvas.errors import GanvasError

__all__ = ["FolderSource", "Header", "PictureError", "Pixels", "Source", "ZipSource", "open_source"]


class Source(Protocol):
    """Pictures with names, maybe labels, and how they are split. All sequences have one entry per picture.

    A source may also have `default_resolution: tuple[int, int]`, (height, width), for pictures that are best
    stored at another size than their own, and `in_order = True` if reading anywhere but forward is slow.
    """

    @property
    def name(self) -> str:
        """The source as the user gave it."""

    @property
    def names(self) -> Sequence[str]:
        """A relative path with forward slashes, or a place such as "train[17]"."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Places in `class_names`, or None."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """In natural order ("9" before "10"); empty without labels."""

    @property
    def labels_note(self) -> str:
        """One sentence on where the labels come from, or why there are none."""

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """True for pictures that are kept from training."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What else the user should know."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal of what identifies the content without reading all of it."""

    def read(self, index: int) -> Pixels:
        """One picture, upright: [H, W, C], C of 1 (grey), 2 (with alpha), 3 (RGB) or 4; or PictureError."""

    def header(self, index: int) -> Header:
        """What the picture declares, without decoding it. Raises PictureError."""


def open_source(name: str | Path, progress: Progress | None = None) -> Source:
    """Open a folder or ZIP of pictures, an .npz, idx files as MNIST ships them, or a built-in by its name.

    A built-in name given as text always means the built-in ("./digits" or a Path names what is on disk).
    `progress` is called with file, bytes done and bytes in all while a built-in is downloaded.
    Raises GanvasError if there is nothing there, or nothing that can be used.
    """
    if isinstance(name, str) and name in builtin.BUILTINS:
        return builtin.open_builtin(name, progress)
    given, path = str(name), Path(name).expanduser()
    if not path.exists():
        raise GanvasError(_not_there(given, isinstance(name, str)))
    if path.is_dir():
        if arrays.idx_files_in(path):
            return arrays.open_idx(given, path)
        return FolderSource(given, path)
    return _open_file(given, path)


def _open_file(given: str, path: Path) -> Source:
    if arrays.is_idx(path):
        return arrays.open_idx(given, path)
    if zipfile.is_zipfile(path):
        if path.suffix.lower() == ".npz":
            return arrays.open_npz(given, path)
        return ZipSource(given, path)
    if path.suffix.lower() in (".zip", ".npz"):
        raise GanvasError(f"{given} is not a readable ZIP file: it is damaged or cut off; copy or make it again")
    raise GanvasError(
        f"{given} is not a source of pictures: expected a folder, a .zip, an .npz, idx files or one of "
        f"{', '.join(builtin.BUILTINS)}"
    )


def _not_there(given: str, may_be_name: bool) -> str:
    known = ", ".join(builtin.BUILTINS)
    message = f"{given} is not there: give a folder, a .zip, an .npz, idx files or one of {known}"
    nearest = difflib.get_close_matches(given.lower(), builtin.BUILTINS, n=1, cutoff=0.5) if may_be_name else []
    if not nearest:
        parent = Path(given).expanduser().parent
        beside = os.listdir(parent) if parent.is_dir() and os.access(parent, os.R_OK) else []
        nearest = [str(Path(given).parent / near) for near in difflib.get_close_matches(Path(given).name, beside, n=1)]
    return message + (f" (did you mean {nearest[0]}?)" if nearest else "")
