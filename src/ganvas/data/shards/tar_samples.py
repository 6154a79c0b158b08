"""The samples of one webdataset tar, read forward: neighbouring members of one name and several endings.

Only pictures and small texts are ever read. What else lies in a sample (.pyd, .npy, .pth, ...) is stepped over:
much of it is made to run code when it is opened.

`ganvas.data.files.tar_members` reads tars too, but those of archives: it seeks to check that each member is whole, and
names links and folders. A shard is read forward from any sample on, perhaps over a network, and gives files alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ganvas.data.shards.sample_texts import TEXTS

PICTURES = frozenset(("jpg", "jpeg", "png", "webp", "ppm", "pgm", "tif", "tiff", "bmp", "gif", "jp2", "avif"))
LARGEST_PICTURE = 1 << 30  # bytes
LARGEST_TEXT = 16 << 20

Report = Callable[[str, str], None]  # name of a sample (or "" for the whole shard), and what is wrong with it

_BLOCK = 512
_PEEKED = 64  # members that show whether a tar is a shard
_LONGEST_NAME = 1 << 20  # bytes of a header that only carries names
_NO_PAYLOAD = frozenset(b"123456")  # links, devices, folders, pipes
_REGULAR = frozenset(b"07\0")
_SAMPLE = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)", re.DOTALL)


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
