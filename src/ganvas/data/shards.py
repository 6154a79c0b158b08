"""Shards of pictures, here or on an object store: which ones an address means, and their samples one by one.

A shard is a tar in the webdataset convention (also gzipped) or a Parquet file. Nothing is copied to disk: a remote
shard is read forward in large pieces, and a read that fails is tried again from the last sample.
"""

from __future__ import annotations

import glob
import gzip
import importlib
import io
import itertools
import math
import os
import re
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from ganvas.data.labels import natural_sorted
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.data.webdataset import (
    LABEL_FIELDS,
    LARGEST_PICTURE,
    Report,
    TarSample,
    as_class,
    holds_samples,
    read_texts,
    tar_samples,
)
from ganvas.errors import GanvasError, UsageError

MOST_SHARDS = 1_000_000
READ_AHEAD = 4 << 20  # bytes of a remote shard fetched at a time
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # before a failed read is tried again
SILENCE_S = 60.0  # after which an HTTP server is taken to be gone
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
PARQUET_SUFFIXES = (".parquet", ".pq")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_RANGE = re.compile(r"\{([0-9]+)\.\.([0-9]+)\}")
_CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")
_IMAGE_COLUMNS = ("image", "img", "picture", "jpg", "png")
_ROWS = 16  # of a Parquet row group, turned into Python objects at a time


class ShardError(GanvasError):
    """A shard that cannot be had: it is not there, or reading it failed again and again."""


@dataclass(frozen=True)
class Sample:
    """One encoded picture and what is known of it: its class, captions and fields, and where it comes from.

    shard: the number of its shard; place: its number in there, from 0. A key is unique in a shard at best.
    """

    key: str
    picture: bytes
    label: int | str | None
    columns: Mapping[str, object]
    shard: int
    place: int


def redacted(text: str) -> str:
    """`text` with no user, password or query in any of the addresses in it."""
    text = re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s]*@", r"\1", text)
    return re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?'\"]*)\?[^\s'\"]*", r"\1", text)


def is_remote(address: str) -> bool:
    """Whether an address is a URL, which fsspec opens, and not a path."""
    return _SCHEME.match(address) is not None


def expand(address: str) -> list[str]:
    """The shards that an address means, in order.

    It may hold brace ranges {000..127} and choices {a,b}, join several addresses by "::", be a pattern (*), or
    name a folder of shards; local, or of any kind that fsspec opens. Raises GanvasError if nothing is there.
    """
    shards: list[str] = []
    for part in re.split(r"::(?![^\[]*\])", address):  # but not within the brackets of http://[::1]/
        for one in _without_braces(part):
            shards += _listed_remote(one) if is_remote(one) else _listed_local(one)
            if len(shards) > MOST_SHARDS:
                raise _too_many(address)
    return shards


def is_shards(address: str) -> bool:
    """Whether an address means shards: a URL, several addresses, or local tars that hold samples (no decoding)."""
    if is_remote(address) or "::" in address or _RANGE.search(address) or _CHOICE.search(address):
        return True
    try:
        first = next(path for path in _listed_local(address) if path.lower().endswith(TAR_SUFFIXES))
        return _is_shard(Path(first))
    except (StopIteration, GanvasError):
        return False


def _pass_over(name: str, reason: str) -> None:
    """For those who do not care what was left out."""


def read_shard(
    address: str,
    start: int = 0,
    options: SourceOptions = DEFAULT_OPTIONS,
    *,
    step: int = 1,
    shard: int = 0,
    problems: Report = _pass_over,
    sleep: Callable[[float], object] = time.sleep,
) -> Generator[Sample, None, None]:
    """The samples number `start`, `start + step`, ... of a shard; memory holds one of them.

    What is left out, a damaged rest of the shard too, is told to `problems` (name, reason). A read that fails is
    tried again five times, after longer and longer pauses. Raises ShardError if the shard cannot be had.
    """
    name = redacted(address)
    progress = _Progress(next=start)
    failures = 0
    while True:
        given = progress.next
        try:
            with ShardFile(address, streamed=progress.streamed) as file:
                samples = _parquet_samples if file.head[:4] == b"PAR1" else _tar_samples
                yield from samples(file, name, progress, step, shard, options, problems)
            return
        except _ReadFailed as error:
            if progress.next > given:
                failures = 0
            if error.permanent or failures == len(PAUSES_S):
                tries = "" if error.permanent else f" after {failures + 1} tries"
                raise ShardError(
                    f"{name} cannot be read{tries} ({redacted(str(error))}): check the address, your access to it "
                    "and the network"
                ) from None  # the original error may show passwords
            if error.no_ranges and not progress.streamed:
                progress.streamed = True
                continue
            sleep(PAUSES_S[failures])
            failures += 1


@dataclass
class _Progress:
    """How far a shard was read: the next place to give; the byte at which sample `known` begins, if it is known."""

    next: int
    known: int = 0
    offset: int = 0
    streamed: bool = False


class _ReadFailed(Exception):
    """The bytes of a shard could not be had, which says nothing about what they are."""

    def __init__(self, error: BaseException) -> None:
        # Over HTTP every failure to open comes as "not found", caused by what it really was.
        http = error.__cause__ if type(error.__cause__).__module__.startswith("aiohttp") else None
        cause: BaseException = http or error
        super().__init__(f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__)
        status = getattr(cause, "status", getattr(getattr(cause, "response", None), "status_code", None))
        missing = isinstance(cause, FileNotFoundError | IsADirectoryError | PermissionError)
        self.permanent = missing or (isinstance(status, int) and 400 <= status < 500 and status not in (408, 425, 429))
        self.no_ranges = isinstance(error, ValueError) and "range requests" in str(error)


class ShardFile(io.RawIOBase):
    """The bytes of a shard, forward or (where it can) anywhere. What fails below them is a _ReadFailed."""

    def __init__(self, address: str, *, streamed: bool = False) -> None:
        self._file: IO[bytes] | None = None
        self.bytes: int | None = None
        self._position, self._back = 0, b""
        with _failing():
            self._file = _opened(address, streamed)
            size = getattr(self._file, "size", None) if is_remote(address) else os.fstat(self._file.fileno()).st_size
            self.bytes = size if isinstance(size, int) else None
        self.head = self.read(6)
        self._position = 0
        try:
            self._file.seek(0)
            self.anywhere = True
        except (ValueError, OSError):
            self._back, self.anywhere = self.head, False

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """Whether it can go back."""
        return self.anywhere

    def tell(self) -> int:
        """Bytes from the beginning."""
        return self._position

    def read(self, count: int | None = -1, /) -> bytes:
        """So many bytes, or all; fewer at the end alone."""
        pieces = []
        left = math.inf if count is None or count < 0 else count
        while left > 0:
            if self._back:
                piece = self._back if left >= len(self._back) else self._back[: int(left)]
                self._back = self._back[len(piece) :]
            else:
                assert self._file is not None, "the file is open"
                with _failing():
                    piece = self._file.read(READ_AHEAD if left == math.inf else int(left))
            if not piece:
                if self.bytes is not None and self._position < self.bytes:
                    raise _ReadFailed(EOFError(f"ended at byte {self._position} of {self.bytes}"))
                break
            pieces.append(piece)
            left -= len(piece)
            self._position += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer as far as there are bytes; how many."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte; where it cannot jump, forward by reading."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            if self.bytes is None:
                raise io.UnsupportedOperation("the size is not known")
            offset += self.bytes
        if offset == self._position:
            return offset
        if self.anywhere:
            assert self._file is not None, "the file is open"
            with _failing():
                self._file.seek(offset)
            self._back, self._position = b"", offset
            return offset
        if offset < self._position:
            raise io.UnsupportedOperation("this shard can only be read forward")
        while self._position < offset and self.read(min(READ_AHEAD, offset - self._position)):
            pass
        return self._position

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
        super().close()


class _failing:
    """What goes wrong within is a _ReadFailed: stores of all kinds raise errors of their own, not all OSError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, GanvasError):
            raise _ReadFailed(error) from None


def _opened(address: str, streamed: bool) -> IO[bytes]:
    if not is_remote(address):
        return Path(address).expanduser().open("rb")
    filesystem, path = _filesystem(address)
    return cast(
        IO[bytes],
        filesystem.open(path, "rb", block_size=0 if streamed else READ_AHEAD, cache_type="readahead"),
    )


def _filesystem(address: str) -> tuple[Any, str]:
    """What fsspec reads an address with, and its path there. Raises GanvasError if something is not installed."""
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ImportError as error:
        raise GanvasError('a remote shard needs fsspec, which is not installed: pip install "ganvas[data]"') from error
    scheme = address.partition("://")[0].lower()
    settings: dict[str, object] = {}
    try:
        if scheme in ("http", "https"):
            aiohttp = importlib.import_module("aiohttp")  # what fsspec reads http with
            # Not the whole of a long read, as is the default, but each wait is limited.
            limits = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
            settings["client_kwargs"] = {"timeout": limits}
        filesystem, path = url_to_fs(address, **settings)
    except ImportError as error:
        raise GanvasError(
            f"{redacted(address)} cannot be opened ({error}): install what reads {scheme}:// with "
            f'pip install "fsspec[{scheme}]"'
        ) from error
    except ValueError as error:
        raise GanvasError(f"{redacted(address)} cannot be opened ({redacted(str(error))})") from None
    return filesystem, path


def _tar_samples(
    file: ShardFile,
    name: str,
    progress: _Progress,
    step: int,
    shard: int,
    options: SourceOptions,
    problems: Report,
) -> Iterator[Sample]:
    packed = file.head[:2] == b"\x1f\x8b"
    stream = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file
    place, offset = (0, 0) if packed or not file.anywhere else (progress.known, progress.offset)
    first = progress.next

    def wanted(place: int, extension: str) -> bool:
        return place >= first and (place - first) % step == 0

    def report(key: str, reason: str) -> None:
        problems(f"{name}/{key}" if key else name, reason)

    samples: Iterator[TarSample] = tar_samples(
        stream, start=offset, place=place, picture_extension=options.image_column, wanted=wanted, report=report
    )
    try:
        for found in samples:
            progress.known, progress.offset = found.place, found.start
            if not wanted(found.place, found.extension):
                continue
            label, columns, fault = read_texts(found.contents, options.label_column)
            if fault is not None:
                report(found.key, fault)
            progress.next = found.place + step
            if found.extension in found.contents:  # else it was too large
                picture = found.contents[found.extension]
                yield Sample(found.key, picture, label, columns, shard, found.place)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        report("", "cut off or damaged gzip data: the rest is left out")


def _parquet_samples(
    file: ShardFile,
    name: str,
    progress: _Progress,
    step: int,
    shard: int,
    options: SourceOptions,
    problems: Report,
) -> Iterator[Sample]:
    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise GanvasError(f'{name} needs pyarrow, which is not installed: pip install "ganvas[data]"') from error
    if not file.anywhere:
        raise ShardError(f"{name} cannot be read in parts, as Parquet needs: copy it, or use a server with ranges")
    try:
        table = pyarrow.parquet.ParquetFile(file)
        columns = _choose_columns(table.schema_arrow, name, options)
        place = 0
        for group in range(table.metadata.num_row_groups):
            rows = table.metadata.row_group(group).num_rows
            if place + rows <= progress.next:
                place += rows
                continue
            for batch in table.iter_batches(_ROWS, [group], columns.read, use_threads=False):
                for row in range(batch.num_rows):
                    if place == progress.next:
                        progress.next += step
                        sample = columns.sample(batch, row, shard, place)
                        if isinstance(sample, str):
                            problems(f"{name}/{place}", sample)
                        else:
                            yield sample
                    place += 1
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        if isinstance(error, GanvasError):
            raise
        problems(name, f"damaged after {progress.next} rows ({error}): the rest is left out")


@dataclass(frozen=True)
class _Columns:
    """Which columns of a Parquet file are read, and as what."""

    read: list[str]
    image: str
    label: str | None

    def sample(self, batch: Any, row: int, shard: int, place: int) -> Sample | str:
        """One row, or why it has no picture."""
        values = {name: batch.column(name)[row].as_py() for name in batch.schema.names}
        picture = values.pop(self.image)
        if isinstance(picture, dict):
            picture = picture.get("bytes")
        if not picture:
            return "no picture in this row"
        if len(picture) > LARGEST_PICTURE:
            return "more than 1 GiB is not read"
        label = as_class(values.pop(self.label)) if self.label is not None else None
        kept = {name: value for name, value in values.items() if value is not None}
        return Sample(str(place), picture, label, kept, shard, place)


def _choose_columns(schema: Any, name: str, options: SourceOptions) -> _Columns:
    import pyarrow.types as types  # type: ignore[import-untyped]

    def holds_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0 and holds_bytes(kind.field("bytes").type)
        return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))

    def is_plain(kind: Any) -> bool:
        if types.is_dictionary(kind):
            return is_plain(kind.value_type)
        if types.is_list(kind) or types.is_large_list(kind):
            return bool(types.is_string(kind.value_type) or types.is_large_string(kind.value_type))
        return bool(
            types.is_string(kind)
            or types.is_large_string(kind)
            or types.is_string_view(kind)
            or types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_boolean(kind)
        )

    kinds = {field.name: field.type for field in schema}
    listed = ", ".join(f"{column} ({kind})" for column, kind in kinds.items())
    images = [column for column, kind in kinds.items() if holds_bytes(kind)]
    for given in (options.image_column, options.label_column):
        if given is not None and given not in kinds:
            raise UsageError(f"{name} has no column {given}: its columns are {listed}")
    image = options.image_column or next((column for column in _IMAGE_COLUMNS if column in images), None)
    if image is None and len(images) == 1:
        image = images[0]
    if image is None or image not in images:
        raise GanvasError(f"{name} has no column of encoded pictures that is plain to see: its columns are {listed}")
    plain = [column for column, kind in kinds.items() if is_plain(kind)]
    label = options.label_column or next((column for column in LABEL_FIELDS if column in plain), None)
    read = [f"{image}.bytes" if types.is_struct(kinds[image]) else image, *plain]
    return _Columns(read + [label] * (label is not None and label not in plain), image, label)


def _without_braces(address: str) -> Iterator[str]:
    """Every way to read the braces of an address, in order. Raises UsageError for a million or more."""
    choices: list[Sequence[str]] = []
    position = 0
    for found in re.finditer(f"{_RANGE.pattern}|{_CHOICE.pattern}", address):
        choices.append((address[position : found.start()],))
        position = found.end()
        if found[3] is not None:
            choices.append(found[3].split(","))
            continue
        first, last = int(found[1][:20]), int(found[2][:20])
        if last < first or last - first >= MOST_SHARDS:
            raise (
                _too_many(address)
                if last > first
                else UsageError(f"{redacted(address)} counts down in {found[0]}: write the smaller number first")
            )
        width = len(found[1]) if len(found[1]) == len(found[2]) or found[1].startswith("0") else 0
        choices.append([f"{number:0{width}d}" for number in range(first, last + 1)])
    if math.prod(map(len, choices)) > MOST_SHARDS:
        raise _too_many(address)
    return ("".join(parts) + address[position:] for parts in itertools.product(*choices))


def _too_many(address: str) -> GanvasError:
    return UsageError(f"{redacted(address)} means more than {MOST_SHARDS} shards: use larger shards")


def _listed_local(address: str) -> list[str]:
    path = Path(address).expanduser()
    if path.is_dir():
        files = [str(file) for file in path.rglob("*") if file.is_file()]
        found = _shards_among(files)
        if not found:
            raise GanvasError(f"{address} holds no shards: expected files named .tar, .tar.gz or .parquet")
        return found
    if path.is_file():
        return [str(path)]
    matches = [file for file in glob.glob(str(path), recursive=True) if os.path.isfile(file)]
    if not matches:
        raise GanvasError(f"{address} is not there: give shards, a folder of shards or a pattern such as 'train-*.tar'")
    return natural_sorted(matches)


def _listed_remote(address: str) -> list[str]:
    scheme, _, rest = address.partition("://")
    bare = redacted(address).lower()
    pattern = "*" in rest
    if not pattern and (scheme in ("http", "https") or bare.endswith(TAR_SUFFIXES + PARQUET_SUFFIXES)):
        return [address]
    filesystem, path = _filesystem(address)
    try:
        files = filesystem.glob(path) if pattern else filesystem.find(path)
        if not pattern and len(files) == 1 and files[0].rstrip("/").endswith(path.rstrip("/")):
            return [address]  # one shard without a usual ending
        found = natural_sorted(files) if pattern else _shards_among(files)
    except Exception as error:
        reason = redacted(f"{type(error).__name__}: {error}")
        raise ShardError(f"{redacted(address)} cannot be listed ({reason}): check it, and your access to it") from None
    if not found:
        raise GanvasError(f"{redacted(address)} holds no shards: expected files named .tar, .tar.gz or .parquet")
    return [str(filesystem.unstrip_protocol(file)) for file in found]


def _shards_among(files: Sequence[str]) -> list[str]:
    """The tars, or without any the Parquet files, in natural order."""
    for suffixes in (TAR_SUFFIXES, PARQUET_SUFFIXES):
        found = [file for file in files if file.lower().endswith(suffixes)]
        if found:
            return natural_sorted(found)
    return []


def _is_shard(path: Path) -> bool:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            return holds_samples(gzip.GzipFile(fileobj=raw) if packed else raw)
    except (OSError, EOFError, zlib.error):
        return False
