"""Where pictures come from: whatever is given, `open_source` finds out what it is and opens it.

Opening a source never decodes its pictures. They are read one by one, in any order.
"""

from __future__ import annotations

import difflib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data import builtin
from ganvas.data.arrays.cifar import is_cifar_archive, is_cifar_folder, open_cifar
from ganvas.data.arrays.hdf5 import open_hdf5
from ganvas.data.arrays.idx import idx_files_in, is_idx, open_idx
from ganvas.data.arrays.numpy_files import is_array_folder, open_array, open_npy, open_npz
from ganvas.data.contract import Column, Source
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.download import Progress
from ganvas.data.files.archives import TarSource, ZipSource, is_tar
from ganvas.data.files.folders import FolderSource, PathListSource, read_path_list
from ganvas.data.labels import HELD_OUT_FOLDERS
from ganvas.data.medical.dicom import open_dicom
from ganvas.data.medical.dicom_files import is_dicom
from ganvas.data.medical.nifti import is_nifti, open_nifti
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.data.pairs import open_pairs
from ganvas.data.shards.addresses import expand, is_shards
from ganvas.data.shards.remote import is_remote, redacted
from ganvas.data.shards.streamed import StreamedSource
from ganvas.data.shards.webdataset import WebDatasetSource
from ganvas.data.store import is_store
from ganvas.data.stored import StoreSource
from ganvas.data.tables.hub import hub_shards, open_hub
from ganvas.data.tables.table_files import is_table_folder, open_dataset, open_files, open_table, split_of
from ganvas.data.video.source import is_video, open_video
from ganvas.errors import GanvasError, UsageError

__all__ = [
    "Column",
    "FolderSource",
    "Header",
    "PictureError",
    "Pixels",
    "Source",
    "SourceOptions",
    "TarSource",
    "ZipSource",
    "open_source",
]

Given = str | Path | Sequence[str | Path] | Source | Any  # also an array, or a data set of `datasets`
KINDS = (
    "a folder, a .zip or .tar of pictures, .npz, .npy, idx, CIFAR, HDF5, Parquet or Arrow files, videos, DICOM or "
    "NIfTI, webdataset shards, a list of paths (.txt), hf://datasets/..."
)
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_TABLES = (".parquet", ".arrow", ".feather")


def open_source(given: Given, progress: Progress | None = None, options: SourceOptions = DEFAULT_OPTIONS) -> Source:
    """Open pictures of any kind: what a path, an address or a built-in name means, or what Python holds.

    given: a file or folder (see `ganvas data check --help`), a store, shards such as train-{000..127}.tar, an
    hf:// or other address, a built-in name; a list of paths, an array [N, H, W, C], a data set of `datasets`, or a
    source. A built-in name given as text always means the built-in ("./digits" or a Path names what is on disk).
    `progress` is called with what is done, done and in all, while something is downloaded or scanned.
    Raises GanvasError if there is nothing there, or nothing that can be used; UsageError for options that do not fit.
    """
    if not isinstance(given, str | Path):
        return open_pairs(_open_object(given, progress, options), options)
    name = str(given)
    if isinstance(given, str):
        if given in builtin.BUILTINS:
            return open_pairs(builtin.open_builtin(given, progress), options)
        opened = _open_address(given, progress, options)
        if opened is not None:
            return open_pairs(opened, options)
    path = Path(given).expanduser()
    if not path.exists():
        raise GanvasError(_not_there(name, isinstance(given, str)))
    if path.is_dir() and is_store(path):
        return StoreSource(name, path, options)
    opened = _open_folder(name, path, progress, options) if path.is_dir() else _open_file(name, path, progress, options)
    return open_pairs(opened, options)


def _open_object(given: Any, progress: Progress | None, options: SourceOptions) -> Source:
    """What Python code may hand over."""
    if isinstance(given, np.ndarray):
        return open_array(given, options=options, progress=progress)
    if type(given).__module__.partition(".")[0] == "datasets":
        return open_dataset(given, options)
    if hasattr(given, "read") and hasattr(given, "names") and hasattr(given, "fingerprint"):
        source: Source = given
        return source
    if isinstance(given, Sequence) and given:
        if all(isinstance(one, str | Path) for one in given):
            return PathListSource("a list of paths", given, options=options)
        if all(isinstance(one, np.ndarray) for one in given):
            return open_array(given, options=options, progress=progress)
    raise UsageError(f"{type(given).__name__} is not a source of pictures: give {KINDS}, or an array [N, H, W, C]")


def _open_address(given: str, progress: Progress | None, options: SourceOptions) -> Source | None:
    """What is no path: addresses of shards and of the Hub; None for what may be a path."""
    if given.startswith("hf://") and not given.split("?")[0].endswith(_TARS):
        if not options.stream:
            return open_hub(given, options, progress)
        return StreamedSource(given, options, _training_shards(given))
    if options.stream or is_remote(given):
        shards = expand(given)
        others = [shard for shard in shards if not shard.split("?")[0].lower().endswith((*_TARS, ".parquet"))]
        if others:
            raise UsageError(
                f"only shards (.tar, .parquet) can be streamed, not {redacted(others[0])}: prepare it first"
            )
        return StreamedSource(given, options, shards)
    if not Path(given).expanduser().exists() and is_shards(given):
        shards = expand(given)
        if all(shard.lower().endswith(_TABLES) for shard in shards):
            root = Path(os.path.commonpath(shards))
            return open_files(given, root, [(Path(shard), split_of(shard)) for shard in shards], options)
        return WebDatasetSource(given, shards, options)
    return None


def _training_shards(address: str) -> list[str]:
    shards = [shard.address for shard in hub_shards(address) if shard.split.casefold() not in HELD_OUT_FOLDERS]
    if not shards:
        raise GanvasError(f"{address} has no shards to train on: all are named val or test")
    return shards


def _open_folder(name: str, path: Path, progress: Progress | None, options: SourceOptions) -> Source:
    if idx_files_in(path):
        return open_idx(name, path)
    if is_cifar_folder(path):
        return open_cifar(name, path)
    if is_array_folder(path):
        return open_npy(name, path, options, progress)
    if is_dicom(path):
        return open_dicom(name, path, options, progress)
    if is_nifti(path):
        return open_nifti(name, path, options, progress)
    if is_table_folder(path):
        return open_table(name, path, options)
    if is_video(path):
        return open_video(name, path, options, progress)
    if is_shards(str(path)):
        return WebDatasetSource(name, expand(str(path)), options)
    return FolderSource(name, path, options)


def _open_file(name: str, path: Path, progress: Progress | None, options: SourceOptions) -> Source:
    lower = path.name.lower()
    if is_idx(path):
        return open_idx(name, path)
    if zipfile.is_zipfile(path):
        if lower.endswith(".npz"):
            return open_npz(name, path, options, progress)
        return open_dicom(name, path, options, progress) if is_dicom(path) else ZipSource(name, path, options)
    if lower.endswith((".zip", ".npz")):
        raise GanvasError(f"{name} is not a readable ZIP file: it is damaged or cut off; copy or make it again")
    if lower.endswith(_TARS):
        if is_cifar_archive(path):
            return open_cifar(name, path)
        return WebDatasetSource(name, [str(path)], options) if is_shards(name) else TarSource(name, path, options)
    if lower.endswith(".npy"):
        return open_npy(name, path, options, progress)
    if lower.endswith((".h5", ".hdf5", ".hdf")):
        return open_hdf5(name, path, options, progress)
    if lower.endswith(_TABLES):
        return open_table(name, path, options)
    if lower.endswith((".txt", ".lst")):
        return read_path_list(name, path, options)
    if is_nifti(path):
        return open_nifti(name, path, options, progress)
    if is_dicom(path):
        return open_dicom(name, path, options, progress)
    if is_video(path):
        return open_video(name, path, options, progress)
    if is_tar(path):
        return TarSource(name, path, options)
    raise GanvasError(f"{name} is not a source of pictures: expected {KINDS}, or one of {', '.join(builtin.BUILTINS)}")


def _not_there(given: str, may_be_name: bool) -> str:
    known = ", ".join(builtin.BUILTINS)
    message = f"{given} is not there: give {KINDS}, or one of {known}"
    nearest = difflib.get_close_matches(given.lower(), builtin.BUILTINS, n=1, cutoff=0.5) if may_be_name else []
    if not nearest:
        parent = Path(given).expanduser().parent
        beside = os.listdir(parent) if parent.is_dir() and os.access(parent, os.R_OK) else []
        nearest = [str(Path(given).parent / near) for near in difflib.get_close_matches(Path(given).name, beside, n=1)]
    return message + (f" (did you mean {nearest[0]}?)" if nearest else "")
