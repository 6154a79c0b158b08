"""CIFAR-10 and CIFAR-100 as their authors ship them: binary or Python batches, in a folder or inside a .tar.gz.

| set       | binary: records of labels, then 3x32x32 bytes   | Python: pickles, see `inert_pickle`        |
|-----------|-------------------------------------------------|--------------------------------------------|
| CIFAR-10  | data_batch_1.bin ..., test_batch.bin, one label | data_batch_1 ..., test_batch, batches.meta |
| CIFAR-100 | train.bin, test.bin, a coarse and a fine label  | train, test, meta                          |
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import re
import tarfile
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.array_source import PartsSource
from ganvas.data.arrays.inert_pickle import as_array, as_whole_numbers, load_inert
from ganvas.data.contract import Column
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.labels import natural_sorted
from ganvas.errors import GanvasError

_BATCH = re.compile(r"(data_batch_\d+|test_batch|train|test)(\.bin)?")
_NAMES = ("batches.meta.txt", "fine_label_names.txt", "batches.meta", "meta")
_UNPACKED = ("cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python")
_PIXELS = 3 * 32 * 32
_LARGEST = 256 << 20  # bytes of a batch; the largest of CIFAR's has 155 million
_MEMBERS = 16  # of an archive that are looked at; CIFAR's have at most nine
_KEPT = 2  # batches in memory
_PICKLED = b"\x80"
_NO_BATCHES = "{} holds no batches of CIFAR: expected data_batch_1.bin, train.bin, data_batch_1 or train (whole files)"
_DAMAGE = (OSError, EOFError, tarfile.TarError, zlib.error, ValueError, LookupError, MemoryError, NotImplementedError)

Loaded = tuple[NDArray[np.uint8], NDArray[np.int64]]  # pictures [N, H, W, C], labels [N]


@dataclass(frozen=True)
class _Batch:
    """Pictures [N, 32, 32, 3] and labels of one file; `coarse` are those of CIFAR-100's twenty groups."""

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    coarse: NDArray[np.int64] | None


@dataclass(frozen=True)
class _Part:
    name: str
    count: int
    label_values: NDArray[np.generic] | None
    held_out: bool


def is_cifar_folder(folder: Path) -> bool:
    """Whether a folder, or the only folder in it, holds batches of CIFAR."""
    return _batch_folder(folder) is not None


def is_cifar_archive(path: Path) -> bool:
    """Whether a .tar.gz (.tgz, .tar) begins with batches of CIFAR, or their names. Looks at a few members only."""
    if not path.name.lower().endswith((".tar.gz", ".tgz", ".tar")):
        return False
    try:
        for member, stream in _members(path):
            match = _BATCH.fullmatch(_leaf(member))
            if match is not None and _looks_so(match, member.size, stream.read(1)):
                return True
    except _DAMAGE:
        pass
    return False


def open_cifar(name: str, path: Path) -> CifarSource:
    """The pictures of CIFAR-10 or CIFAR-100 in a folder or a .tar.gz, which is read in place; test ones held out.

    The fine labels of CIFAR-100 are its classes; the coarse ones are the column "coarse". Python batches are read
    without running anything of them. Raises GanvasError for damaged or other files.
    """
    files: _Files
    if path.is_dir():
        folder = _batch_folder(path)
        if folder is None:
            raise GanvasError(_NO_BATCHES.format(name))
        files = _FolderFiles(name, folder)
    else:
        files = _ArchiveFiles(name, path)
    return CifarSource(name, files)


class CifarSource(PartsSource):
    """Pictures in batches, of which a few are in memory at a time. See `ganvas.data.contract.Source`."""

    in_order = True  # read from front to back, or batches are loaded again and again

    def __init__(self, name: str, files: _Files) -> None:
        found: dict[str, _Batch] = {}
        names: dict[str, list[str]] = {}
        digest = hashlib.sha256(b"cifar" + files.identity)
        for leaf, data in files.all():
            if leaf in _NAMES:
                names[leaf] = _class_names(data, f"{leaf} of {name}")
            else:
                batch = _parse(leaf, data, f"{leaf} of {name}")
                # Only labels stay in memory; the pictures are read again when they are asked for.
                found[leaf] = _Batch(batch.pictures[:0], batch.labels, batch.coarse)
        self._batches = sorted(natural_sorted(found), key=_is_test)
        if not self._batches:
            raise GanvasError(_NO_BATCHES.format(name))
        parts = []
        for test in (False, True):
            labels = [found[leaf].labels for leaf in self._batches if _is_test(leaf) == test]
            if labels:
                joined = np.concatenate(labels)
                parts.append(_Part("test" if test else "train", len(joined), joined, test))
        notes: tuple[str, ...] = ()
        if all(part.held_out for part in parts):
            parts = [_Part(part.name, part.count, part.label_values, False) for part in parts]
            notes = ("there are only test pictures: they are used for training",)
        class_names = next((names[leaf] for leaf in _NAMES if leaf in names), None)
        super().__init__(name, parts, class_names, digest.hexdigest(), "the batches", notes)
        coarse = [found[leaf].coarse for leaf in self._batches]
        if all(values is not None for values in coarse):
            joined_coarse = np.concatenate([values for values in coarse if values is not None])
            self.columns = {"coarse": Column("number", joined_coarse.astype(float).tolist())}
        self._ends = list(itertools.accumulate(len(found[leaf].labels) for leaf in self._batches))
        self._files = files
        self._kept: dict[str, NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    def read(self, index: int) -> Pixels:
        """One picture: [32, 32, 3] uint8. Raises PictureError."""
        number = bisect.bisect_right(self._ends, index)
        leaf, start = self._batches[number], ([0, *self._ends])[number]
        with self._lock:
            if leaf not in self._kept:
                while len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                try:
                    self._kept[leaf] = _parse(leaf, self._files.one(leaf), leaf).pictures
                except (GanvasError, *_DAMAGE) as error:
                    raise PictureError(self.names[index], f"cannot be read ({error})") from error
            pictures = self._kept[leaf]
        if index - start >= len(pictures):
            raise PictureError(self.names[index], f"is gone: {leaf} has become shorter")
        picture: NDArray[np.uint8] = pictures[index - start]
        return picture

    def header(self, index: int) -> Header:
        """The same for all pictures."""
        return Header(32, 32, 3, 8)


class _FolderFiles:
    """The batches and names in a folder."""

    def __init__(self, name: str, folder: Path) -> None:
        names = [folder / leaf for leaf in _NAMES if (folder / leaf).is_file()]
        self._paths = {path.name: path for path in (*names, *_batches_in(folder))}
        self.identity = b""
        for leaf, path in self._paths.items():
            status = path.stat()
            self.identity += b"%s\0%d\0%d\0" % (leaf.encode(), status.st_size, status.st_mtime_ns)
        self._name = name

    def all(self) -> Iterator[tuple[str, bytes]]:
        """Every file's name and content."""
        for leaf in self._paths:
            yield leaf, self.one(leaf)

    def one(self, leaf: str) -> bytes:
        """The content of one file."""
        try:
            with self._paths[leaf].open("rb") as file:
                return _limited(file, leaf, self._name)
        except OSError as error:
            raise GanvasError(f"{leaf} of {self._name} cannot be read ({error.strerror}): copy it again") from error


class _ArchiveFiles:
    """The batches and names in a tar file, unpacked in memory one at a time."""

    def __init__(self, name: str, path: Path) -> None:
        status = path.stat()
        self.identity = b"%s\0%d\0%d\0" % (path.name.encode("utf-8", "replace"), status.st_size, status.st_mtime_ns)
        self._name, self._path = name, path

    def all(self) -> Iterator[tuple[str, bytes]]:
        """Every file's name and content, in the order of the archive."""
        seen = set()
        try:
            for member, stream in _members(self._path):
                leaf = _leaf(member)
                if leaf and leaf not in seen:
                    seen.add(leaf)
                    yield leaf, _limited(stream, leaf, self._name)
        except GanvasError:
            raise
        except _DAMAGE as error:
            raise GanvasError(f"{self._name} is not a readable .tar.gz ({error}): copy it again") from error

    def one(self, leaf: str) -> bytes:
        """The content of one file."""
        for member, stream in _members(self._path):
            if _leaf(member) == leaf:
                return _limited(stream, leaf, self._name)
        raise GanvasError(f"{leaf} is no longer in {self._name}: the file was changed")


_Files = _FolderFiles | _ArchiveFiles


def load_cifar10(path: Path, records: int = 10_000) -> Loaded:
    """CIFAR-10's binary version, read inside its archive: [N, 32, 32, 3] uint8, [N] int64, training first.

    Each of the six files must hold `records` records. Raises GanvasError if the archive holds anything else.
    """
    files = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    try:
        found: dict[str, _Batch] = {}
        for member, stream in _members(path):
            leaf = _leaf(member)
            if leaf in files and member.size == records * (_PIXELS + 1):
                found[leaf] = _parse(leaf, _limited(stream, leaf, str(path)), leaf)
        batches = [found[leaf] for leaf in files]
    except _DAMAGE as error:
        raise GanvasError(
            f"{path} is not CIFAR-10's binary archive ({error}): delete it to download it again"
        ) from error
    pictures = np.concatenate([batch.pictures for batch in batches])
    return pictures, np.concatenate([batch.labels for batch in batches])


def _batch_folder(folder: Path) -> Path | None:
    """Where the batches are: `folder`, or the one in it that its archive unpacks to."""
    places = (folder, *(folder / name for name in _UNPACKED))
    found = [place for place in places if any(_is_batch(path) for path in _batches_in(place))]
    return found[0] if len(found) == 1 else None


def _batches_in(folder: Path) -> list[Path]:
    """The files named as batches, asked for one by one: a folder of a million pictures need not be listed."""
    stems = (*(f"data_batch_{i}" for i in range(1, 10)), "test_batch", "train", "test")
    paths = (folder / f"{stem}{suffix}" for stem in stems for suffix in ("", ".bin"))
    return [path for path in paths if path.is_file()]


def _is_batch(path: Path) -> bool:
    match = _BATCH.fullmatch(path.name)
    try:
        with path.open("rb") as file:
            return match is not None and _looks_so(match, path.stat().st_size, file.read(1))
    except OSError:
        return False


def _looks_so(match: re.Match[str], size: int, first: bytes) -> bool:
    """Whether a file with a batch's name is one: of whole records, or a pickle."""
    if not match[2]:
        return first == _PICKLED
    return size > 0 and size % _record_bytes(match[0]) == 0


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The first files of a tar file, each with its content; nothing is unpacked to disk."""
    with tarfile.open(path, "r:*") as archive:
        for member in itertools.islice(archive, _MEMBERS):
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None:
                yield member, stream
        # tarfile takes a damaged header for the end; only at the end of the stream gzip checks what it unpacked.
        rest = archive.fileobj
        for _ in range(_LARGEST >> 20):
            if rest is None or not rest.read(1 << 20):
                break


def _leaf(member: tarfile.TarInfo) -> str:
    """The name of a batch or of class names, without its folder; "" for other members."""
    folder, _, leaf = member.name.rpartition("/")
    if leaf in ("train", "test", "meta") and "cifar" not in folder.lower():
        return ""  # names of many things
    return leaf if leaf in _NAMES or _BATCH.fullmatch(leaf) else ""


def _is_test(leaf: str) -> bool:
    return leaf.startswith("test")


def _record_bytes(leaf: str) -> int:
    return _PIXELS + (2 if leaf in ("train.bin", "test.bin") else 1)


def _limited(file: IO[bytes], leaf: str, name: str) -> bytes:
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise GanvasError(f"{leaf} of {name} has more than {_LARGEST >> 20} MiB: it is no batch of CIFAR")
    return data


def _parse(leaf: str, data: bytes, what: str) -> _Batch:
    """The pictures and labels of a file."""
    if not leaf.endswith(".bin"):
        return _parse_python(data, what)
    size = _record_bytes(leaf)
    if not data or len(data) % size:
        raise GanvasError(f"{what} has {len(data)} bytes, not a multiple of {size}: it is cut off; copy it again")
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    labels = records[:, :-_PIXELS].astype(np.int64)  # [N, 1], or [N, 2]: coarse, fine
    return _Batch(_pictures(records[:, -_PIXELS:]), labels[:, -1], labels[:, 0] if labels.shape[1] == 2 else None)


def _parse_python(data: bytes, what: str) -> _Batch:
    content = load_inert(data, what)
    values = as_array(_entry(content, "data"), f"data of {what}")
    if values.dtype != np.uint8 or values.ndim != 2 or values.shape[1] != _PIXELS or not len(values):
        raise GanvasError(f"data of {what} are {values.dtype} {list(values.shape)}: expected uint8 [N, {_PIXELS}]")
    fine, coarse = _entry(content, "fine_labels"), _entry(content, "coarse_labels")
    numbers = as_whole_numbers(_entry(content, "labels") if fine is None else fine, f"labels of {what}")
    groups = None if coarse is None else as_whole_numbers(coarse, f"coarse labels of {what}")
    for found in (numbers, groups):
        if found is not None and len(found) != len(values):
            raise GanvasError(f"{what} has {len(values)} pictures but {len(found)} labels: copy it again")
    return _Batch(_pictures(values.view(np.uint8)), numbers, groups)


def _pictures(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _entry(content: object, key: str) -> object:
    """A value of a dict whose keys are text, or bytes as Python 2 wrote them."""
    if not isinstance(content, dict):
        return None
    return content.get(key, content.get(key.encode()))


def _class_names(data: bytes, what: str) -> list[str]:
    if not data.startswith(_PICKLED):
        return [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    content = load_inert(data, what)
    names = _entry(content, "fine_label_names") or _entry(content, "label_names")
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise GanvasError(f"{what} holds no list of names: copy it again")
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]
