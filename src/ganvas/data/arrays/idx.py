"""The idx files that MNIST ships: four bytes that say so, the lengths of the sides, then bytes of pixels."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.array_source import ArraySource, array_part
from ganvas.data.arrays.blocks import Blocks
from ganvas.data.arrays.npz_arrays import NOT_AN_ARRAY
from ganvas.errors import GanvasError

_IDX_NAME = re.compile(r"(?P<prefix>.*)images(?P<dot>[-.])idx3-ubyte(?P<gz>\.gz)?")


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
