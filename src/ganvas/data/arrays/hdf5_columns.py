"""What lies beside the pictures of an HDF5 file, of the same length: labels, and columns of numbers, text and tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.hdf5_layout import Contents, Found
from ganvas.data.contract import Column
from ganvas.errors import GanvasError

_LABELS = ("labels", "label", "y", "targets", "target")
_CLASS_NAMES = ("class_names", "label_names", "list_classes")
_LARGEST = 1 << 30  # bytes of a column
_LONGEST_NAME = 1000  # characters of a class
_MOST_TAGS = 1000
_SLICE = 1024  # texts read at a time: many rows can share one long text, so that the size of the file bounds nothing

Values = NDArray[Any] | list[str]  # [N] or [N, K] numbers, or N texts


@dataclass
class Beside:
    """Label values of each part ([count] or None), what they are called, and columns over all parts."""

    label_values: list[NDArray[np.generic] | None]
    class_names: list[str] | None = None
    label_paths: list[str] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_beside(name: str, found: Contents, members: Sequence[Found], wanted: str | None) -> Beside:
    """Labels (from the data set `wanted`, or one known by name) and columns of the pictures in `members`.

    Raises GanvasError if `wanted` is given and is not there, not of the same length, or no labels.
    """
    result = Beside([None] * len(members))
    base = None if wanted is None else _base_of(name, found, wanted)
    sources = [_labels_of(name, found, member, base, result.notes) for member in members]
    used = {members[0].base}
    if sources[0] is not None:
        used.add(sources[0].base)
        values = [None if source is None else read_values(name, source) for source in sources]
        names = _class_names(name, found, members[0])
        if not _interpret(sources[0], values, names, result):
            used.discard(sources[0].base)
        elif result.label_values[0] is not None:
            result.label_paths = [source.path for source in sources if source is not None]
        if wanted is not None and result.label_values[0] is None and sources[0].leaf not in result.columns:
            raise GanvasError(
                f"{sources[0].described} of {name} holds no labels: expected whole numbers, names, or rows of 0 and 1"
            )
    for column in dict.fromkeys(e.base for e in found.found.values() if e.folder == members[0].folder):
        if column not in used:
            _add_column(name, found, members, column, result)
    return result


def read_values(name: str, entry: Found) -> Values:
    """All values of a data set; sides of 1 after the first are dropped. Raises GanvasError if they are too large."""
    import h5py  # type: ignore[import-untyped]

    dataset = entry.dataset
    if dataset.size * dataset.dtype.itemsize > _LARGEST:
        raise GanvasError(f"{entry.described} of {name} has more than 1 GiB: it is not read as labels or a column")
    if h5py.check_string_dtype(dataset.dtype) is None:
        values: NDArray[Any] = dataset[...]
        return values.reshape(tuple(side for place, side in enumerate(values.shape) if place == 0 or side != 1))
    texts: list[str] = []
    length = 0
    reader = dataset.asstr(errors="replace")
    for start in range(0, dataset.shape[0], _SLICE):
        texts += [str(text) for text in np.reshape(reader[start : start + _SLICE], -1)]
        length += sum(map(len, texts[start:]))
        if length > _LARGEST:
            raise GanvasError(f"{entry.described} of {name} has more than 1 GiB of text: it is not read")
    return texts


def _base_of(name: str, found: Contents, wanted: str) -> str:
    wanted = wanted.strip("/")
    return wanted if any(e.base == wanted for e in found.found.values()) else found.get(wanted, name).base


def _labels_of(name: str, found: Contents, member: Found, base: str | None, notes: list[str]) -> Found | None:
    """The data set of labels of one part, or None."""
    count = member.dataset.shape[0]
    beside = [entry for entry in found.found.values() if entry.split == member.split]
    if base is not None:
        chosen = next((entry for entry in beside if entry.base == base), None)
        if chosen is None and member.split in ("", "train"):
            raise GanvasError(
                f"{name} has no data set {base} for the pictures {member.path}: it holds {found.listed()}"
            )
        if chosen is not None and _length(chosen) != count:
            raise GanvasError(
                f"{chosen.described} of {name} does not fit the {count} pictures of {member.path}: there must be "
                "one label per picture"
            )
        return chosen
    for known in _LABELS:
        for entry in beside:
            if entry.folder == member.folder and entry.leaf.casefold() == known and entry.base != member.base:
                if _length(entry) == count:
                    return entry
                notes.append(f"{entry.path} is passed over: {_length(entry)} labels for {count} pictures")
    return None


def _length(entry: Found) -> int:
    return int(entry.dataset.shape[0]) if entry.dataset.shape else 0


def _class_names(name: str, found: Contents, member: Found) -> list[str] | None:
    for entry in found.found.values():
        if entry.leaf.casefold() in _CLASS_NAMES and entry.folder in (member.folder, "") and entry.dataset.ndim == 1:
            values = read_values(name, entry)
            if isinstance(values, list):
                return values
    return None


def _interpret(first: Found, values: list[Values | None], names: list[str] | None, result: Beside) -> bool:
    """Put labels or tags into `result`; False if the values are neither, and may be a column."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, list) for value in given):
        if any(len(text) > _LONGEST_NAME for value in given for text in value):
            result.notes.append(f"{first.path} are no labels: they have more than {_LONGEST_NAME} characters")
            return False
        result.label_values = [None if value is None else np.array(value, np.str_) for value in values]
        return True
    arrays = [value for value in given if not isinstance(value, list)]
    if len(arrays) != len(given) or len({array.shape[1:] for array in arrays}) != 1:
        result.notes.append(f"{first.path} are no labels: they are of another kind for the test pictures")
        return False
    joined = np.concatenate(arrays)
    if joined.ndim == 2 and 1 < joined.shape[1] <= _MOST_TAGS and _is_binary(joined):
        columns = names if names is not None and len(names) == joined.shape[1] else _numbered(joined.shape[1])
        if bool((joined.sum(axis=1, dtype=np.int64) == 1).all()):
            result.class_names = columns
            _share_out(values, joined.argmax(axis=1).astype(np.int64), result)
        elif len(given) == len(values):
            result.columns[first.leaf] = _tags(joined, columns)
            result.notes.append(f"{first.path} has several classes for a picture: they are tags, not labels")
        return True
    whole = joined.dtype.kind in "biu" or (
        joined.dtype.kind == "f" and bool(np.isfinite(joined).all() and (np.mod(joined, 1) == 0).all())
    )
    if joined.ndim != 1 or not whole or not len(joined):
        result.notes.append(f"{first.path} are no labels: {joined.dtype} {list(joined.shape)}, not one class a picture")
        return False
    numbers = joined.astype(np.int64)
    if names is not None and numbers.min() >= 0 and numbers.max() < len(names):
        result.class_names = names
    _share_out(values, numbers, result)
    return True


def _share_out(values: list[Values | None], joined: NDArray[np.int64], result: Beside) -> None:
    """`joined` to the parts that had values."""
    start = 0
    for place, value in enumerate(values):
        if value is not None:
            result.label_values[place] = joined[start : start + len(value)]
            start += len(value)


def _add_column(name: str, found: Contents, members: Sequence[Found], base: str, result: Beside) -> None:
    """The column `base` over all parts, if it has one value a picture; its gaps are filled as `Column` says."""
    entries = {entry.split: entry for entry in found.found.values() if entry.base == base}
    beside = [entries.get(member.split) for member in members]
    shapes = [entry.dataset.shape for entry in beside if entry is not None]
    counts = [member.dataset.shape[0] for member in members]
    if not shapes or any(
        entry is not None and _length(entry) != count for entry, count in zip(beside, counts, strict=True)
    ):
        return
    if any(len(shape) > 2 or (len(shape) == 2 and shape[1] > _MOST_TAGS) for shape in shapes):
        return
    if any(entry is not None and entry.dataset.dtype.kind not in "biufSO" for entry in beside):
        return
    try:
        values = [None if entry is None else read_values(name, entry) for entry in beside]
    except GanvasError as error:
        result.notes.append(str(error))
        return
    leaf = base.rpartition("/")[2]
    given = [value for value in values if value is not None]
    if all(isinstance(value, list) for value in given):
        if any(len(shape) == 2 and shape[1] != 1 for shape in shapes):
            return
        texts = [[""] * count if value is None else list(value) for value, count in zip(values, counts, strict=True)]
        result.columns[leaf] = Column("text", [text for part in texts for text in part])
    elif all(not isinstance(value, list) and value.ndim == 1 for value in given):
        numbers = [np.full(count, np.nan) if v is None else v for v, count in zip(values, counts, strict=True)]
        result.columns[leaf] = Column("number", np.concatenate(numbers).astype(np.float64).tolist())
    elif all(not isinstance(value, list) and _is_binary(value) for value in given) and len(given) == len(values):
        arrays = [cast(NDArray[Any], value) for value in given]
        if len({array.shape[1:] for array in arrays}) == 1:
            result.columns[leaf] = _tags(np.concatenate(arrays), _numbered(arrays[0].shape[1]))


def _is_binary(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "biuf" and bool(((values == 0) | (values == 1)).all())


def _numbered(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def _tags(values: NDArray[Any], names: Sequence[str]) -> Column:
    return Column("tags", [tuple(names[place] for place in np.flatnonzero(row).tolist()) for row in values])
