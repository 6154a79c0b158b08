"""Which class and split a picture belongs to: from where it lies, a dataset.json or an array of labels."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganvas.errors import GanvasError

LEAST_PER_CLASS = 5
TRAINING_FOLDERS = frozenset(("train", "traina", "trainb"))
HELD_OUT_FOLDERS = frozenset(("val", "valid", "validation", "test", "testa", "testb"))
DOMAIN_FOLDERS = frozenset(("a", "b"))  # also the first letters of an alphabet: splits only when nothing else is there


@dataclass(frozen=True)
class Labelling:
    """Labels of all pictures, [N] int64 or None, the names of the classes, and a sentence on their origin."""

    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Layout:
    """Where pictures lie: [N] bool `held_out`, and their folders once wrapping and splits are stripped."""

    held_out: NDArray[np.bool_]
    folders: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def natural_key(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sorts as people count: "9" before "10". The name itself decides between equals ("a1", "a01")."""
    parts: list[str | tuple[int, str]] = []
    for i, part in enumerate(re.split(r"([0-9]+)", name.casefold())):
        digits = part.lstrip("0")
        parts.append((len(digits), digits) if i % 2 else part)
    return parts, name


def natural_sorted(names: Iterable[str]) -> list[str]:
    """`names` in natural order."""
    return sorted(names, key=natural_key)


def unlabelled(reason: str) -> Labelling:
    """No labels, and why."""
    return Labelling(None, (), f"unlabelled: {reason}")


def read_layout(names: Sequence[str]) -> Layout:
    """Splits and remaining folders of pictures with relative paths `names` ("wrap/train/cat/1.png")."""
    folders = _unwrap([tuple(name.split("/")[:-1]) for name in names])
    first = {parts[0].casefold() for parts in folders if parts}
    splits = TRAINING_FOLDERS | HELD_OUT_FOLDERS | DOMAIN_FOLDERS
    if not first & (TRAINING_FOLDERS | HELD_OUT_FOLDERS) and not (first and first <= DOMAIN_FOLDERS):
        return Layout(np.zeros(len(names), np.bool_), tuple(folders), ())
    split = [parts[0].casefold() if parts and parts[0].casefold() in splits else "" for parts in folders]
    held_out = np.array([name in HELD_OUT_FOLDERS for name in split], np.bool_)
    # A picture beside the split folders keeps no folder, so that it counts as lying beside the classes.
    folders = _unwrap([parts[1:] if name else () for parts, name in zip(folders, split, strict=True)])
    notes: tuple[str, ...] = ()
    if held_out.all():
        notes = (f"all pictures lie in {_listed(sorted(set(split)))}: they are used for training",)
        held_out[:] = False
    return Layout(held_out, tuple(folders), notes)


def labels_from_folders(layout: Layout) -> Labelling:
    """Classes from first-level folders: two or more, each with enough training pictures, none beside."""
    beside = sum(not parts for parts in layout.folders)
    classes = natural_sorted({parts[0] for parts in layout.folders if parts})
    if not classes or (len(classes) == 1 and not beside):
        return unlabelled("no class folders")
    if beside:
        lie = "picture lies" if beside == 1 else "pictures lie"
        return unlabelled(f"{beside} {lie} beside the class folders")
    training = Counter(parts[0] for parts, held in zip(layout.folders, layout.held_out, strict=True) if not held)
    small = [name for name in classes if training[name] < LEAST_PER_CLASS]
    if small:
        return unlabelled(f"fewer than {LEAST_PER_CLASS} training pictures in class folders {_listed(small)}")
    number = {name: i for i, name in enumerate(classes)}
    labels = np.array([number[parts[0]] for parts in layout.folders], np.int64)
    return Labelling(labels, tuple(classes), f"{len(classes)} classes from class folders")


def labels_from_dataset_json(text: bytes, names: Sequence[str], where: str) -> Labelling:
    """Classes from {"labels": [[file, class], ...]} or {"labels": null}; `names` are relative to its folder.

    `where` names the file in messages. Raises GanvasError if it is not such a file or names a picture that is
    not there.
    """
    expected = f'{where} is not as expected: write {{"labels": [["file.png", 0], ...]}} or {{"labels": null}}'
    try:
        content = json.loads(text)
    except ValueError as error:
        raise GanvasError(f"{expected} ({error})") from error
    if not isinstance(content, dict) or "labels" not in content:
        raise GanvasError(expected)
    if content["labels"] is None:
        return unlabelled("dataset.json gives no labels")
    if not isinstance(content["labels"], list):
        raise GanvasError(expected)
    chosen: dict[str, str] = {}
    for entry in content["labels"]:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise GanvasError(f"{expected}, not {json.dumps(entry)[:80]}")
        file, value = entry[0].replace("\\", "/").removeprefix("./"), entry[1]
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise GanvasError(f"{where} gives {file} the class {json.dumps(value)[:80]}: use a whole number or a name")
        if chosen.setdefault(file, str(value)) != str(value):
            raise GanvasError(f"{where} gives {file} two classes, {chosen[file]} and {value}: leave one")
    missing = natural_sorted(set(chosen) - set(names))
    if missing:
        raise GanvasError(f"{where} names {_listed(missing)}, which is not among the pictures: correct or remove it")
    without = [name for name in names if name not in chosen]
    if without:
        return unlabelled(f"dataset.json does not name {len(without)} of {len(names)} pictures ({without[0]})")
    return labels_from_values(np.array([chosen[name] for name in names]), None, "dataset.json")


def labels_from_values(values: NDArray[np.generic], class_names: Sequence[str] | None, origin: str) -> Labelling:
    """Labels from whole numbers or names, [N] or [N, 1]; numbers are places in `class_names` when given.

    Without it the values that occur become the classes, in natural order. Raises GanvasError for others.
    """
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1 or values.dtype.kind not in "iuU":
        raise GanvasError(
            f"labels of {origin} are {values.dtype} of shape {list(values.shape)}: expected one whole number "
            "or name per picture"
        )
    if class_names is not None and values.dtype.kind in "iu":
        numbers = values.astype(np.int64)
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(class_names)):
            raise GanvasError(
                f"labels of {origin} go from {numbers.min()} to {numbers.max()}, but there are "
                f"{len(class_names)} class names: labels must be 0 to {len(class_names) - 1}"
            )
        found = Labelling(numbers, tuple(class_names), f"{len(class_names)} classes from {origin}")
    else:
        unique, places = np.unique(values, return_inverse=True)
        names = [str(value) for value in unique]
        order = natural_sorted(names) if values.dtype.kind == "U" else names
        rank = np.array([order.index(name) for name in names], np.int64)
        found = Labelling(rank[places.reshape(-1)], tuple(order), f"{len(order)} classes from {origin}")
    return found if len(found.class_names) > 1 else unlabelled(f"{origin} knows only one class")


def _unwrap(folders: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Drop leading folders that all pictures share, unless it is a split's."""
    splits = TRAINING_FOLDERS | HELD_OUT_FOLDERS
    while folders and all(folders):
        first = folders[0][0]
        if first.casefold() in splits or any(parts[0] != first for parts in folders):
            break
        folders = [parts[1:] for parts in folders]
    return folders


def _listed(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
