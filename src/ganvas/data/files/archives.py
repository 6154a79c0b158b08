"""Pictures in a ZIP or a TAR, read member by member: nothing is ever unpacked to disk."""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

from ganvas.data.decode import PictureError
from ganvas.data.files.listing import (
    FIRST_BYTES,
    Listing,
    PictureFiles,
    check_size,
    counted,
    fingerprint,
    list_pictures,
    no_pictures,
    printable,
)
from ganvas.data.files.member_files import AnyOrder, Bounded, Forward, Part, Unpack, read_all
from ganvas.data.files.tar_members import TarDamage, TarMember, read_members
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.errors import GanvasError

# Photographs hardly shrink and drawings by some tens, but bombs by about a thousand; small ones do no harm.
MOST_TIMES = 200
LARGEST_UNCHECKED = 16 << 20  # bytes
LARGEST_UNCHECKED_STREAM = 4 << 30  # bytes of a whole compressed archive: to open it is to unpack it
LARGEST_TOTAL = 16 << 40  # bytes that all members declare: more than the disks it could have been made from
MOST_MEMBERS = 50_000_000  # each takes some hundred bytes of memory
LONGEST_PATH = 4096  # characters; no system has longer ones

_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,  # encrypted, or an unknown compression
    MemoryError,
    ValueError,  # offsets before the beginning, names that are not UTF-8
    OverflowError,
    LookupError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
_UNBOUNDED = (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)  # zipfile makes up to gigabytes of the first bytes it reads
_LARGEST_DICTIONARY = 256 << 20  # bytes that unpacking LZMA may take; packers take 64 MiB at most
_WORTH_STREAMING = 1 << 16  # bytes; a smaller member is unpacked whole, even if only its header is wanted
_COMPRESSIONS: dict[bytes, Unpack] = {
    b"\x1f\x8b": lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast(IO[bytes], bz2.BZ2File(file)),
    b"\xfd7zXZ\0": lambda file: cast(IO[bytes], lzma.LZMAFile(file)),  # noqa: SIM115, its caller closes it
}
_KINDS = {"link": "link", "device": "device", "sparse": "sparse file", "other": "unknown member"}
_READ_AHEAD = 256 << 10  # bytes of a compressed file that may have been taken before they are needed


class ZipSource(PictureFiles):
    """All pictures in a ZIP, in natural order."""

    def __init__(self, name: str, path: Path, options: SourceOptions = DEFAULT_OPTIONS) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise GanvasError(f"{name} is not a readable ZIP file ({_reason(error)}): copy or make it again") from error
        self._members, notes = _zip_members(name, self._zip)
        listing = list_pictures(self._members, self._first_bytes)
        listing = Listing(listing.paths, listing.names, listing.tables, listing.notes + notes)
        if not listing.paths:
            arrays = any(path.endswith(".npy") for path in self._members)
            raise no_pictures(name, listing, " (or rename it to .npz: it holds arrays)" if arrays else "")
        used = {path: self._members[path] for path in (*listing.paths, *listing.tables)}
        if all(_is_encrypted(used[path]) for path in listing.paths):
            raise GanvasError(f"{name} is encrypted: unpack it with its password and give the folder")
        self._members = used
        entries = ((path, info.file_size, info.CRC) for path, info in used.items())
        super().__init__(name, listing, fingerprint("zip", entries, options), options)

    @contextmanager
    def opened(self, index: int) -> Iterator[IO[bytes]]:
        """The member of one picture, of which only what is read is unpacked. Raises PictureError."""
        path, name = self._paths[index], self.names[index]
        info = self._members[path]
        if info.file_size < _WORTH_STREAMING or info.compress_type in _UNBOUNDED:
            yield io.BytesIO(self._content(path, name))
            return
        with self._stream(path, name) as file:
            yield io.BufferedReader(Bounded(file))

    @contextmanager
    def _stream(self, path: str, name: str) -> Iterator[IO[bytes]]:
        info = self._members[path]
        if _is_encrypted(info):
            raise PictureError(name, "encrypted: unpack the archive with its password and give the folder")
        check_size(name, info.file_size)
        if info.compress_type != zipfile.ZIP_STORED:
            _check_ratio(name, info.file_size, info.compress_size)
        try:
            with self._zip.open(_as_packed(info) if info.compress_type in _UNBOUNDED else info) as file:
                yield file
        except GanvasError:  # which is a ValueError
            raise
        except _DAMAGE as error:
            raise PictureError(name, f"cannot be unpacked ({_reason(error)})") from error

    def _content(self, path: str, name: str) -> bytes:
        info = self._members[path]
        with self._stream(path, name) as file:
            if info.compress_type in _UNBOUNDED:
                return _unpacked(read_all(file, info.compress_size, name), info)
            return read_all(file, info.file_size, name)

    def _first_bytes(self, path: str) -> bytes:
        info = self._members[path]
        if info.compress_type in _UNBOUNDED:
            return self._content(path, path)[:FIRST_BYTES]
        with self._stream(path, path) as file:
            return file.read(min(FIRST_BYTES, info.file_size))

    def _length(self, path: str) -> int:
        return self._members[path].file_size


class TarSource(PictureFiles):
    """All pictures in a TAR; one compressed with gzip, bzip2 or xz is read forward, and so in its own order."""

    def __init__(self, name: str, path: Path, options: SourceOptions = DEFAULT_OPTIONS) -> None:
        try:
            with path.open("rb") as file:
                status = path.stat()
                unpack = _compression(file)
                self._members, notes = _tar_members(name, file, status.st_size, unpack)
        except GanvasError:
            raise
        except _DAMAGE as error:
            raise GanvasError(f"{name} cannot be read ({_reason(error)}): check the file") from error
        self.in_order = unpack is not None
        self._file = Forward(path, unpack) if unpack is not None else AnyOrder(path)
        listing = list_pictures(self._members, self._first_bytes, natural_order=not self.in_order)
        listing = Listing(listing.paths, listing.names, listing.tables, listing.notes + notes)
        if not listing.paths:
            raise no_pictures(name, listing)
        self._members = {path: self._members[path] for path in (*listing.paths, *listing.tables)}
        # A change of one member that keeps its size and time still changes the time of the archive.
        entries: list[tuple[str, int, int | str]] = [("", status.st_size, status.st_mtime_ns)]
        entries += [(path, entry.size, entry.changed) for path, entry in self._members.items()]
        super().__init__(name, listing, fingerprint("tar", entries, options), options)

    @contextmanager
    def opened(self, index: int) -> Iterator[IO[bytes]]:
        """The member of one picture. Raises PictureError if it cannot be unpacked."""
        path, name = self._paths[index], self.names[index]
        if self.in_order:
            yield io.BytesIO(self._content(path, name))
            return
        entry = self._checked(path, name)
        try:
            with self._file.path.open("rb") as file:
                yield io.BufferedReader(Part(file, entry.offset, entry.size))
        except OSError as error:
            raise PictureError(name, f"cannot be read ({_reason(error)})") from error

    def _content(self, path: str, name: str) -> bytes:
        entry = self._checked(path, name)
        return self._read(entry.offset, entry.size, name)

    def _first_bytes(self, path: str) -> bytes:
        entry = self._checked(path, path)
        return self._read(entry.offset, min(FIRST_BYTES, entry.size), path)

    def _read(self, offset: int, size: int, name: str) -> bytes:
        try:
            return self._file.read(offset, size, name)
        except GanvasError:  # which is a ValueError
            raise
        except _DAMAGE as error:
            raise PictureError(name, f"cannot be unpacked ({_reason(error)})") from error

    def _checked(self, path: str, name: str) -> _TarEntry:
        entry = self._members[path]
        check_size(name, entry.size)
        if entry.compressed is not None:
            _check_ratio(name, entry.size, entry.compressed)
        return entry

    def _length(self, path: str) -> int:
        return self._members[path].size


def is_tar(path: Path) -> bool:
    """Whether `path` begins as a TAR does, compressed or not."""
    try:
        with path.open("rb") as file:
            unpack = _compression(file)
            next(read_members(unpack(file) if unpack is not None else file))
    except (TarDamage, StopIteration, *_DAMAGE):
        return False
    return True


class _TarEntry(NamedTuple):
    """Where a picture lies, and of a large one in a compressed archive about how much it takes there."""

    offset: int
    size: int
    changed: str
    compressed: int | None


def _zip_members(name: str, archive: zipfile.ZipFile) -> tuple[dict[str, zipfile.ZipInfo], tuple[str, ...]]:
    infos = archive.infolist()
    _check_total(name, len(infos), sum(info.file_size for info in infos))
    members: dict[str, zipfile.ZipInfo] = {}
    left_out: Counter[str] = Counter()
    for info in infos:
        raw = _zip_name(info)
        path = _clean_path(raw)
        if raw.endswith("/"):
            continue
        if path is None:
            left_out["outside"] += 1
        elif stat.S_ISLNK(info.external_attr >> 16):
            left_out["link"] += 1
        else:
            left_out["again"] += path in members
            members[path] = info
    return members, _notes(left_out)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: many writers put UTF-8 where the format says code page 437."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _tar_members(
    name: str, file: IO[bytes], archive_size: int, unpack: Unpack | None
) -> tuple[dict[str, _TarEntry], tuple[str, ...]]:
    """The files in an archive by path. file: the archive as it lies on the disk."""
    members: dict[str, _TarEntry] = {}
    left_out: Counter[str] = Counter()
    damage = ""
    large: tuple[str, int] | None = None  # the path of the member before, and where it began in the compressed file
    count = total = 0
    for member, place in _scanned(file, unpack):
        if large is not None:
            path, start = large
            members[path] = members[path]._replace(compressed=place - start + _READ_AHEAD)
            large = None
        if isinstance(member, TarDamage):
            if count == 0:
                raise GanvasError(f"{name} is not a readable TAR file ({_reason(member)}): copy or make it again")
            damage = f"the archive is damaged ({_reason(member)}): what comes after the damage is lost"
        if not isinstance(member, TarMember):
            break
        count, total = count + 1, total + member.size
        _check_total(name, count, total)
        if unpack is not None and total > max(LARGEST_UNCHECKED_STREAM, MOST_TIMES * archive_size):
            raise GanvasError(
                f"{name} declares {total // max(1, archive_size)} times its size: if you trust it, unpack it and "
                "give the folder"
            )
        clean = _clean_path(member.name)
        if member.kind == "folder":
            continue
        if member.kind != "file":
            left_out[member.kind] += 1
        elif clean is None:
            left_out["outside"] += 1
        else:
            left_out["again"] += clean in members
            members.pop(clean, None)  # the order stays that of the archive
            members[clean] = _TarEntry(member.offset, member.size, member.changed, None)
            if unpack is not None and member.size > LARGEST_UNCHECKED:
                large = clean, place
    return members, _notes(left_out) + ((damage,) if damage else ())


def _scanned(file: IO[bytes], unpack: Unpack | None) -> Iterator[tuple[TarMember | TarDamage | None, int]]:
    """Each member, and how much of `file` was read until then; at last what ended it: damage or None."""
    try:
        for member in read_members(unpack(file) if unpack is not None else file):
            yield member, file.tell()
    except TarDamage as damage:
        yield damage, file.tell()
    except _DAMAGE as error:
        yield TarDamage(_reason(error)), file.tell()
    else:
        yield None, file.tell()


def _compression(file: IO[bytes]) -> Unpack | None:
    """How to unpack `file`, or None; known by its first bytes."""
    start = file.read(8)
    file.seek(0)
    return next((unpack for mark, unpack in _COMPRESSIONS.items() if start.startswith(mark)), None)


def _clean_path(raw: str) -> str | None:
    """A relative path without "." and empty parts; None for one that leads outside, or that no file can have."""
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if raw.startswith("/") or re.match("[A-Za-z]:/", raw) or ".." in parts or not parts or len(raw) > LONGEST_PATH:
        return None
    return "/".join(parts)


def _notes(left_out: Counter[str]) -> tuple[str, ...]:
    """What was not used, in words."""
    again = left_out.pop("again", 0)
    words = [
        f"{number} with a path outside the archive" if kind == "outside" else counted(number, _KINDS[kind])
        for kind, number in left_out.items()
    ]
    notes = [f"members left out: {', '.join(words)}"] if words else []
    if again:
        notes.append(f"{counted(again, 'path')} in the archive more than once: the last one is used")
    return tuple(notes)


def _check_total(name: str, count: int, declared: int) -> None:
    if count > MOST_MEMBERS:
        raise GanvasError(f"{name} has more than {MOST_MEMBERS:,} members: split it into several archives")
    if declared > LARGEST_TOTAL:
        raise GanvasError(
            f"{name} declares {declared / 2**40:.0f} TiB of content, more than {LARGEST_TOTAL >> 40}: it is damaged "
            "or was made to do harm"
        )


def _check_ratio(name: str, declared: int, compressed: int) -> None:
    if declared > LARGEST_UNCHECKED and declared > MOST_TIMES * compressed:
        raise PictureError(name, f"declares {declared // max(1, compressed)} times its compressed size")


def _as_packed(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """For the bytes of a member as they lie in the archive."""
    packed = copy.copy(info)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
    del packed.CRC  # which is that of the content
    return packed


def _unpacked(packed: bytes, info: zipfile.ZipInfo) -> bytes:
    """The content of a member, and not a byte more than it declares."""
    if info.compress_type == zipfile.ZIP_BZIP2:
        data = bz2.BZ2Decompressor().decompress(packed, max_length=info.file_size)
    else:  # version, length of what follows, 5 bytes of properties; the older format of files has them and the size
        alone = packed[4:9] + b"\xff" * 8 + packed[9:]
        data = lzma.LZMADecompressor(lzma.FORMAT_ALONE, _LARGEST_DICTIONARY).decompress(alone, info.file_size)
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("its checksum is wrong")
    return data


def _is_encrypted(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & 1)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(str(error)) or type(error).__name__
