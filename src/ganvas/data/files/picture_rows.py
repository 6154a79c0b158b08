"""Which picture each row of a table beside the pictures is about; all tables of one kind put together.

A row names its picture by the path from the table's folder, with or without suffix; where no row of a table finds one
that way, by the bare name.
"""

from __future__ import annotations

import codecs
import itertools
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ganvas.data.files.text_tables import (
    LONGEST_CELL,
    Cell,
    TextTable,
    cell_text,
    is_picture_name,
    read_csv,
    read_json_lines,
)
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError

FILE_COLUMNS = ("file_name", "filename", "file", "image", "image_path", "path", "name", "id")
TABLES = ("metadata.jsonl", "metadata.csv", "labels.csv")
LARGEST_FILE = 1 << 30  # bytes of a labels file, which is read whole
_MISSING, _SEVERAL = -1, -2  # instead of a picture's place


@dataclass(frozen=True)
class PlacedTable:
    """One file. kind: its name without folders. folders: what its file names may be relative to, likeliest first.

    outside: named by the user.
    """

    kind: str
    where: str
    folders: tuple[str, ...]
    outside: bool
    table: TextTable


@dataclass(frozen=True)
class Clash:
    """Rows that say different things of one picture: in how many cells of a column, and the first of them."""

    count: int
    picture: str
    values: tuple[str, str]


@dataclass(frozen=True)
class Kind:
    """All files of one kind together: by column, one cell per picture (a later row wins), and clashes."""

    name: str
    outside: bool
    columns: dict[str, list[Cell]]
    clashes: dict[str, Clash]


def read_tables(
    found: Mapping[str, bytes], names: Sequence[str], options: SourceOptions, where: str
) -> list[PlacedTable]:
    """The labels file, then the tables among `found` by kind. Raises GanvasError and UsageError."""
    tables = []
    if options.labels_file is not None:
        path = options.labels_file.expanduser()
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise GanvasError(f"{path} has more than 1 GiB: leave out columns, or split the source")
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"labels file {path} cannot be read ({error.strerror or error})") from error
        read = read_json_lines if content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{" else read_csv
        shared = os.path.commonprefix([min(names, default=""), max(names, default="")])  # noqa: RUF071 - cut at a slash
        folders = "", shared[: shared.rfind("/") + 1]
        tables.append(PlacedTable(path.name, str(path), folders, True, read(content, str(path))))
    for kind in TABLES:
        for inside in sorted(path for path in found if _base(path) == kind):
            read, name = read_json_lines if kind.endswith("jsonl") else read_csv, f"{inside} of {where}"
            table = read(found[inside], name)
            tables.append(PlacedTable(kind, name, (inside.removesuffix(kind),), False, table))
    return tables


def kinds_of(
    tables: Sequence[PlacedTable], names: Sequence[str], options: SourceOptions, notes: list[str]
) -> list[Kind]:
    """Tables of one kind put together, by picture. One that names no picture is left out with a note.

    Raises GanvasError if that is the labels file.
    """
    finder = _Finder(names)
    kinds: dict[tuple[bool, str], Kind] = {}
    for placed in tables:
        table, where = placed.table, placed.where
        column, places = _file_column(placed, finder, options)
        if table.cut:
            notes.append(f"{_count(table.cut, 'cell')} of {where} longer than {LONGEST_CELL} characters: cut")
        if column is None or not any(place >= 0 for place in places):
            problem = f"{where} is not used: {_why_nothing_is_found(table, column, names)}"
            if placed.outside:
                raise GanvasError(problem)
            notes.append(problem)
            continue
        for place, why in ((_MISSING, "no picture here"), (_SEVERAL, "more than one picture")):
            if place in places:
                count, first = places.count(place), _shown(table.columns[column][places.index(place)])
                notes.append(f"{_count(count, 'row')} of {where} passed over, for {why} ({first})")
        kind = kinds.setdefault((placed.outside, placed.kind), Kind(placed.kind, placed.outside, {}, {}))
        for name, cells in table.columns.items():
            if name != column:
                _put(kind, name, cells, places, names)
    return list(kinds.values())


def _why_nothing_is_found(table: TextTable, column: str | None, names: Sequence[str]) -> str:
    if not table.rows:
        return "it has no rows"
    if column is None:
        return (
            f"none of its columns ({', '.join(list(table.columns)[:20])}) is called as one of files: call it "
            f"{FILE_COLUMNS[0]}, or say which is the image column"
        )
    first, picture = _shown(table.columns[column][0]), names[0] if names else "nothing"
    return f"its column {column} names no picture here (it begins with {first}, the pictures with {picture})"


def _put(kind: Kind, column: str, cells: Sequence[Cell], places: Sequence[int], names: Sequence[str]) -> None:
    """Cells of rows into their pictures' places; a cell that says nothing leaves what an earlier row said."""
    target = kind.columns.setdefault(column, [None] * len(names))
    for cell, place in zip(cells, places, strict=True):
        if cell is None or place < 0:
            continue
        before = target[place]
        target[place] = cell
        if before is not None and before != cell:
            clash = kind.clashes.get(column, Clash(0, names[place], (_shown(before), _shown(cell))))
            kind.clashes[column] = replace(clash, count=clash.count + 1)


def _file_column(placed: PlacedTable, finder: _Finder, options: SourceOptions) -> tuple[str | None, list[int]]:
    """The column of file names and the picture of each row: of columns with fitting names the first that finds any."""
    table = placed.table
    columns = [name for wanted in FILE_COLUMNS for name in table.columns if name.casefold() == wanted]
    if options.image_column in table.columns:
        columns = [options.image_column]
    first: tuple[str | None, list[int]] = None, []
    for column in columns:
        places = finder.places(table.columns[column], placed.folders, column.casefold() == "id")
        if any(place >= 0 for place in places):
            return column, places
        first = first if first[0] is not None else (column, places)
    return first


class _Finder:
    """Pictures by what tables call them: path, path without suffix or, where that finds none, the bare name."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._paths = _index(_composed(name) for name in names)

    @cached_property
    def _stems(self) -> dict[str, int]:
        return _index(os.path.splitext(_composed(name))[0] for name in self._names)

    def places(self, cells: Sequence[Cell], folders: Sequence[str], is_id: bool) -> list[int]:
        """The picture of each cell, `_MISSING` or `_SEVERAL`. is_id: "a.png" may be "a.png.jpg"."""
        files = [_composed(_file(cell)) for cell in cells]
        stems = [is_id or not is_picture_name(file) for file in files]
        for folder in map(_composed, folders):
            found = [
                self._paths.get(folder + file, self._stems.get(folder + file, _MISSING) if stem else _MISSING)
                for file, stem in zip(files, stems, strict=True)
            ]
            if any(place >= 0 for place in found):
                return found
        # Many tables lie beside the folder of the pictures and name these without it.
        inside = [(i, _base(name)) for i, name in enumerate(self._names) if name.startswith(folders[-1])]
        by_name = _index((_composed(base) for _, base in inside), [i for i, _ in inside])
        by_stem = _index((os.path.splitext(_composed(base))[0] for _, base in inside), [i for i, _ in inside])
        return [
            by_name.get(file, by_stem.get(file, _MISSING) if stem else _MISSING)
            for file, stem in zip(files, stems, strict=True)
        ]


def _index(keys: Iterable[str], places: Iterable[int] | None = None) -> dict[str, int]:
    index: dict[str, int] = {}
    for key, place in zip(keys, itertools.count() if places is None else places, strict=False):
        index[key] = place if key not in index else _SEVERAL
    return index


def _composed(name: str) -> str:
    """macOS writes é as two characters in file names, tables have one."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _file(cell: Cell) -> str:
    text = "" if cell is None or isinstance(cell, tuple) else cell_text(cell)
    return text.replace("\\", "/").removeprefix("./")


def _shown(cell: Cell) -> str:
    return "an empty cell" if cell is None else cell_text(cell)[:80]


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
