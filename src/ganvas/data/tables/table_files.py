"""Pictures in tables: Parquet and Arrow files, folders of them, and datasets of the `datasets` library.

| column of pictures                                   | is read as                                            |
|------------------------------------------------------|-------------------------------------------------------|
| struct of bytes and path (the Image of Hugging Face) | the bytes of a picture file; without them, the path   |
| binary, large_binary, binary_view                    | the bytes of a picture file                           |
| string                                               | a path relative to the folder that the table lies in  |
| lists of lists of whole numbers, fixed-shape tensors | pixels: [H, W], [H, W, C] or [C, H, W]; 8 or 16 bits  |

Opening reads schemas and the small columns (labels, captions, numbers, tags). Pictures are read in batches of
about 16 MiB of which few are kept: from memory maps for Arrow, page by page for Parquet. Only a compressed Arrow
file is unpacked by the batch that its writer chose. Nothing but pyarrow reads these files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np

from ganvas.data import labels as labelling
from ganvas.data.contract import Column, Source
from ganvas.data.decode import SUFFIXES
from ganvas.data.labels import HELD_OUT_FOLDERS, TRAINING_FOLDERS
from ganvas.data.options import SourceOptions
from ganvas.data.tables.arrow_types import column_kind, damage, first_line
from ganvas.data.tables.columns import (
    LABEL_NAMES,
    Part,
    check_parts,
    choose_image,
    choose_label,
    class_names_of,
    features_of,
)
from ganvas.data.tables.rows import MemoryRows, open_rows
from ganvas.data.tables.small_columns import kept_column, labels_of
from ganvas.data.tables.table_source import Content, EncodedTable, PixelTable
from ganvas.errors import GanvasError

TABLE_SUFFIXES = frozenset((".parquet", ".arrow", ".feather"))
MOST_TEXT_ROWS = 2_000_000
SIDECAR = "metadata.parquet"  # says something about the picture files beside it


def is_table_folder(folder: Path) -> bool:
    """Whether a folder holds tables: a saved `datasets` folder, or Parquet or Arrow files and no pictures above them.

    Looks three folders deep, and no deeper than the first pictures.
    """
    if _is_saved_dict(folder) or _is_saved(folder):
        return True
    level = [folder]
    for _ in range(3):
        below, pictures = [], False
        for place in level:
            try:
                with os.scandir(place) as entries:
                    for entry in entries:
                        if _is_table_file(entry.name) and entry.is_file():
                            return True
                        pictures = pictures or os.path.splitext(entry.name)[1].lower() in SUFFIXES
                        if not pictures and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                            below.append(Path(entry.path))
            except OSError:
                continue
        if pictures:
            return False
        level = below
    return False


def split_word(name: str) -> str | None:
    """The split that the name of one file or folder tells ("partial-train" -> "train"), or None."""
    words = re.findall("[a-z]+", name.casefold())
    return next((word for word in words if word in HELD_OUT_FOLDERS or word in TRAINING_FOLDERS), None)


def split_of(path: str) -> str:
    """The split that a file belongs to by its own name, or else by its folders; "train" if none says another."""
    return next(filter(None, map(split_word, reversed(PurePosixPath(path).parts))), "train")


def open_table(name: str, path: Path, options: SourceOptions) -> Source:
    """A .parquet, .arrow or .feather file, a folder of them, or a folder saved by `datasets`.

    Files named or lying in folders named val, validation or test are held out. Raises GanvasError if a file is
    damaged or the pictures cannot be found, UsageError if `options` name a column that is not there.
    """
    if path.is_file():
        return open_files(name, path.parent, [(path, split_of(path.name))], options)
    if _is_saved_dict(path):
        content = _json(path / "dataset_dict.json")
        splits = content.get("splits") if isinstance(content, dict) else None
        if not isinstance(splits, list) or not all(_is_plain(split) for split in splits):
            raise GanvasError(
                f'{name}/dataset_dict.json is not as expected ({{"splits": ["train", ...]}}): save it again'
            )
        files = [(file, split_of(split)) for split in splits for file in _saved_files(f"{name}/{split}", path / split)]
    elif _is_saved(path):
        files = [(file, split_of(str(_json(path / "state.json").get("_split")))) for file in _saved_files(name, path)]
    else:
        found = [
            Path(folder, file).relative_to(path)
            for folder, folders, names in os.walk(path)
            if not folders.sort()
            for file in names
            if _is_table_file(file)
        ]
        relative = labelling.natural_sorted(file.as_posix() for file in found)
        files = [(path / file, split_of(file)) for file in relative]
    if not files:
        raise GanvasError(f"{name} holds no tables: expected .parquet, .arrow or .feather files with rows")
    return open_files(name, path, files, options)


def open_files(
    name: str, root: Path, files: Sequence[tuple[Path, str]], options: SourceOptions, notes: Sequence[str] = ()
) -> Source:
    """The table files below `root`, each with its split, as one source with those `notes` first.

    Raises as `open_table` does.
    """
    digest = hashlib.sha256(b"table")
    parts: list[Part] = []
    features: dict[str, Any] = {}
    for file, split in sorted(files, key=lambda entry: (entry[1] in HELD_OUT_FOLDERS, entry[1])):  # keeps the order
        relative = file.relative_to(root).as_posix()
        where = name if len(files) == 1 else f"{name}/{relative}"
        rows = open_rows(where, file)
        state = file.stat()
        digest.update(b"%s\0%d\0%d\0" % (os.fsencode(relative), state.st_size, state.st_mtime_ns))
        features = features or features_of(rows.schema) or _features_beside(file)
        parts.append(Part(where, split, rows, file.parent))
    digest.update(json.dumps(features, sort_keys=True).encode())
    return _open_parts(name, parts, features, options, digest, notes)


def open_dataset(dataset: Any, options: SourceOptions) -> Source:
    """A `Dataset` or `DatasetDict` of the `datasets` library, read from its Arrow table: its formats do not apply.

    Selected and shuffled rows stay so. Paths in it may be absolute, as its own program put them there. Raises
    GanvasError for other objects, also for streamed datasets.
    """
    kind = type(dataset)
    if kind.__module__.split(".")[0] != "datasets" or kind.__name__.startswith("Iterable"):
        what = "a streamed dataset: load it without streaming=True" if "Iterable" in kind.__name__ else kind.__name__
        raise GanvasError(f"expected a Dataset or DatasetDict of the datasets library, not {what}")
    splits = dict(dataset) if isinstance(dataset, dict) else {str(dataset.split or "train"): dataset}
    digest = hashlib.sha256(b"dataset")
    parts: list[Part] = []
    features: dict[str, Any] = {}
    for split, each in sorted(splits.items(), key=lambda item: (split_of(item[0]) in HELD_OUT_FOLDERS, item[0])):
        indices = each._indices
        chosen = None if indices is None else indices.column(0).to_numpy().astype(np.int64)
        features = features or features_of(each.features.arrow_schema)
        parts.append(Part(f"split {split}", split_of(split), MemoryRows(each.data.table, chosen), None))
        digest.update(f"{split}\0{each._fingerprint}\0{len(each)}\0".encode())
    return _open_parts("the dataset", parts, features, options, digest, ())


def _is_saved_dict(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file()


def _is_saved(folder: Path) -> bool:
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def _is_table_file(name: str) -> bool:
    """Hidden files, what Spark writes beside its parts and what `datasets` caches beside its own are no tables."""
    return (
        os.path.splitext(name)[1].lower() in TABLE_SUFFIXES
        and not name.startswith((".", "_", "cache-"))
        and name.lower() != SIDECAR
    )


def _is_plain(name: object) -> TypeGuard[str]:
    """Whether `name` is that of something in the same folder, on every system."""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\:\0")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise GanvasError(f"{path.name} in {path.parent} cannot be read ({error}): save the dataset again") from error


def _saved_files(name: str, folder: Path) -> list[Path]:
    """The data files of a folder that `Dataset.save_to_disk` wrote, in their order."""
    state = _json(folder / "state.json")
    entries = state.get("_data_files") if isinstance(state, dict) else None
    given = [entry.get("filename") for entry in entries or () if isinstance(entry, dict)]
    names = [file for file in given if _is_plain(file)]
    if not isinstance(entries, list) or len(names) != len(entries):
        raise GanvasError(f"state.json of {name} does not name the files beside it: save the dataset again")
    if state.get("_indices_data_files"):
        raise GanvasError(f"{name} was saved with selected rows by an old version of datasets: flatten_indices() first")
    for file in names:
        if not (folder / file).is_file():
            raise GanvasError(f"{name} lacks {file}, which its state.json names: copy the folder again")
    return [folder / file for file in names]


def _features_beside(file: Path) -> dict[str, Any]:
    """The features in a dataset_info.json beside a table; none if there is no such file."""
    path = file.with_name("dataset_info.json")
    content = _json(path) if path.is_file() else {}
    found = content.get("features") if isinstance(content, dict) else {}
    return found if isinstance(found, dict) else {}


def _open_parts(
    name: str,
    parts: Sequence[Part],
    features: Mapping[str, Any],
    options: SourceOptions,
    digest: Any,
    first_notes: Sequence[str],
) -> Source:
    """Choose the columns, read the small ones, and make a source of them."""
    parts = [part for part in parts if part.rows.count]
    if not parts:
        raise GanvasError(f"{name} holds no rows: expected at least one picture")
    notes = list(first_notes)
    held_splits = {part.split for part in parts} & HELD_OUT_FOLDERS
    if held_splits == {part.split for part in parts}:
        notes.append(f"all pictures lie in {', '.join(sorted(held_splits))}: they are used for training")
        held_splits = set()
    image, note = choose_image(name, parts, features, options.image_column)
    notes += [note] if note else []
    kind = check_parts(parts, image)

    schema = parts[0].rows.schema
    label = choose_label(name, schema, features, options.label_column, image)
    found = labelling.unlabelled("no column of labels")
    if label is not None:
        found, kept = labels_of(name, label, parts, held_splits, features, options)
        if len(kept) < len(parts):
            gone = sorted({part.split for part in parts if part not in kept})
            notes.append(
                f"the {' and '.join(gone)} pictures are left out: they have no labels, the training pictures have"
            )
        parts = kept

    columns: dict[str, Column] = {}
    ignored = []
    many = sum(part.rows.count for part in parts) > MOST_TEXT_ROWS
    for column in schema.names:
        if column == image or (column == label and found.labels is not None):
            continue
        names = class_names_of(features.get(column))
        holds = column_kind(schema.field(column).type, names)
        if holds and not (holds == "text" and many):
            try:
                columns[column] = kept_column(parts, column, holds, names)
                continue
            except damage() as error:  # a caption is no reason to lose the pictures
                ignored.append(f"{column} ({first_line(error)[:80]})")
        else:
            ignored.append(f"{column} ({str(schema.field(column).type)[:40]})")
    if ignored:
        notes.append(f"left out: the columns {', '.join(ignored)}")
    tags = [column for column in columns if columns[column].kind == "tags" and column.casefold() in LABEL_NAMES]
    if label is None and tags:
        found = labelling.unlabelled(f"column {tags[0]} holds several names a picture, kept as tags")
    digest.update(json.dumps([options.image_column, options.label_column]).encode())
    held_out = np.repeat([part.split in held_splits for part in parts], [part.rows.count for part in parts])
    content = Content(parts, image, found, held_out, columns, tuple(notes))
    return (PixelTable if kind == "pixels" else EncodedTable)(name, content, digest.hexdigest())
