"""Pictures in webdataset shards: tars in which neighbouring members of one name and several endings are a sample.

    0001.jpg  0001.cls  0001.json  0002.jpg  0002.cls  0002.json  ...

`ganvas.data.shards.tar_samples` reads the tars; here their samples become a source with an index.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import threading
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import Column, EncodedPictures
from ganvas.data.decode import PictureError
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.data.shards.sample_texts import TEXTS, read_texts
from ganvas.data.shards.tar_samples import LARGEST_PICTURE, tar_samples
from ganvas.errors import GanvasError

MOST_FIELDS = 64  # columns that are kept of .json members
_GZIP_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
_HELD_OUT = re.compile(r"(?<![a-z])(val|valid|validation|test)(?![a-z])")


class WebDatasetSource(EncodedPictures):
    """Local webdataset shards as a source: pictures in any order, with classes, captions and fields.

    Opening reads the headers of the tars, and .cls, .txt and .json members. Shards (or folders) named val or test
    are held out. Compressed shards work, but going back in them is slow. Raises GanvasError without a picture.
    """

    def __init__(self, name: str, addresses: Sequence[str], options: SourceOptions = DEFAULT_OPTIONS) -> None:
        self.name = name
        self._paths = [Path(address) for address in addresses]
        self._stream: tuple[int, IO[bytes]] | None = None
        self._lock = threading.Lock()
        index = _Index(options)
        digest = hashlib.sha256(b"webdataset")
        shard_names = _distinct_names(self._paths)
        for path, shard_name in zip(self._paths, shard_names, strict=True):
            try:
                status = path.stat()
                with _opened(path) as file:
                    index.add(file, shard_name)
            except OSError as error:
                raise GanvasError(f"{path} of {name} cannot be read ({error.strerror or error})") from error
            self.in_order = self.in_order or _is_gzip(path)
            digest.update(b"%s\0%d\0%d\0" % (os.fsencode(shard_name), status.st_size, status.st_mtime_ns))
        digest.update(repr((options.image_column, options.label_column)).encode())
        if not index.names:
            faults = f" ({index.notes[0]})" if index.notes else ""
            raise GanvasError(
                f"{name} holds no pictures{faults}: expected tars with members such as 0001.jpg and 0001.cls"
            )
        self.fingerprint = digest.hexdigest()
        self.names: Sequence[str] = index.names
        self._shards, self._offsets, self._sizes = (
            np.array(values, np.int64) for values in (index.shards, index.offsets, index.sizes)
        )
        found = index.labelling(options.label_column)
        self.labels: NDArray[np.int64] | None = found.labels
        self.class_names: tuple[str, ...] = found.class_names
        self.labels_note = found.note
        self.columns: Mapping[str, Column] = index.columns()
        held = np.array([_HELD_OUT.search(shard.lower()) is not None for shard in shard_names], np.bool_)
        self.held_out: NDArray[np.bool_] = held[self._shards]
        self.notes: tuple[str, ...] = tuple(index.notes)
        if self.held_out.all():
            self.held_out[:] = False
            self.notes += ("all shards are named val or test: they are used for training",)

    def size(self, index: int) -> int:
        """Bytes of the file, without reading it."""
        return int(self._sizes[index])

    def encoded(self, index: int) -> bytes:
        """The whole file of one picture. Raises PictureError if its bytes cannot be had."""
        name, size, offset = self.names[index], self.size(index), int(self._offsets[index])
        if size > LARGEST_PICTURE:
            raise PictureError(name, f"a file of {size / 2**30:.1f} GiB: more than 1 GiB is not read")
        try:
            data = self._bytes(int(self._shards[index]), offset, size)
        except (OSError, EOFError, zlib.error) as error:
            raise PictureError(name, f"cannot be read ({error})") from error
        if len(data) < size:
            raise PictureError(name, "truncated")
        return data

    def _bytes(self, shard: int, offset: int, size: int) -> bytes:
        if not self.in_order:
            with self._paths[shard].open("rb") as file:
                file.seek(offset)
                return file.read(size)
        with self._lock:  # an open stream for the shard read last: it need not be unpacked from its start again
            if self._stream is None or self._stream[0] != shard:
                if self._stream is not None:
                    self._stream[1].close()
                self._stream = shard, _opened(self._paths[shard])
            self._stream[1].seek(offset)
            return self._stream[1].read(size)


class _Index:
    """What is known of all samples after one pass through the shards; one entry per picture."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self.names: list[str] = []
        self.shards: list[int] = []
        self.offsets: list[int] = []
        self.sizes: list[int] = []
        self.notes: list[str] = []
        self._labels: list[int | str | None] = []
        self._fields: dict[str, dict[int, object]] = {}
        self._taken: set[str] = set()
        self._added = 0

    def add(self, file: IO[bytes], shard: str) -> None:
        """Go through one shard."""
        faults: Counter[str] = Counter()

        def report(key: str, reason: str) -> None:
            if key:
                faults[reason] += 1
            else:
                self.notes.append(f"{shard}: {reason}")

        samples = tar_samples(
            file,
            picture_extension=self._options.image_column,
            wanted=lambda _, extension: extension in TEXTS,
            report=report,
        )
        before = len(self.names)
        try:
            for sample in samples:
                label, columns, fault = read_texts(sample.contents, self._options.label_column)
                if fault is not None:
                    faults[fault] += 1
                for name, value in columns.items():
                    if name in self._fields or len(self._fields) < MOST_FIELDS:
                        self._fields.setdefault(name, {})[len(self.names)] = value
                self._labels.append(label)
                self.names.append(_distinct(f"{shard}/{sample.key}.{sample.extension}", self._taken))
                self.shards.append(self._added)
                self.offsets.append(sample.picture.offset)
                self.sizes.append(sample.picture.size)
        except _GZIP_DAMAGE:
            report("", f"cut off or damaged after {len(self.names) - before} samples: the rest is left out")
        self.notes += [f"{shard}: {count} samples: {reason}" for reason, count in faults.items()]
        self._added += 1

    def labelling(self, label_field: str | None) -> labelling.Labelling:
        """Classes of all samples, or why there are none."""
        origin = ".cls and .json members" if label_field is None else f"the field {label_field} of .json members"
        without = [name for name, label in zip(self.names, self._labels, strict=True) if label is None]
        if len(without) == len(self.names):
            return labelling.unlabelled(f"{origin} give no classes")
        if without:
            return labelling.unlabelled(
                f"{len(without)} of {len(self.names)} samples have no class in {origin} ({without[0]})"
            )
        numbers = all(isinstance(label, int) for label in self._labels)
        values = np.array(self._labels, np.int64) if numbers else np.array([str(label) for label in self._labels])
        distinct = len(set(self._labels))
        if distinct > 20 and distinct > len(self.names) / 2:
            return labelling.unlabelled(f"{origin} give {distinct} values for {len(self.names)} samples: no classes")
        return labelling.labels_from_values(values, None, origin)

    def columns(self) -> dict[str, Column]:
        """Captions and fields, with what stands for a missing one filled in."""
        return {name: _column(values, len(self.names)) for name, values in self._fields.items()}


def _column(values: Mapping[int, object], count: int) -> Column:
    """One column of `count` values from those that are there."""
    present = list(values.values())
    if all(isinstance(value, bool | int | float) for value in present):
        return Column("number", [float(cast(float, values.get(i, float("nan")))) for i in range(count)])
    if all(isinstance(value, list) for value in present):
        return Column("tags", [tuple(cast(list[str], values.get(i, []))) for i in range(count)])
    texts = (values.get(i, "") for i in range(count))
    return Column("text", [value if isinstance(value, str) else json.dumps(value) for value in texts])


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """What tells the shards apart: their paths below the folder that all share, with forward slashes."""
    top = os.path.commonpath([os.path.abspath(path.parent) for path in paths]) if paths else ""
    taken: set[str] = set()
    return [_distinct(Path(os.path.relpath(os.path.abspath(path), top)).as_posix(), taken) for path in paths]


def _distinct(name: str, taken: set[str]) -> str:
    """`name`, or with a number where it is taken; takes it."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    taken.add(free)
    return free


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if _is_gzip(path) else path.open("rb")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
