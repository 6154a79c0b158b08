"""Which class and split a picture belongs to: from where it lies, a dataset.json, an array or a table's column."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganvas.errors import GanvasError

LEAST_PER_CLASS = 5
WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]{0,17}))(?:\.0*)?")  # also "3.0", as tables with gaps are written
TRAINING_FOLDERS = frozenset(("train", "traina", "trainb"))
HELD_OUT_FOLDERS = frozenset(("val", "valid", "validation", "test", "vala", "valb", "testa", "testb"))
DOMAIN_SPLITS = frozenset(("traina", "trainb", "vala", "valb", "testa", "testb"))  # of unpaired sets


@dataclass(frozen=True)
class Labelling:
    """Labels of all pictures, [N] int64 or None, the names of the classes, and a sentence on their origin."""

    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Layout:
    """Where pictures lie: [N] bool `held_out`, and their folders once wrapping and splits are stripped.

    origin: what the classes come from, if the folders make some.
    """

    held_out: NDArray[np.bool_]
    folders: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    origin: str = "class folders"


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
    """Splits and remaining folders of pictures with relative paths `names` ("wrap/train/cat/1.png").

    In an unpaired set the domain is the class: trainA/1.png and testA/2.png lie in A, trainB/3.png in B.
    """
    folders = _unwrap([tuple(name.split("/")[:-1]) for name in names])
    as_written = {parts[0] for parts in folders if parts}
    first = {name.casefold() for name in as_written}
    splits = TRAINING_FOLDERS | HELD_OUT_FOLDERS
    if not first & splits:
        origin = _domains_note(as_written) if first == {"a", "b"} else Layout.origin
        return Layout(np.zeros(len(names), np.bool_), tuple(folders), (), origin)
    split = [parts[0].casefold() if parts and parts[0].casefold() in splits else "" for parts in folders]
    held_out = np.array([name in HELD_OUT_FOLDERS for name in split], np.bool_)
    origin = _domains_note({name for name in as_written if name.casefold() in ("traina", "trainb")})
    # A picture beside the split folders keeps no folder, so that it counts as lying beside the classes.
    folders = _unwrap([_within_split(parts) if name else () for parts, name in zip(folders, split, strict=True)])
    notes: tuple[str, ...] = ()
    if held_out.all():
        notes = (f"all pictures lie in {_listed(sorted(set(split)))}: they are used for training",)
        held_out[:] = False
    return Layout(held_out, tuple(folders), notes, origin)


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
    return Labelling(labels, tuple(classes), f"{len(classes)} classes from {layout.origin}")


def labels_from_dataset_json(text: bytes, names: Sequence[str], where: str) -> Labelling:
    """Classes from {"labels": [[file, class], ...]} or {"labels": null}; `names` are relative to its folder.

    `where` names the file in messages. Raises GanvasError if it is not such a file or names a picture that is
    not there.
    """
    expected = f'{where} is not as expected: write {{"labels": [["file.png", 0], ...]}} or {{"labels": null}}'
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
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
        file, value = _writable(entry[0]).replace("\\", "/").removeprefix("./"), entry[1]
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise GanvasError(f"{where} gives {file} the class {json.dumps(value)[:80]}: use a whole number or a name")
        class_name = _writable(str(value))
        if chosen.setdefault(file, class_name) != class_name:
            raise GanvasError(f"{where} gives {file} two classes, {chosen[file]} and {class_name}: leave one")
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
        number = {name: i for i, name in enumerate(order)}
        rank = np.array([number[name] for name in names], np.int64)
        found = Labelling(rank[places.reshape(-1)], tuple(order), f"{len(order)} classes from {origin}")
    return found if len(found.class_names) > 1 else unlabelled(f"{origin} knows only one class")


def labels_from_texts(values: Sequence[str], names_of: Mapping[str, str], origin: str) -> Labelling:
    """Labels from the cells of a table, one per picture: whole numbers in their order, else names in natural order.

    names_of: what cells are to be called, if otherwise. Raises GanvasError if two classes would
    have one name.
    """
    whole = {value: WHOLE_NUMBER.fullmatch(value) for value in set(values)}
    if all(whole.values()):
        number_of = {value: int(match[1]) for value, match in whole.items() if match}
        order = [str(number) for number in sorted(set(number_of.values()))]
        class_of = {value: str(number) for value, number in number_of.items()}
    else:
        order, class_of = natural_sorted(whole), {value: value for value in whole}
    called = {class_of[value]: name for value, name in names_of.items()}
    class_names = tuple(called.get(name, name) for name in order)
    twice = [name for name, count in Counter(class_names).items() if count > 1]
    if twice:
        both = " and ".join(name for name in order if called.get(name, name) == twice[0])
        raise GanvasError(f"{origin} calls the classes {both} all {twice[0]}: give each a name of its own")
    place = {name: i for i, name in enumerate(order)}
    labels = np.array([place[class_of[value]] for value in values], np.int64)
    found = Labelling(labels, class_names, f"{len(order)} classes from {origin}")
    return found if len(order) > 1 else unlabelled(f"{origin} knows only one class")


def _writable(text: str) -> str:
    """JSON may hold halves of characters, which cannot be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _unwrap(folders: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Drop leading folders that all pictures share, unless it is a split's."""
    splits = TRAINING_FOLDERS | HELD_OUT_FOLDERS
    while folders and all(folders):
        first = folders[0][0]
        if first.casefold() in splits or any(parts[0] != first for parts in folders):
            break
        folders = [parts[1:] for parts in folders]
    return folders


def _within_split(parts: tuple[str, ...]) -> tuple[str, ...]:
    return (parts[0][-1].upper(), *parts[1:]) if parts[0].casefold() in DOMAIN_SPLITS else parts[1:]


def _domains_note(folders: Iterable[str]) -> str:
    written = natural_sorted(folders)
    return f"folders {' and '.join(written)}" if len(written) > 1 else Layout.origin


def _listed(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
