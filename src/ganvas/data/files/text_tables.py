"""CSV and JSON lines -> columns of text, numbers and tags, within limits and with errors that name the line.

Both are UTF-8, with or without a byte order mark. CSV is parted by commas, semicolons or tabs, whichever parts its
first line into most cells; it has a header, unless it is two columns of which the first are files of pictures.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import json
import math
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from ganvas.data.decode import SUFFIXES
from ganvas.errors import GanvasError

MOST_ROWS = 10_000_000
MOST_COLUMNS = 1000
MOST_CELLS = 200_000_000  # some GiB of memory
LONGEST_NAME = 200  # characters of a column's name
LONGEST_CELL = 100_000  # characters; what is longer is cut
_LONGEST_FIELD = 10_000_000  # characters; beyond it a quotation mark was left open

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")  # float() takes "1_0" and "inf" too
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # has no place in UTF-8, or ends a text
_field_limit = threading.Lock()  # the csv module has one limit for the whole process

Cell = str | float | tuple[str, ...] | None  # None: nothing is said


@dataclass(frozen=True)
class TextTable:
    """Columns by name, each with one cell per row. cut: how many cells were longer than `LONGEST_CELL`."""

    columns: dict[str, list[Cell]]
    rows: int
    cut: int


def read_json_lines(content: bytes, where: str) -> TextTable:
    """A table of one JSON object per line; lists become tags, what is nested deeper compact JSON.

    `where` names it in messages. Raises GanvasError for what is no such table, or beyond the limits.
    """
    expected = 'expected one JSON object, such as {"file_name": "a.png", "label": "cat"}'
    builder = _Builder(where)
    for number, line in _decoded_lines(content, where):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"it is {line.strip()[:40]}")
            for name, value in row.items():
                builder.put(builder.text(name), _cell_of_json(value, builder))
        except GanvasError:
            raise
        except (ValueError, RecursionError) as error:
            raise GanvasError(f"line {number} of {where}: {expected} ({error})") from error
        builder.end_row()
    return builder.finished()


def read_csv(content: bytes, where: str) -> TextTable:
    """A table of cells parted by commas, semicolons or tabs; "a|b" and "a;b" in columns named with an s are tags.

    `where` names it in messages. Raises GanvasError for what is no such table, or beyond the limits.
    """
    builder = _Builder(where)
    first = next((line for _, line in _decoded_lines(content, where) if line.strip()), "")
    with _long_fields():
        delimiter = max("\t,;", key=lambda candidate: _cells_in(first, candidate))
        records = _csv_records(content, delimiter, where)
        header = [builder.text(name) for name in next(records, (0, []))[1]]
        if len(header) == 2 and is_picture_name(header[0] or ""):
            records = itertools.chain([(1, [name or "" for name in header])], records)
            header = ["file_name", "label"]
        twice = [name for name, count in Counter(header).items() if name and count > 1]
        if twice:
            raise GanvasError(f"{where} has two columns {twice[0]}: rename one")
        columns = [(builder.column(name), name is not None) for name in header]  # pandas' row numbers have no name
        for number, record in records:
            if len(record) != len(header):
                raise GanvasError(
                    f"line {number} of {where} has {len(record)} cells: expected {len(header)} as in the first line; "
                    f"put cells that hold {delimiter!r} into quotation marks"
                )
            for (cells, kept), value in zip(columns, record, strict=True):
                if kept:
                    cells.append(builder.text(value))
            builder.end_row()
    for name, cells in builder.columns.items():
        if name.casefold().endswith("s") and any(isinstance(cell, str) and parts_of(cell) for cell in cells):
            cells[:] = [parts_of(cell) or (cell,) if isinstance(cell, str) else cell for cell in cells]
    return builder.finished()


def cell_text(cell: str | float | tuple[str, ...]) -> str:
    """A cell as people would write it; tags as a JSON list."""
    if isinstance(cell, tuple):
        return _compact(cell)
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53 else str(cell)


def parts_of(text: str) -> tuple[str, ...]:
    """The parts of "a|b" or "a;b"; empty if there is nothing to part."""
    separator = "|" if "|" in text else ";"
    return tuple(part for raw in text.split(separator) if (part := raw.strip())) if separator in text else ()


def is_number(text: str) -> bool:
    """Whether a cell is a finite number as CSV writes it."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def is_picture_name(name: str) -> bool:
    """Whether a file name has the suffix of a picture."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


class _Builder:
    """Columns that grow row by row, within the limits."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.rows = 0
        self.cut = 0
        self.columns: dict[str, list[Cell]] = {}

    def column(self, name: str | None) -> list[Cell]:
        """The column of this name, filled up to the row before this one; one without a name is not kept."""
        if name is None:
            return []
        cells = self.columns.get(name)
        if cells is None:
            if len(self.columns) == MOST_COLUMNS or len(name) > LONGEST_NAME:
                raise GanvasError(
                    f"{self.where} has more than {MOST_COLUMNS} columns, or one with a name of more than "
                    f"{LONGEST_NAME} characters: leave out what is not of use"
                )
            cells = self.columns[name] = []
        cells.extend([None] * (self.rows - len(cells)))
        return cells

    def put(self, name: str | None, cell: Cell) -> None:
        """One cell of this row."""
        if cell is not None:
            cells = self.column(name)
            del cells[self.rows :]  # " a" and "a" in one JSON object
            cells.append(cell)

    def end_row(self) -> None:
        """Count a row. Raises GanvasError beyond the limits."""
        self.rows += 1
        if self.rows > MOST_ROWS or self.rows * len(self.columns) > MOST_CELLS:
            raise GanvasError(
                f"{self.where} has more than {MOST_ROWS} rows or {MOST_CELLS} cells: leave out columns, or split it"
            )

    def text(self, value: str) -> str | None:
        """A cell as it is kept: writable as UTF-8, not longer than the limit; None if nothing is left."""
        value = value.strip()
        if len(value) > LONGEST_CELL:
            self.cut += 1
            value = value[:LONGEST_CELL]
        return (value if value.isascii() and "\0" not in value else _UNWRITABLE.sub("\ufffd", value)) or None

    def finished(self) -> TextTable:
        """All columns, of equal length."""
        return TextTable({name: self.column(name) for name in self.columns}, self.rows, self.cut)


def _cell_of_json(value: object, builder: _Builder) -> Cell:
    """Text, a number or tags; what is nested deeper as compact JSON. NaN and null say nothing."""
    if isinstance(value, str):
        return builder.text(value)
    if isinstance(value, bool | int) and abs(value) < 2**63:
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        tags = (builder.text(part if isinstance(part, str) else _compact(part)) for part in value if part is not None)
        return tuple(tag for tag in tags if tag is not None)
    return None if value is None else builder.text(_compact(value))


def _cells_in(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), []))
    except csv.Error:  # reading the table will say where
        return 0


def _csv_records(content: bytes, delimiter: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record that is not blank."""
    lines = (line for _, line in _decoded_lines(content, where))
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise GanvasError(
                f"line {number} of {where}: expected cells with closed quotation marks ({error})"
            ) from error
        if record is None:
            return
        if any(cell.strip() for cell in record):
            yield number, record


def _decoded_lines(content: bytes, where: str) -> Iterator[tuple[int, str]]:
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    for number, line in enumerate(BytesIO(content), start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise GanvasError(f"line {number} of {where} is not UTF-8 ({error.reason}): save it as UTF-8") from error
        if "\0" in text:
            raise GanvasError(f"line {number} of {where} holds a NUL byte: it is no text, save it as UTF-8")
        yield number, text


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let cells be longer than the csv module's own 128 KiB, so that they can be cut."""
    with _field_limit:
        before = csv.field_size_limit(_LONGEST_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
