"""The rows of one table, a batch at a time: of Parquet and Arrow files, and of tables in memory."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.tables.arrow_types import damage, first_line, has_dictionary, image_kind, require_pyarrow
from ganvas.errors import GanvasError

BATCH_BYTES = 1 << 24  # of a Parquet row group: what is unpacked at a time
MOST_BATCH_ROWS = 256  # a dictionary page can make many large rows of few bytes
KEPT_BATCHES = 4
KEPT_OPEN = 4  # files


class Rows:
    """The rows of one table in batches. Errors of pyarrow pass through; `Reader` and `open_rows` name them."""

    schema: Any
    starts: NDArray[np.int64]  # [batches + 1]: the row at which each batch begins; the last is the count of rows

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self.starts[-1])

    def locate(self, row: int) -> tuple[int, int]:
        """The batch that holds a row, and its place there."""
        number = int(np.searchsorted(self.starts, row, "right")) - 1
        return number, row - int(self.starts[number])

    def batch(self, number: int, column: str) -> Any:
        """One column of one batch, [rows of the batch]."""
        raise NotImplementedError

    def whole(self, column: str) -> Any:
        """All rows of a small column: a pyarrow.ChunkedArray."""
        raise NotImplementedError

    def close(self) -> None:
        """Forget open files; the next call opens them again."""


class _Forward:
    """What an iterator gives, by number; going back begins again. After damage the rest is not tried again."""

    def __init__(self, begin: Callable[[], Iterator[Any]]) -> None:
        self._begin, self._next = begin, 0
        self._items: Iterator[Any] | None = None
        self._broken: tuple[int, Exception] | None = None

    def get(self, number: int) -> Any:
        """The item with that number."""
        if self._broken is not None and number >= self._broken[0]:
            raise self._broken[1]
        item: Any = None
        try:
            if self._items is None or number < self._next:
                self._items, self._next = self._begin(), 0
            while self._next <= number:
                item = next(self._items)
                self._next += 1
        except StopIteration as error:
            raise OSError("fewer rows than declared") from error
        except Exception as error:
            self._broken = (self._next, error)
            self._items = None
            raise
        return item


class _ParquetRows(Rows):
    """Row groups are cut into batches and read forward, so that a group of any size takes little memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._forward: tuple[tuple[int, str], _Forward] | None = None
        metadata = self._opened().metadata
        self.schema = self._opened().schema_arrow
        if metadata.num_rows > path.stat().st_size:
            raise OSError(f"declares {metadata.num_rows} rows in {path.stat().st_size} bytes")
        lengths: list[NDArray[np.int64]] = []
        self._steps, first = [], [0]
        for i in range(metadata.num_row_groups):
            group = metadata.row_group(i)
            fit = BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)
            step = min(max(1, fit), MOST_BATCH_ROWS)
            self._steps.append(step)
            lengths.append(np.diff(np.append(np.arange(0, group.num_rows, step), group.num_rows)))
            first.append(first[-1] + len(lengths[-1]))
        self._first = np.array(first, np.int64)  # [groups + 1]: the batch at which each row group begins
        self.starts = np.cumsum(np.concatenate(([0], *lengths)), dtype=np.int64)
        if self.count != metadata.num_rows:
            raise OSError(f"declares {metadata.num_rows} rows, its row groups {self.count}")
        self.close()

    def _opened(self) -> Any:
        if self._file is None:
            # Without pre_buffer, or a whole row group would be read at once.
            self._file = require_pyarrow().parquet.ParquetFile(self._path, memory_map=True, pre_buffer=False)
        return self._file

    def batch(self, number: int, column: str) -> Any:
        """One column of one batch."""
        group = int(np.searchsorted(self._first, number, "right")) - 1
        if self._forward is None or self._forward[0] != (group, column):

            def begin() -> Iterator[Any]:
                batches: Iterator[Any] = self._opened().iter_batches(
                    batch_size=self._steps[group], row_groups=[group], columns=[column], use_threads=False
                )
                return batches

            self._forward = ((group, column), _Forward(begin))
        values = self._forward[1].get(number - int(self._first[group])).column(column)
        expected = int(self.starts[number + 1] - self.starts[number])
        if len(values) != expected:
            raise OSError(f"a batch of {len(values)} rows instead of {expected}")
        return values

    def whole(self, column: str) -> Any:
        """All rows of a small column."""
        return self._opened().read(columns=[column], use_threads=False).column(column)

    def close(self) -> None:
        """Forget the open file."""
        self._file = self._forward = None


class _ArrowRows(Rows):
    """An Arrow file or stream from a memory map. A batch is what its writer made one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            magic = file.read(6)
        if magic[:4] == b"FEA1":
            raise OSError("the first version of Feather is not read: write it again with a newer pyarrow or pandas")
        self._is_file = magic == b"ARROW1"
        self._map: Any = None
        self._readers: dict[str, Any] = {}
        self.schema = self._reader(None).schema
        self._has_dictionaries = any(has_dictionary(field.type) for field in self.schema)
        self._offsets: list[int] = []  # of the batches
        counts = self._count()
        if min(counts, default=0) < 0 or sum(counts) > path.stat().st_size:
            raise OSError(f"declares {sum(counts)} rows in {path.stat().st_size} bytes")
        self.starts = np.cumsum([0, *counts], dtype=np.int64)
        if self._is_file and len(counts) != self._reader(None).num_record_batches:
            raise OSError(f"{len(counts)} batches, its end declares another number")
        self.close()

    def _count(self) -> list[int]:
        """Rows of each batch. Only what lies before the batches is read, so that nothing is unpacked."""
        ipc, file = require_pyarrow().ipc, self._mapped()
        file.seek(8 if self._is_file else 0)  # a file is a stream between two signatures
        counts: list[int] = []
        while True:
            place = file.tell()
            try:
                message = ipc.read_message(file)
            except EOFError:
                return counts
            if message.type == "record batch":
                self._offsets.append(place)
                counts.append(_rows_of(message.metadata.to_pybytes()))

    def _mapped(self) -> Any:
        if self._map is None:
            self._map = require_pyarrow().memory_map(str(self._path))
        return self._map

    def _reader(self, column: str | None) -> Any:
        ipc = require_pyarrow().ipc
        fields = [] if column is None else [self.schema.get_field_index(column)]
        options = ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        self._mapped().seek(0)
        return (ipc.open_file if self._is_file else ipc.open_stream)(self._mapped(), options=options)

    def _batches(self, column: str) -> Iterator[Any]:
        reader = self._reader(column)
        if self._is_file:
            yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            yield from reader

    def batch(self, number: int, column: str) -> Any:
        """One column of one batch, checked: offsets that a damaged file holds would lead anywhere."""
        if self._is_file:
            if column not in self._readers:
                self._readers[column] = self._reader(column)
            values = self._readers[column].get_batch(number).column(column)
        elif self._has_dictionaries:  # they lie between the batches, so that these must be read in order
            if column not in self._readers:
                self._readers[column] = _Forward(lambda: self._batches(column))
            values = self._readers[column].get(number).column(column)
        else:
            ipc = require_pyarrow().ipc
            self._mapped().seek(self._offsets[number])
            values = ipc.read_record_batch(ipc.read_message(self._mapped()), self.schema).column(column)
        values.validate(full=True)
        expected = int(self.starts[number + 1] - self.starts[number])
        if len(values) != expected:
            raise OSError(f"a batch of {len(values)} rows instead of {expected}")
        return values

    def whole(self, column: str) -> Any:
        """All rows of a small column."""
        return require_pyarrow().chunked_array([batch.column(column) for batch in self._batches(column)])

    def close(self) -> None:
        """Forget the memory map."""
        self._readers, self._map = {}, None


def _rows_of(message: bytes) -> int:
    """The length of a record batch from its message, a flatbuffer: Message.header, then RecordBatch.length."""

    def field(table: int, number: int) -> int | None:
        slots = table - struct.unpack_from("<i", message, table)[0]
        size, slot = struct.unpack_from("<H", message, slots)[0], 4 + 2 * number
        offset: int = struct.unpack_from("<H", message, slots + slot)[0] if slot < size else 0
        return table + offset if offset else None  # what is not there is 0

    header = field(struct.unpack_from("<I", message, 0)[0], 2)
    length = None if header is None else field(header + struct.unpack_from("<I", message, header)[0], 0)
    return 0 if length is None else int(struct.unpack_from("<q", message, length)[0])


class MemoryRows(Rows):
    """An Arrow table in memory, or mapped there; `indices` [rows] chooses and orders its rows."""

    def __init__(self, table: Any, indices: NDArray[np.int64] | None) -> None:
        self.schema, self._table, self._indices = table.schema, table, indices
        self.starts = np.array([0, table.num_rows if indices is None else len(indices)], np.int64)

    def locate(self, row: int) -> tuple[int, int]:
        """All rows are one batch."""
        return 0, row if self._indices is None else int(self._indices[row])

    def batch(self, number: int, column: str) -> Any:
        """The whole column, which is not copied."""
        return self._table.column(column)

    def whole(self, column: str) -> Any:
        """All rows of a small column."""
        values = self._table.column(column)
        return values if self._indices is None else values.take(self._indices)


class Reader:
    """The values of one column in several tables: few files open and few batches kept at a time."""

    def __init__(self, tables: Sequence[Rows], column: str) -> None:
        self._tables, self._column = tables, column
        self._kept: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._open: OrderedDict[int, None] = OrderedDict()
        self._lock = Lock()

    def value(self, table: int, row: int) -> Any:
        """A pyarrow scalar. Raises what pyarrow raises."""
        number, place = self._tables[table].locate(row)
        key = (table, number)
        with self._lock:
            if key not in self._kept:
                self._open[table] = None
                self._open.move_to_end(table)
                if len(self._open) > KEPT_OPEN:
                    self._tables[self._open.popitem(last=False)[0]].close()
                self._kept[key] = self._tables[table].batch(number, self._column)
                if len(self._kept) > KEPT_BATCHES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key][place]


def open_rows(where: str, path: Path) -> Rows:
    """The rows of a file that messages call `where`. Raises GanvasError if it is damaged or repeats a column."""
    parquet = path.suffix.lower() == ".parquet"
    try:
        rows: Rows = _ParquetRows(path) if parquet else _ArrowRows(path)
        names = rows.schema.names
        for each in rows.schema.types:
            image_kind(each)  # fails, as the names do, where one in a struct is damaged
    except damage() as error:
        kind = "Parquet" if parquet else "Arrow"
        raise GanvasError(
            f"{where} is not a readable {kind} file ({first_line(error)}): copy or make it again"
        ) from error
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise GanvasError(f"{where} has several columns named {twice[0]}: rename all but one")
    return rows
