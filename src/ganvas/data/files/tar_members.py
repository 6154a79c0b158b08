"""The members of a TAR from their headers alone, for archives that are not to be trusted.

The standard library's reader keeps whatever a header of a header declares in memory, loops on negative sizes and
keeps an object per member; here a header has a limit and nothing is kept. POSIX.1-2001 (ustar, pax) and GNU. Shards,
which are read forward from any place, have a reader of their own: `ganvas.data.shards.tar_samples`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Literal, NamedTuple

BLOCK = 512
LARGEST_HEADER = 1 << 20  # bytes of a long name or of pax records; paths end at some thousands
MOST_HEADERS = 16  # before one member, where there are two at most; their content is kept until it comes
LARGEST_SIZE = 1 << 62  # what can still be added to an offset and sought

Kind = Literal["file", "folder", "link", "device", "sparse", "other"]
_KINDS: dict[bytes, Kind] = {
    b"\0": "file",
    b"0": "file",
    b"7": "file",  # "contiguous", which nobody distinguishes
    b"1": "link",
    b"2": "link",
    b"3": "device",
    b"4": "device",
    b"5": "folder",
    b"6": "device",
    b"S": "sparse",
}


class TarMember(NamedTuple):
    """A member's name (bytes that are no UTF-8 as surrogates), its kind, and where its content lies."""

    name: str
    kind: Kind
    offset: int
    size: int
    changed: str  # the time of its last change, as the header spells it


class TarDamage(Exception):
    """Where reading the headers came to an end before the archive does; the text says why."""


def read_members(file: IO[bytes]) -> Iterator[TarMember]:
    """Members in the order of the archive, reading headers and seeking over contents.

    Raises TarDamage where the archive is cut off or is no TAR; what came before is good.
    """
    place = 0
    longer: dict[str, str] = {}
    headers = 0
    while True:
        file.seek(place)
        header = file.read(BLOCK)
        if not header.strip(b"\0"):  # the end mark, or the end of the file, which some writers leave it at
            if place == 0 and not header:
                raise TarDamage("it is empty")
            return
        if len(header) < BLOCK:
            raise TarDamage("it is cut off" if place else "it is no TAR")
        if not _is_header(header):
            raise TarDamage("a header is damaged" if place else "it is no TAR")
        kind, size = header[156:157], _number(header[124:136])
        content = place + BLOCK
        if kind in b"LKxXg":  # a header about the next member
            headers += 1
            if size > LARGEST_HEADER:
                raise TarDamage(f"a header declares {size / 2**20:.0f} MiB")
            if headers > MOST_HEADERS:
                raise TarDamage(f"more than {MOST_HEADERS} headers before one member")
            if kind == b"g":
                pass  # about all members: comments of version control
            elif kind in b"xX":
                longer |= _pax_records(_exactly(file, size))
            else:
                longer["path" if kind == b"L" else "linkpath"] = _text(_exactly(file, size))
            place = content + _padded(size)
            continue
        if kind == b"S":
            content = _after_sparse_map(file, header, content)
        member = _member(header, content, size, longer)
        longer, headers = {}, 0
        if member.size > LARGEST_SIZE:
            raise TarDamage("a size is no number")
        yield member
        place = content + (_padded(member.size) if member.kind in ("file", "sparse", "other") else 0)
        if place > content:
            file.seek(place - 1)
            if not file.read(1):
                raise TarDamage(f"it is cut off in {member.name}")


def _member(header: bytes, content: int, size: int, longer: dict[str, str]) -> TarMember:
    name = longer.get("path")
    if name is None:
        name = _text(header[:100])
        prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""  # old GNU keeps times there
        name = f"{prefix}/{name}" if prefix else name
    kind: Kind = _KINDS.get(header[156:157], "other")
    if kind == "file" and name.endswith("/"):  # how the oldest archives write folders
        kind = "folder"
    if kind == "file" and any(key.startswith("GNU.sparse.") for key in longer):
        kind = "sparse"
    if "size" in longer:
        if not longer["size"].isascii() or not longer["size"].isdigit() or len(longer["size"]) > 20:
            raise TarDamage("a size is no number")
        size = int(longer["size"])
    return TarMember(name, kind, content, size, longer.get("mtime", _text(header[136:148])))


def _is_header(header: bytes) -> bool:
    """Whether the checksum holds: the sum of all bytes, those of the sum itself as spaces; some sum signed bytes."""
    field = header[148:156].strip(b"\0 ")
    try:
        declared = int(field, 8)
    except ValueError:
        return False
    total = sum(header) - sum(header[148:156]) + 8 * 32
    above = sum(1 for byte in header[:148] + header[156:] if byte > 127) if declared != total else 0
    return declared in (total, total - 256 * above)


def _number(field: bytes) -> int:
    """Octal digits, or big-endian after a first bit of 1, as GNU writes sizes from 8 GiB."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        size = int(field.split(b"\0")[0].strip() or b"0", 8)
    except ValueError as error:
        raise TarDamage("a size is no number") from error
    if size < 0:
        raise TarDamage("a size is negative")
    return size


def _pax_records(data: bytes) -> dict[str, str]:
    """ "LENGTH KEY=VALUE\\n", one after the other; the length counts all of it."""
    records: dict[str, str] = {}
    place = 0
    while place < len(data) and data[place] != 0:
        end_of_length = data.find(b" ", place, place + 8)
        digits = data[place:end_of_length] if end_of_length > 0 else b""
        if not digits.isdigit() or int(digits) <= len(digits) + 1 or place + int(digits) > len(data):
            raise TarDamage("pax records are damaged")
        key, _, value = data[end_of_length + 1 : place + int(digits) - 1].partition(b"=")
        records[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        place += int(digits)
    return records


def _after_sparse_map(file: IO[bytes], header: bytes, content: int) -> int:
    """Where the content begins after what a sparse file's map takes beyond its header."""
    more = header[482]
    while more:
        content += BLOCK
        more = _exactly(file, BLOCK)[504]
    return content


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise TarDamage("it is cut off in a header")
    return data


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
