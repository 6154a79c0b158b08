"""Pictures in arrays: .npz files and the idx files that MNIST ships. Opening reads shapes and labels only."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.blocks import Blocks
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.errors import GanvasError

_IDX_NAME = re.compile(r"(?P<prefix>.*)images(?P<dot>[-.])idx3-ubyte(?P<gz>\.gz)?")
_DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, ValueError)
_HOW_TO_CONVERT = "save 8-bit pictures instead, for values in [0, 1] with (images * 255).round().astype(numpy.uint8)"


@dataclass(frozen=True)
class Part:
    """Some of a source's pictures: "train" or "test", their pixels, and label values or None."""

    name: str
    pictures: Blocks | Pixels
    channels_first: bool
    label_values: NDArray[np.generic] | None
    held_out: bool

    @property
    def header(self) -> Header:
        """Size, channels and bits that all pictures of the part share."""
        shape = self.pictures.shape[1:]
        height, width, channels = (*shape[1:], shape[0]) if self.channels_first else (*shape, 1)[:3]
        return Header(width, height, channels, self.pictures.dtype.itemsize * 8)


class ArraySource:
    """Pictures from arrays, training part first. See `ganvas.data.sources.Source`."""

    in_order = True  # read from front to back, or blocks are unpacked again and again

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        class_names: Sequence[str] | None,
        fingerprint: str,
        origin: str,
    ) -> None:
        values = [part.label_values for part in parts]
        notes: list[str] = []
        if values[0] is not None and any(value is None for value in values):
            parts, values = parts[:1], values[:1]
            notes.append("the test pictures are left out: they have no labels, the training pictures have")
        for part, value in zip(parts, values, strict=True):
            if value is not None and len(value) != part.pictures.shape[0]:
                raise GanvasError(
                    f"{name} has {part.pictures.shape[0]} {part.name} pictures but {len(value)} labels "
                    "for them: there must be one label per picture"
                )
        found = labelling.unlabelled(f"{origin} hold no labels")
        if values[0] is not None:
            found = labelling.labels_from_values(
                np.concatenate(cast(list[NDArray[np.generic]], values)), class_names, origin
            )
        self.name, self.fingerprint, self._parts = name, fingerprint, tuple(parts)
        self.labels: NDArray[np.int64] | None = found.labels
        self.class_names: tuple[str, ...] = found.class_names
        self.labels_note = found.note
        self.notes: tuple[str, ...] = tuple(notes)
        counts = [part.pictures.shape[0] for part in parts]
        self.names: Sequence[str] = [
            f"{p.name}[{i}]" for p, count in zip(parts, counts, strict=True) for i in range(count)
        ]
        self.held_out: NDArray[np.bool_] = np.repeat([part.held_out for part in parts], counts)

    def read(self, index: int) -> Pixels:
        """One picture: [H, W, C] uint8 or uint16. Raises PictureError."""
        part, place = self._find(index)
        try:
            picture = part.pictures[place]
        except _DAMAGE as error:
            raise PictureError(self.names[index], f"cannot be read ({error})") from error
        if part.channels_first:
            return picture.transpose(1, 2, 0)
        return picture if picture.ndim == 3 else picture[..., None]

    def header(self, index: int) -> Header:
        """What the picture's array declares."""
        return self._find(index)[0].header

    def _find(self, index: int) -> tuple[Part, int]:
        for part in self._parts:
            if index < part.pictures.shape[0]:
                return part, index
            index -= part.pictures.shape[0]
        raise IndexError(index)


def open_npz(name: str, path: Path) -> ArraySource:
    """An .npz with `images` (and `labels`), or `train_images`, `train_labels`, `test_images`, `test_labels`.

    images: [N, H, W], [N, H, W, C] or, with 1, 3 or 4 channels, [N, C, H, W]; uint8 or uint16. labels: [N]
    whole numbers or names. `class_names` may name the labels. Raises GanvasError for anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    except _DAMAGE as error:
        raise GanvasError(f"{name} is not a readable .npz file ({error}): copy or make it again") from error
    digest = hashlib.sha256(b"npz")
    for info in members.values():
        digest.update(b"%s\0%d\0%d\0" % (info.filename.encode("utf-8", "replace"), info.file_size, info.CRC))
    prefix = next((prefix for prefix in ("", "train_") if f"{prefix}images" in members), None)
    if prefix is None:
        raise GanvasError(
            f"{name} holds the arrays {', '.join(members)}: expected images (and labels), or train_images, "
            "train_labels (and test_images, test_labels)"
        )
    wanted = {"train": prefix, "test": "test_"} if "test_images" in members else {"train": prefix}
    parts = []
    for part, start in wanted.items():
        blocks = Blocks.of_npz(name, path, members[f"{start}images"])
        values = _small_array(name, path, f"{start}labels") if f"{start}labels" in members else None
        parts.append(_part(name, part, blocks, values))
    class_names = None
    if "class_names" in members:
        class_names = [str(value) for value in _small_array(name, path, "class_names").reshape(-1)]
    return ArraySource(name, parts, class_names, digest.hexdigest(), "the arrays")


def _small_array(name: str, path: Path, key: str) -> NDArray[np.generic]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return cast(NDArray[np.generic], arrays[key])
    except _DAMAGE as error:
        raise GanvasError(f"{key} of {name} cannot be read ({error}): save plain numbers or text") from error


def _part(name: str, part: str, pictures: Blocks | Pixels, values: NDArray[np.generic] | None) -> Part:
    """A part after checking that its pixels are pictures."""
    shape, dtype = pictures.shape, pictures.dtype
    if dtype not in (np.uint8, np.uint16):
        raise GanvasError(f"{part} images of {name} are {dtype}: expected uint8 or uint16; {_HOW_TO_CONVERT}")
    channels_last = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 2, 3, 4))
    channels_first = not channels_last and len(shape) == 4 and shape[1] in (1, 3, 4)
    if not (channels_last or channels_first) or 0 in shape:
        raise GanvasError(
            f"{part} images of {name} have the shape {list(shape)}: expected [N, H, W], [N, H, W, C] or "
            "[N, C, H, W] with 1 to 4 channels"
        )
    return Part(part, pictures, channels_first, values, held_out=part != "train")


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
        parts.append(_part(name, part, _idx(name, images, 3), values))
    return ArraySource(name, parts, class_names, digest.hexdigest(), "the idx files")


def _all(name: str, blocks: Blocks) -> NDArray[np.generic]:
    try:
        return blocks.all()
    except _DAMAGE as error:
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
    except (*_DAMAGE, struct.error) as error:
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
