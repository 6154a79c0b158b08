"""The samples of one shard, one by one: a tar in the webdataset convention (also gzipped) or a Parquet file.

Nothing is copied to disk; a read that fails is tried again from the last sample.
"""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.data.shards.remote import ShardError, redacted
from ganvas.data.shards.sample_texts import LABEL_FIELDS, as_class, read_texts
from ganvas.data.shards.shard_file import ReadFailed, ShardFile
from ganvas.data.shards.tar_samples import LARGEST_PICTURE, Report, TarSample, tar_samples
from ganvas.errors import GanvasError, UsageError

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # before a failed read is tried again
_IMAGE_COLUMNS = ("image", "img", "picture", "jpg", "png")
_ROWS = 16  # of a Parquet row group, turned into Python objects at a time


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
        except ReadFailed as error:
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
