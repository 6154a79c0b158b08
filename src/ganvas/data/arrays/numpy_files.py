"""Pictures in arrays: .npy and .npz files, and arrays in memory.

Opening reads shapes, labels and, where the type of the numbers does not say what they mean, some pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.array_source import ArrayPart, ArraySource, array_part
from ganvas.data.arrays.levels import Rows
from ganvas.data.arrays.npz_arrays import NOT_AN_ARRAY, NpzArrays
from ganvas.data.arrays.volumes import VolumePart, VolumeSource, are_volumes, volume_part
from ganvas.data.download import Progress
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.errors import GanvasError

_IMAGES_NPY = "images.npy"


class _Rows:
    """Pictures of a list, without a copy of them all."""

    def __init__(self, pictures: Sequence[NDArray[Any]]) -> None:
        self._pictures = pictures
        self.shape, self.dtype = (len(pictures), *pictures[0].shape), pictures[0].dtype

    def __getitem__(self, row: int) -> NDArray[Any]:
        return self._pictures[row]


def open_array(
    array: NDArray[Any] | Sequence[NDArray[Any]],
    labels: NDArray[Any] | Sequence[int] | Sequence[str] | None = None,
    name: str = "array",
    options: SourceOptions = DEFAULT_OPTIONS,
    progress: Progress | None = None,
) -> ArraySource:
    """Pictures that are an array in memory, or a list of arrays of one size and type.

    array: [N, H, W], [N, H, W, C] or [N, C, H, W]; `ganvas.data.arrays.levels` says which types. Or volumes, cut as
    options.slices and .plane say (see `ganvas.data.arrays.volumes`, also for `progress`). labels: one whole number or
    name per picture, or per volume. Raises GanvasError for others, UsageError for slices that are not understood.
    """
    rows: Rows
    if isinstance(array, np.ndarray):
        rows = array
    else:
        pictures = [np.asarray(picture) for picture in array]
        kinds = {(picture.shape, str(picture.dtype)) for picture in pictures}
        if len(kinds) != 1:
            listed = ", ".join(f"{dtype} {list(shape)}" for shape, dtype in sorted(kinds)[:3]) or "none"
            raise GanvasError(f"the pictures of {name} must be of one size and type, but there are: {listed}")
        rows = _Rows(pictures)
    values = None if labels is None else np.asarray(labels)
    parts = _parts(name, [("train", rows, values)], options, progress)
    digest = hashlib.sha256(f"array {rows.shape} {rows.dtype.str}".encode())
    for row in range(rows.shape[0]):  # nothing but the content says whether an array is the same
        digest.update(np.ascontiguousarray(rows[row]).data)
    if values is not None:
        digest.update(repr(values.tolist()).encode())
    return _source(name, parts, None, digest, "the arrays", (), options)


def is_array_folder(folder: Path) -> bool:
    """Whether a folder holds images.npy."""
    return (folder / _IMAGES_NPY).is_file()


def open_npy(
    name: str, path: Path, options: SourceOptions = DEFAULT_OPTIONS, progress: Progress | None = None
) -> ArraySource:
    """The pictures of an .npy file, or of the images.npy of a folder, mapped rather than read.

    Labels are <file>_labels.npy beside it (for train_images.npy also train_labels.npy), or labels.npy, if they are
    as many as the pictures. Volumes are cut as options.slices and .plane say (see `ganvas.data.arrays.volumes`,
    also for `progress`). Raises GanvasError if the file holds neither, UsageError for slices that are not understood.
    """
    path = path / _IMAGES_NPY if path.is_dir() else path
    try:
        pictures = np.load(path, mmap_mode="r", allow_pickle=False)
    except NOT_AN_ARRAY as error:
        raise GanvasError(f"{name} is not a readable .npy file of numbers ({error}): copy or save it again") from error
    if not isinstance(pictures, np.ndarray):  # numpy opens an .npz whatever its name
        raise GanvasError(f"{name} holds several arrays: rename it to .npz")
    digest = hashlib.sha256(b"npy")
    digest.update(_identity(path))
    if pictures.ndim == 0:
        pictures = pictures.reshape(1)  # for its shape to be refused with those of others
    values, found, notes = None, "the arrays", []
    for beside in dict.fromkeys((f"{path.stem}_labels", path.stem.replace("images", "labels"), "labels")):
        file = path.with_name(f"{beside}.npy")
        if file == path or not file.is_file():
            continue
        values, why_not = _labels_of_npy(file, pictures.shape[0])
        if why_not:
            notes.append(f"{file.name} beside it is passed over: {why_not}")
        else:
            found = file.name
            digest.update(_identity(file))
            break
    parts = _parts(name, [("train", pictures, values)], options, progress)
    return _source(name, parts, None, digest, found, notes, options)


def _labels_of_npy(file: Path, count: int) -> tuple[NDArray[np.generic] | None, str]:
    """The labels of `count` pictures; or None and why the file gives none."""
    try:
        mapped = np.load(file, mmap_mode="r", allow_pickle=False)
    except NOT_AN_ARRAY as error:
        return None, f"it cannot be read ({error})"
    if not isinstance(mapped, np.ndarray) or mapped.shape not in ((count,), (count, 1)):
        return None, f"it has the shape {list(mapped.shape)} for {count} pictures"
    if mapped.dtype.kind not in "iuU":
        return None, f"it holds {mapped.dtype}, not whole numbers or names"
    return np.array(mapped), ""


def _identity(path: Path) -> bytes:
    status = path.stat()
    return b"%s\0%d\0%d\0" % (path.name.encode("utf-8", "replace"), status.st_size, status.st_mtime_ns)


def open_npz(
    name: str, path: Path, options: SourceOptions = DEFAULT_OPTIONS, progress: Progress | None = None
) -> ArraySource:
    """An .npz with `images` (and `labels`), or `train_images`, `train_labels`, `test_images`, `test_labels`.

    images: [N, H, W], [N, H, W, C] or, with 1, 3 or 4 channels, [N, C, H, W]; or volumes, cut as options.slices and
    .plane say (see `ganvas.data.arrays.volumes`, also for `progress`); `ganvas.data.arrays.levels` says which types.
    They may be called otherwise: as options.image_column says; or x, data, voxels, ...; or anything, if no other array
    can be pictures. labels (label, y, targets, or options.label_column): [N] whole numbers or names; `class_names` may
    name them. Other arrays [N] of numbers or text become columns.
    Raises GanvasError, listing the arrays, for anything else; UsageError if one that options name is not there.
    """
    arrays = NpzArrays(name, path)
    digest = hashlib.sha256(arrays.digest)
    named = (options.image_column, options.label_column)
    if any(named):
        digest.update(repr(named).encode("utf-8", "replace"))
    chosen, notes = arrays.pictures(options)
    values = arrays.labels(chosen, options)
    given = [(part.part, part.rows, labels) for part, labels in zip(chosen, values, strict=True)]
    columns, passed_over = arrays.columns(chosen, options)
    notes += passed_over
    parts = _parts(name, given, options, progress)
    source = _source(name, parts, arrays.class_names(), digest, "the arrays", notes, options, in_order=True)
    source.take_columns(columns)
    return source


def _parts(
    name: str,
    given: Sequence[tuple[str, Rows, NDArray[np.generic] | None]],
    options: SourceOptions,
    progress: Progress | None,
) -> list[ArrayPart]:
    """What is given, each (part, rows, labels), as pictures; or as the slices of it, if the first are volumes."""
    if are_volumes(given[0][1].shape):
        return [volume_part(name, part, rows, values, options, progress) for part, rows, values in given]
    return [array_part(name, part, rows, values) for part, rows, values in given]


def _source(
    name: str,
    parts: Sequence[ArrayPart],
    class_names: Sequence[str] | None,
    digest: hashlib._Hash,
    origin: str,
    notes: Sequence[str],
    options: SourceOptions,
    *,
    in_order: bool = False,
) -> ArraySource:
    """`digest` is that of the arrays; of volumes, the options that chose the slices belong to the content too."""
    cut = [part for part in parts if isinstance(part, VolumePart)]
    if not cut:
        return ArraySource(name, parts, class_names, digest.hexdigest(), origin, notes, in_order=in_order)
    digest.update(repr((options.slices, options.plane)).encode())
    return VolumeSource(name, cut, class_names, digest.hexdigest(), origin, notes, options, in_order=in_order)
