"""Pictures in arrays: .npy and .npz files, the idx files that MNIST ships, and arrays in memory.

Opening reads shapes, labels and, where the type of the numbers does not say what they mean, some pictures.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data.array_source import ArraySource, array_part
from ganvas.data.blocks import Blocks
from ganvas.data.download import Progress
from ganvas.data.levels import Rows
from ganvas.data.npz_arrays import NOT_AN_ARRAY, NpzArrays
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.data.volumes import VolumeSource, are_volumes, volume_part
from ganvas.errors import GanvasError

_IDX_NAME = re.compile(r"(?P<prefix>.*)images(?P<dot>[-.])idx3-ubyte(?P<gz>\.gz)?")
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
) -> ArraySource:
    """Pictures that are an array in memory, or a list of arrays of one size and type.

    array: [N, H, W], [N, H, W, C] or [N, C, H, W]; `ganvas.data.levels` says which types. labels: one whole number or
    name per picture. Raises GanvasError for others.
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
    part = array_part(name, "train", rows, values)
    digest = hashlib.sha256(f"array {rows.shape} {rows.dtype.str}".encode())
    for row in range(rows.shape[0]):  # nothing but the content says whether an array is the same
        digest.update(np.ascontiguousarray(rows[row]).data)
    if values is not None:
        digest.update(repr(values.tolist()).encode())
    return ArraySource(name, [part], None, digest.hexdigest(), "the arrays")


def is_array_folder(folder: Path) -> bool:
    """Whether a folder holds images.npy."""
    return (folder / _IMAGES_NPY).is_file()


def open_npy(
    name: str, path: Path, options: SourceOptions = DEFAULT_OPTIONS, progress: Progress | None = None
) -> ArraySource:
    """The pictures of an .npy file, or of the images.npy of a folder, mapped rather than read.

    Labels are <file>_labels.npy beside it (for train_images.npy also train_labels.npy), or labels.npy, if they are
    as many as the pictures. Volumes are cut as options.slices and .plane say (see `ganvas.data.volumes`, also for
    `progress`). Raises GanvasError if the file holds neither, UsageError for slices that are not understood.
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
    return _source(name, [("train", pictures, values)], None, digest, found, notes, options, progress)


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
    .plane say (see `ganvas.data.volumes`, also for `progress`); `ganvas.data.levels` says which types. They may be
    called otherwise: as options.image_column says; or x, data, voxels, ...; or anything, if no other array can be
    pictures. labels (label, y, targets, or options.label_column): [N] whole numbers or names; `class_names` may name
    them. Other arrays [N] of numbers or text become columns.
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
    source = _source(name, given, arrays.class_names(), digest, "the arrays", notes, options, progress, in_order=True)
    source.take_columns(columns)
    return source


def _source(
    name: str,
    given: Sequence[tuple[str, Rows, NDArray[np.generic] | None]],
    class_names: Sequence[str] | None,
    digest: hashlib._Hash,
    origin: str,
    notes: Sequence[str],
    options: SourceOptions,
    progress: Progress | None = None,
    *,
    in_order: bool = False,
) -> ArraySource:
    """Pictures of what is given, each (part, rows, labels); the slices of them, if the first are volumes."""
    if not are_volumes(given[0][1].shape):
        parts = [array_part(name, part, rows, values) for part, rows, values in given]
        return ArraySource(name, parts, class_names, digest.hexdigest(), origin, notes, in_order=in_order)
    digest.update(repr((options.slices, options.plane)).encode())
    cut = [volume_part(name, part, rows, values, options, progress) for part, rows, values in given]
    return VolumeSource(name, cut, class_names, digest.hexdigest(), origin, notes, options, in_order=in_order)


def idx_files_in(folder: Path) -> list[Path]:
    """The files of images in idx format in `folder`, sorted."""
    return sorted(path for path in folder.iterdir() if _IDX_NAME.fullmatch(path.name) and path.is_file())


def is_idx(path: Path) -> bool:
    """Whether a file is named or begins as idx files do (also gzipped)."""
    if _IDX_NAME.fullmatch(path.name):
        return True
    with path.open("rb") as file:
        return file.read(4) == b"\0\0\x08\x03"


def open_idx(name: str, path: Path, class_names: Sequence[str] | None = None) -> ArraySource:
    """idx files as MNIST ships them: the folder that holds them, or the one file of images (also gzipped).

    Labels lie beside the images; images named t10k or test beside those named train are held out.
    Raises GanvasError if the files are not such files, or do not fit together.
    """
    if path.is_dir():
        found = idx_files_in(path)
        training = [file for file in found if "train" in file.name] or found
        if len(training) != 1:
            listed = ", ".join(file.name for file in training)
            raise GanvasError(f"{name} holds several files of training images ({listed}): give one of these files")
        path = training[0]
    files = {"train": path}
    if "train" in path.name:
        for test in ("t10k", "test"):
            beside = _with_or_without_gz(path.with_name(path.name.replace("train", test)))
            if beside is not None:
                files["test"] = beside
    digest = hashlib.sha256(b"idx")
    parts = []
    for part, images in files.items():
        labels = _labels_beside(images)
        for file in (images, labels):
            if file is not None:
                digest.update(_sha256_of(file))
        values = None if labels is None else _all(name, _idx(name, labels, 1))
        parts.append(array_part(name, part, _idx(name, images, 3), values))
    return ArraySource(name, parts, class_names, digest.hexdigest(), "the idx files", in_order=True)


def _all(name: str, blocks: Blocks) -> NDArray[np.generic]:
    try:
        return blocks.all()
    except NOT_AN_ARRAY as error:
        raise GanvasError(f"labels of {name} cannot be read ({error}): copy the file again") from error


def _labels_beside(images: Path) -> Path | None:
    if not _IDX_NAME.fullmatch(images.name):
        return None
    return _with_or_without_gz(images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1")))


def _with_or_without_gz(path: Path) -> Path | None:
    bare = path.name.removesuffix(".gz")
    candidates = (path.with_name(bare + suffix) for suffix in ("", ".gz"))
    dotted = [path.with_name(_other_dot(bare) + suffix) for suffix in ("", ".gz")]
    return next((file for file in (*candidates, *dotted) if file.is_file()), None)


def _other_dot(name: str) -> str:
    return name.replace(".idx", "-idx") if ".idx" in name else name.replace("-idx", ".idx")


def _sha256_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _idx(name: str, path: Path, dimensions: int) -> Blocks:
    """An idx file of bytes: four that say so, one big-endian 32-bit length per dimension, then the values."""

    def opened() -> IO[bytes]:
        return cast(IO[bytes], gzip.open(path, "rb") if _is_gzip(path) else path.open("rb"))

    try:
        with opened() as file:
            magic = file.read(4)
            lengths = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    except NOT_AN_ARRAY as error:
        raise GanvasError(f"{path.name} of {name} is not a readable idx file ({error}): copy it again") from error
    if magic != bytes((0, 0, 8, dimensions)):
        raise GanvasError(
            f"{path.name} of {name} is not an idx file of {dimensions} dimensions: it begins with "
            f"{magic.hex()}, expected 0000080{dimensions}"
        )
    size = path.stat().st_size
    expected = 4 + 4 * dimensions + int(np.prod(lengths, dtype=object))
    if not _is_gzip(path) and size != expected:
        raise GanvasError(f"{path.name} of {name} has {size} bytes, its header declares {expected}: copy it again")
    return Blocks(opened, 4 + 4 * dimensions, lengths, np.dtype(np.uint8))


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
