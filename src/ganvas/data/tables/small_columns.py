"""The columns of tables that are read when they are opened: labels, captions, numbers and tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import Column
from ganvas.data.labels import Labelling
from ganvas.data.options import SourceOptions
from ganvas.data.tables.arrow_types import damage, first_line, is_text, plain, require_pyarrow
from ganvas.data.tables.columns import Part, class_names_of
from ganvas.errors import GanvasError, UsageError

MOST_CLASSES = 10_000


class _Texts(Sequence[str]):
    """The texts of an Arrow column, "" where missing; they become Python objects only when asked for."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._column[index].as_py() or ""


def _whole(parts: Sequence[Part], column: str, kind: Any) -> Any:
    """A small column of all tables as `kind`, a pyarrow type; null where a table lacks it. Raises as pyarrow does."""
    pa = require_pyarrow()
    chunks = []
    for part in parts:
        if column not in part.rows.schema.names:
            chunks.append(pa.nulls(part.rows.count, kind))
            continue
        values = part.rows.whole(column)
        values.validate(full=True)  # a damaged file holds what must not be followed
        if len(values) != part.rows.count:
            raise OSError(f"{len(values)} values in {part.rows.count} rows")
        chunks += [plain(chunk).cast(kind, safe=pa.types.is_integer(kind)) for chunk in values.chunks]
        part.rows.close()
    return pa.chunked_array(chunks, kind)


def _label_codes(
    name: str, column: str, parts: Sequence[Part], names: list[str] | None
) -> tuple[NDArray[np.int64], list[str], NDArray[np.bool_]]:
    """Places in the returned class names, [rows], and where there is none, [rows] bool."""
    pa = require_pyarrow()
    schemas = [part.rows.schema for part in parts if column in part.rows.schema.names]
    texts = {is_text(schema.field(column).type) for schema in schemas}
    if len(texts) > 1:
        raise GanvasError(
            f"column {column} of {name} is text in some tables and numbers in others: give tables of one kind"
        )
    (text,) = texts
    try:
        values = _whole(parts, column, pa.large_string() if text else pa.int64())
    except damage() as error:
        kind = "text" if text else "whole numbers"
        raise GanvasError(f"column {column} of {name} cannot be read as {kind} ({first_line(error)})") from error
    if names is not None and not text:
        codes = pa.compute.fill_null(values, -1).to_numpy()
        return codes, names, codes == -1  # what `datasets` writes for a hidden label
    encoded = values.dictionary_encode().combine_chunks()
    found = [str(value) for value in encoded.dictionary.to_pylist()]
    order = labelling.natural_sorted(found) if text else sorted(found, key=int)
    rank = {value: i for i, value in enumerate(order)}
    places = np.array([rank[value] for value in found] or [0], np.int64)
    missing = np.asarray(encoded.indices.is_null().to_numpy(zero_copy_only=False))
    return places[pa.compute.fill_null(encoded.indices, 0).to_numpy()], order, missing


def kept_column(parts: Sequence[Part], name: str, kind: str, names: list[str] | None) -> Column:
    """A column of text, numbers or tags, as `column_kind` says; `names` are those of its classes. Raises as pyarrow."""
    pa = require_pyarrow()
    if kind == "tags":
        value = pa.int64() if names else pa.large_string()
        lists = _whole(parts, name, pa.list_(value))
        tags = [tuple(_tag(tag, names) for tag in each.as_py() or () if tag is not None) for each in lists]
        return Column("tags", tags)
    if kind == "text":
        return Column("text", _Texts(_whole(parts, name, pa.large_string())))
    if names:
        numbers = _whole(parts, name, pa.int64())
        return Column("text", [_tag(each.as_py(), names) if each.is_valid else "" for each in numbers])
    return Column("number", pa.compute.fill_null(_whole(parts, name, pa.float64()), float("nan")).to_numpy().tolist())


def _tag(value: int | str, names: Sequence[str] | None) -> str:
    return names[value] if names and isinstance(value, int) and 0 <= value < len(names) else str(value)


def labels_of(
    name: str,
    column: str,
    parts: Sequence[Part],
    held_splits: set[str],
    features: Mapping[str, Any],
    options: SourceOptions,
) -> tuple[Labelling, list[Part]]:
    """Labels, and the tables without those that are held out and, unlike the training tables, have none."""
    codes, class_names, missing = _label_codes(name, column, parts, class_names_of(features.get(column)))
    ends = np.cumsum([part.rows.count for part in parts])[:-1]
    empty = [bool(each.all()) for each in np.split(missing, ends)]
    keep = [not (gone and part.split in held_splits) for gone, part in zip(empty, parts, strict=True)]
    if all(gone for gone, kept in zip(empty, keep, strict=True) if kept):
        keep = [True] * len(parts)  # nothing has labels
    rows = np.repeat(keep, [part.rows.count for part in parts])
    codes, missing = codes[rows], missing[rows]
    kept_parts = [part for part, kept in zip(parts, keep, strict=True) if kept]
    if missing.any():
        found = labelling.unlabelled(f"column {column} is empty in {missing.sum()} of {len(missing)} rows")
    elif len(class_names) <= MOST_CLASSES:
        found = labelling.labels_from_values(codes, class_names, f"column {column}")
    elif options.label_column is None:
        found = labelling.unlabelled(f"column {column} has {len(class_names)} different values")
    else:
        raise UsageError(
            f"column {column} of {name} has {len(class_names)} different values, more than {MOST_CLASSES}: "
            "choose another label-column"
        )
    return found, kept_parts
