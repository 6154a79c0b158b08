"""Classes, splits, groups, captions and attributes from tables that lie beside the pictures, or that the user names.

| file           | what it is                                                                     |
|----------------|--------------------------------------------------------------------------------|
| a labels file  | named by the user: CSV or JSON lines; comes before all others                  |
| dataset.json   | {"labels": [["a.png", 0], ...]}, as StyleGAN's tools write it                  |
| metadata.jsonl | {"file_name": "a.png", "text": "a cat"} in each line, as Hugging Face reads it |
| metadata.csv   | the same as a table with a header                                              |
| labels.csv     | the same, or just file,class in each line                                      |

Files of one kind in several folders are put together. Classes come from the first kind that has some; so does each
column that several kinds have.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganvas.data.contract import Column
from ganvas.data.files.picture_rows import Kind, PlacedTable, kinds_of, read_tables
from ganvas.data.files.text_tables import Cell, cell_text, is_number, parts_of
from ganvas.data.labels import (
    Labelling,
    labels_from_dataset_json,
    labels_from_texts,
    read_layout,
    unlabelled,
)
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError

DATASET_JSON = "dataset.json"
CLASS_COLUMNS = ("label", "class", "class_name", "category", "target", "y")
GROUP_COLUMNS = ("group", "patient", "patient_id", "subject", "subject_id", "video")
HELD_OUT = {"train": False, "training": False} | dict.fromkeys(("val", "valid", "validation", "test", "testing"), True)
LONGEST_CLASS = 200  # characters; what is longer is a caption


@dataclass(frozen=True)
class Sidecar:
    """What tables beside the pictures say. Arrays and columns have one entry per picture, in the order of the names.

    labelling: None if they say nothing about classes: then folders decide. held_out: None without a split column;
    else it wins over folders. groups: None without a column of groups or patients.
    """

    labelling: Labelling | None
    held_out: NDArray[np.bool_] | None
    groups: NDArray[np.int64] | None
    columns: Mapping[str, Column]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _DatasetJson:
    """A dataset.json that is read only if no labels file comes before it. names: relative to its folder."""

    content: bytes
    names: Sequence[str]
    where: str


def read_sidecars(
    found: Mapping[str, bytes], names: Sequence[str], options: SourceOptions, where: str
) -> Sidecar | None:
    """What `found` and `options.labels_file` say of the pictures `names`; None if there is no such file.

    found: path inside the source -> content, of files called dataset.json, metadata.jsonl, metadata.csv or
    labels.csv; others are left alone. where: the source in messages. Raises GanvasError for a file that cannot be
    understood, and UsageError for an option that does not fit.
    """
    json_paths = [path for path in found if path.rpartition("/")[2] == DATASET_JSON]
    tables = read_tables(found, names, options, where)
    if not tables and not json_paths:
        return None
    _check_column("image", options.image_column, tables)
    _check_column("label", options.label_column, tables)
    of_json = None
    if json_paths:
        path = min(json_paths, key=lambda path: path.count("/"))
        folder = path.removesuffix(DATASET_JSON)
        of_json = _DatasetJson(found[path], [name.removeprefix(folder) for name in names], f"{path} of {where}")
    notes: list[str] = []
    kinds = kinds_of(tables, names, options, notes)
    clashes = [(kind.name, column, clash) for kind in kinds for column, clash in kind.clashes.items()]
    labelling = _take_classes(kinds, of_json, names, options, notes)
    held_out = _take_split(kinds, names, notes)
    groups = _take_groups(kinds, names, held_out, notes)
    columns = _take_columns(kinds, notes)
    for kind_name, column, clash in clashes:
        more = f" and {clash.count - 1} more" if clash.count > 1 else ""
        notes.append(f"{kind_name} has several {column} for {clash.picture}{more}: the last row counts")
    return Sidecar(labelling, held_out, groups, columns, tuple(notes))


def _check_column(option: str, column: str | None, tables: Sequence[PlacedTable]) -> None:
    if column is not None and tables and not any(column in placed.table.columns for placed in tables):
        there = _listed(list(dict.fromkeys(name for placed in tables for name in placed.table.columns)), 20)
        wheres = _listed([placed.where for placed in tables])
        raise UsageError(f"{option} column {column}: {wheres} has no such column; choose one of {there}")


def _take_classes(
    kinds: Sequence[Kind],
    of_json: _DatasetJson | None,
    names: Sequence[str],
    options: SourceOptions,
    notes: list[str],
) -> Labelling | None:
    """Classes from the first that has some; columns of classes are taken out of `kinds`."""
    asked_for = options.label_column is not None and any(options.label_column in kind.columns for kind in kinds)
    chosen: Labelling | None = None
    chosen_from, not_used = "", []
    outside = [kind for kind in kinds if kind.outside]
    for kind in [*outside, None, *kinds[len(outside) :]]:
        if kind is None:
            if of_json is not None and (chosen is not None or asked_for):
                not_used.append(DATASET_JSON)
            elif of_json is not None:
                chosen = labels_from_dataset_json(of_json.content, of_json.names, of_json.where)
                chosen_from = DATASET_JSON
            continue
        column = options.label_column if asked_for else _first(CLASS_COLUMNS, kind.columns)
        if column is None or column not in kind.columns:
            continue
        if chosen is not None:
            not_used.append(kind.name)
            del kind.columns[column]
        elif (found := _judge(kind, column, names, asked_for, notes)) is not None:
            chosen, chosen_from = found, kind.name
    if chosen is not None and not_used:
        notes.append(f"classes come from {chosen_from}, not from {_listed(not_used)}")
    return chosen


def _judge(kind: Kind, column: str, names: Sequence[str], asked_for: bool, notes: list[str]) -> Labelling | None:
    """The classes of one column, taken out of `kind`; None, and a note, if its cells are something else.

    A column that the user asked for is never passed over for the folders.
    """
    cells = kind.columns[column]
    origin = f"column {column} of {kind.name}"
    if any(isinstance(cell, tuple) or (isinstance(cell, str) and parts_of(cell)) for cell in cells):
        kind.columns[column] = [parts_of(cell) or (cell,) if isinstance(cell, str) else cell for cell in cells]
        reason = f"{origin} has several classes a picture: kept in the store, not used as classes"
        if asked_for:
            return unlabelled(reason)
        notes.append(reason)
        return None
    values = ["" if cell is None else cell_text(cell) for cell in cells]
    given = sum(map(bool, values))
    distinct = set(values) - {""}
    numbers = all(map(is_number, distinct))
    fraction = next((value for value in values if numbers and value and not float(value).is_integer()), None)
    long = next((value for value in values if len(value) > LONGEST_CLASS), None)
    problem = None
    if fraction is not None:
        problem = f"{origin} holds numbers such as {fraction}"
    elif long is not None:
        problem = f"{origin} holds texts such as {long[:60]}..."
    elif len(distinct) > max(20, given / 2) and not asked_for:
        problem = f"{origin} has {len(distinct)} values for {given} pictures"
    if problem is not None:
        if asked_for:
            raise UsageError(f"{problem}: as label column name one of whole numbers or short names")
        notes.append(f"{problem}: kept in the store, not used as classes")
        return None
    if column in kind.clashes:
        clash = kind.clashes[column]
        raise GanvasError(f"{kind.name} gives {clash.picture} two classes, {' and '.join(clash.values)}: leave one")
    if given < len(names):
        lacking = f"{len(names) - given} of {len(names)} pictures ({names[values.index('')]})"
        return unlabelled(f"{kind.name} has no class for {lacking}; add them, or take these pictures away")
    del kind.columns[column]
    return labels_from_texts(values, _names_of(kind, column, values) if numbers else {}, origin)


def _names_of(kind: Kind, column: str, values: Sequence[str]) -> dict[str, str]:
    """What the numbers in a column of classes are called by the column beside it; that is taken out of `kind`."""
    beside = _first((f"{column}_name", "class_name"), kind.columns)
    names_of: dict[str, str] = {}
    if beside is not None:
        for value, cell in zip(values, kind.columns.pop(beside), strict=True):
            if cell is not None and names_of.setdefault(value, cell_text(cell)) != cell_text(cell):
                both = f"{names_of[value]} and {cell_text(cell)}"
                raise GanvasError(f"{kind.name} calls class {value} both {both}: leave one name")
    return names_of


def _take_split(kinds: Sequence[Kind], names: Sequence[str], notes: list[str]) -> NDArray[np.bool_] | None:
    """What the first column called split holds out; all of them are taken out of `kinds`."""
    columns = [(kind.name, kind.columns.pop(column)) for kind in kinds if (column := _first(("split",), kind.columns))]
    if not columns:
        return None
    kind_name, cells = columns[0]
    splits = ["" if cell is None else cell_text(cell).casefold() for cell in cells]
    for name, split in zip(names, splits, strict=True):
        if split and split not in HELD_OUT:
            known = ", ".join(HELD_OUT)
            raise GanvasError(f"{kind_name} gives {name} the split {split[:80]}: expected one of {known}")
    held_out = np.array([HELD_OUT.get(split, False) for split in splits], np.bool_)
    if "" in splits:
        without = f"{_count(splits.count(''), 'picture')} ({names[splits.index('')]})"
        notes.append(f"{kind_name} has no split for {without}: used for training")
    if held_out.all():
        notes.append(f"{kind_name} holds out all pictures: they are used for training")
        held_out[:] = False
    return held_out


def _take_groups(
    kinds: Sequence[Kind], names: Sequence[str], held_out: NDArray[np.bool_] | None, notes: list[str]
) -> NDArray[np.int64] | None:
    """Numbers of groups in order of appearance; a picture without a group is one by itself."""
    holder = next((kind for kind in kinds if _first(GROUP_COLUMNS, kind.columns)), None)
    if holder is None:
        return None
    column = _first(GROUP_COLUMNS, holder.columns) or ""
    number: dict[Cell | int, int] = {}
    texts = [i if cell is None else cell_text(cell) for i, cell in enumerate(holder.columns[column])]
    groups = np.array([number.setdefault(text, len(number)) for text in texts], np.int64)
    kept = read_layout(names).held_out if held_out is None else held_out
    both = len(np.intersect1d(groups[kept], groups[~kept]))
    if both:
        counted = _count(both, column.casefold().removesuffix("_id"))
        notes.append(f"{counted} {'is' if both == 1 else 'are'} both in training and held out")
    return groups


def _take_columns(kinds: Sequence[Kind], notes: list[str]) -> dict[str, Column]:
    """All other columns, but none that may name people; of columns that several kinds have, the first kind's."""
    columns: dict[str, Column] = {}
    holder: dict[str, str] = {}
    for kind in kinds:
        later = []
        for column, cells in kind.columns.items():
            if column.casefold().startswith(("patient", "subject")):
                if column.casefold() not in GROUP_COLUMNS:
                    notes.append(f"column {column} of {kind.name} is left out: it may identify people")
            elif column in columns:
                later.append(column)
            elif any(cell is not None for cell in cells):
                columns[column], holder[column] = _column(cells), kind.name
        if later:
            notes.append(f"{_listed(later)} of {kind.name} left out: {holder[later[0]]} comes before it")
    return columns


def _column(cells: Sequence[Cell]) -> Column:
    if any(isinstance(cell, tuple) for cell in cells):
        return Column("tags", [() if c is None else c if isinstance(c, tuple) else (cell_text(c),) for c in cells])
    texts = {cell: "" if cell is None else cell_text(cell) for cell in set(cells)}
    if all(is_number(text) for text in texts.values() if text):
        values = {cell: float(text) if text else math.nan for cell, text in texts.items()}
        return Column("number", array("d", (values[cell] for cell in cells)))
    return Column("text", [texts[cell] for cell in cells])


def _first(wanted: Sequence[str], columns: Iterable[str]) -> str | None:
    """The column that is called like the first of `wanted` that is there, in upper or lower case."""
    by_name = {column.casefold(): column for column in columns}
    return next((by_name[name.casefold()] for name in wanted if name.casefold() in by_name), None)


def _listed(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
