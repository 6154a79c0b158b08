"""Pictures in webdataset shards: tars in which neighbouring members of one name and several endings are a sample.

    0001.jpg  0001.cls  0001.json  0002.jpg  0002.cls  0002.json  ...

Only pictures and small texts are ever read. What else lies in a sample (.pyd, .npy, .pth, ...) is stepped over:
much of it is made to run code when it is opened.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import re
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import Column, EncodedPictures
from ganvas.data.decode import PictureError
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.errors import GanvasError

PICTURES = frozenset(("jpg", "jpeg", "png", "webp", "ppm", "pgm", "tif", "tiff", "bmp", "gif", "jp2", "avif"))
CAPTIONS = frozenset(("txt", "text", "caption"))
TEXTS = CAPTIONS | {"cls", "json"}
LABEL_FIELDS = ("label", "class", "class_name", "category", "target", "y")
LARGEST_PICTURE = 1 << 30  # bytes
LARGEST_TEXT = 16 << 20
LONGEST_CLASS = 200  # characters; a longer .cls is no name of a class
MOST_FIELDS = 64  # columns that are kept of .json members

Report = Callable[[str, str], None]  # name of a sample (or "" for the whole shard), and what is wrong with it

_BLOCK = 512
_PEEKED = 64  # members that show whether a tar is a shard
_LONGEST_NAME = 1 << 20  # bytes of a header that only carries names
_GZIP_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
_NO_PAYLOAD = frozenset(b"123456")  # links, devices, folders, pipes
_REGULAR = frozenset(b"07\0")
_SAMPLE = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)", re.DOTALL)
_HELD_OUT = re.compile(r"(?<![a-z])(val|valid|validation|test)(?![a-z])")


class TarDamage(Exception):
    """A tar cannot be followed from here on; the text says why."""


class Seekable(Protocol):
    """What is needed of a file: forward seeks suffice to read a tar once."""

    def read(self, count: int, /) -> bytes:
        """At most so many bytes; fewer at the end alone."""

    def seek(self, offset: int, /) -> int:
        """Go to a byte counted from the beginning."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in a tar: where its header (start) and its content (offset) begin, in bytes."""

    name: str
    start: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class TarSample:
    """One sample with a picture. `place` counts these from 0; contents: what was asked for, by extension.

    start: the byte at which its first header begins.
    """

    key: str
    place: int
    start: int
    picture: Member
    extension: str
    contents: Mapping[str, bytes]


def tar_members(file: Seekable, start: int = 0) -> Iterator[Member]:
    """The regular files of an uncompressed tar, from the header at byte `start` on. Raises TarDamage.

    Links, devices and sparse files are left out. The caller may read from `file` between two members.
    """
    position, first, name = start, start, ""
    sparse = False
    while True:
        file.seek(position)
        block = file.read(_BLOCK)
        if block.count(0) == len(block) == _BLOCK:
            return
        if len(block) < _BLOCK:
            raise TarDamage("cut off")
        size, kind = _header(block, beginning=position == 0)
        if kind == ord("S"):  # GNU sparse: maps of its holes come before the content
            more = block[482]
            while more:
                position += _BLOCK
                extension = file.read(_BLOCK)
                if len(extension) < _BLOCK:
                    raise TarDamage("cut off")
                more = extension[504]
        offset = position + _BLOCK
        position = offset + (0 if kind in _NO_PAYLOAD else -(-size // _BLOCK) * _BLOCK)
        if kind in b"Lx":  # a long name, for the header that follows
            if size > _LONGEST_NAME:
                raise TarDamage("damaged header")
            extra = file.read(size)
            if len(extra) < size:
                raise TarDamage("cut off")
            if kind == ord("L"):
                name = extra.rstrip(b"\0").decode("utf-8", "replace")
            else:
                records = _pax(extra)
                name = records.get("path", name)
                sparse = any(key.startswith("GNU.sparse.") for key in records)
                if "size" in records:
                    raise TarDamage("holds a file of more than 8 GiB")
            continue
        if kind in b"Kg":
            continue
        name = name or _short_name(block)
        if kind in _REGULAR and not sparse and not name.endswith("/"):
            yield Member(name, first, offset, size)
        first, name, sparse = position, "", False


def tar_samples(
    file: Seekable,
    *,
    start: int = 0,
    place: int = 0,
    picture_extension: str | None = None,
    wanted: Callable[[int, str], bool],
    report: Report,
) -> Iterator[TarSample]:
    """The samples of an uncompressed tar that have a picture, from byte `start` (where sample `place` begins) on.

    wanted: of which (place, extension) the content is read; what is neither a picture nor a text never is.
    picture_extension: which member is the picture; None: the first one named so simply ("jpg" before "seg.png").
    Damage ends the samples, and is reported as everything that is left out; a sample it cuts is not given.
    """
    without = 0
    group = _Group("", 0)
    try:
        for member in tar_members(file, start):
            match = _SAMPLE.fullmatch(member.name)
            if match is None:
                continue
            key, extension = match[1], match[2].lower()
            if key != group.key:
                if group.picture is not None:
                    yield group.sample(place)
                    place += 1
                elif group.key:
                    without += 1
                group = _Group(key, member.start)
            is_picture = group.offer(extension, member, picture_extension)
            if not (is_picture or extension in TEXTS) or not wanted(place, extension):
                continue
            if member.size > (LARGEST_PICTURE if is_picture else LARGEST_TEXT):
                limit = "1 GiB" if is_picture else "16 MiB"
                report(key, f"its .{extension} has {member.size / 2**20:.0f} MiB: more than {limit} is not read")
                continue
            content = file.read(member.size)
            if len(content) < member.size:
                raise TarDamage("cut off")
            group.contents[extension] = content
        if group.picture is not None:
            yield group.sample(place)
            place += 1
        elif group.key:
            without += 1
    except TarDamage as error:
        report("", f"{error} after {place} samples: the rest is left out")
    if without:
        report("", f"{without} samples without a picture are left out")


def holds_samples(file: Seekable) -> bool:
    """Whether among the first members of a tar a picture has a neighbour of the same name and another ending."""
    before = ("", "")
    try:
        for member in itertools.islice(tar_members(file), _PEEKED):
            match = _SAMPLE.fullmatch(member.name)
            now = (match[1], match[2].lower().rpartition(".")[2]) if match else ("", "")
            if now[0] and now[0] == before[0] and (now[1] in PICTURES or before[1] in PICTURES):
                return True
            before = now
    except TarDamage:
        pass
    return False


class _Group:
    """The sample whose members are coming in."""

    def __init__(self, key: str, start: int) -> None:
        self.key, self.start = key, start
        self.picture: Member | None = None
        self.extension, self._plain = "", False
        self.contents: dict[str, bytes] = {}

    def offer(self, extension: str, member: Member, wanted: str | None) -> bool:
        """Whether this member is its picture, as far as seen."""
        plain = extension in PICTURES if wanted is None else extension == wanted.lower().removeprefix(".")
        if not plain and (wanted is not None or extension.rpartition(".")[2] not in PICTURES):
            return False
        if self.picture is not None and (not plain or self._plain):
            return False
        if self.picture is not None:
            self.contents.pop(self.extension, None)
        self.picture, self.extension, self._plain = member, extension, plain
        return True

    def sample(self, place: int) -> TarSample:
        assert self.picture is not None, "only groups with a picture become samples"
        return TarSample(self.key, place, self.start, self.picture, self.extension, self.contents)


def read_texts(
    contents: Mapping[str, bytes], label_field: str | None
) -> tuple[int | str | None, dict[str, object], str | None]:
    """Class, captions and fields of a sample from its .cls, .txt and .json; and what is wrong with them, or None.

    label_field: the field of the .json that is the class, before any .cls. Columns are "caption" and the fields
    with a number, a text, true or false, or a list of texts. Nothing raises: a damaged text says nothing.
    """
    label: int | str | None = None
    columns: dict[str, object] = {}
    fault = None
    if "json" in contents:
        try:
            fields = json.loads(contents["json"])
            if not isinstance(fields, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError):
            fields, fault = {}, 'its .json is not an object such as {"label": 3}'
        columns = {key: value for key, value in fields.items() if _is_column(value)}
        names = LABEL_FIELDS if label_field is None else (label_field,)
        used = next((name for name in names if as_class(columns.get(name)) is not None), None)
        if used is not None:
            label = as_class(columns[used])
            if label_field is not None or "cls" not in contents:
                del columns[used]
    if "cls" in contents and label_field is None:
        label = as_class(contents["cls"].decode("utf-8", "replace").strip())
        if label is None:
            fault = f"its .cls is not a whole number or a name of at most {LONGEST_CLASS} characters"
    for extension in sorted(CAPTIONS & contents.keys()):
        columns["caption"] = contents[extension].decode("utf-8", "replace").strip()
    return label, columns, fault


def as_class(value: object) -> int | str | None:
    """A class as a whole number if it is one (also as text), else as a name; None for what cannot be a class."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        return value
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_CLASS else None


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


def _is_column(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    if isinstance(value, int):
        return abs(value) < 1 << 63  # a larger one need not fit into a float
    return isinstance(value, str | float)


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


def _header(block: bytes, *, beginning: bool) -> tuple[int, int]:
    """Size of the content and kind of a member. Raises TarDamage if this is no header."""
    try:
        checksum = int(block[148:156].strip(b" \0") or b"0", 8)
        field = block[124:136]
        size = int.from_bytes(field[1:], "big") if field[0] == 0x80 else int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        checksum = size = -1
    if checksum != sum(block) - sum(block[148:156]) + 8 * ord(" ") or not 0 <= size < 1 << 60:
        raise TarDamage("not a tar file" if beginning else "damaged header")
    return size, block[156]


def _short_name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    return name.decode("utf-8", "replace")


def _pax(data: bytes) -> dict[str, str]:
    """The records "length key=value\\n" of an extended header. Raises TarDamage."""
    records: dict[str, str] = {}
    position = 0
    while position < len(data) and data[position]:
        length, space, _ = data[position : position + 20].partition(b" ")
        if not (space and length.isdigit() and len(length) + 2 < int(length) <= len(data) - position):
            raise TarDamage("damaged header")
        record = data[position + len(length) + 1 : position + int(length) - 1]
        key, _, value = record.partition(b"=")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        position += int(length)
    return records
