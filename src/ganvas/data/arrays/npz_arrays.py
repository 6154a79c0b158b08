"""The arrays of an .npz file by name: which are the pictures, which their labels, and which are columns.

Names are read as those of data sets in HDF5 files are: x_train and x_test are x, for training and held out.
"""

from __future__ import annotations

import hashlib
import tokenize
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.array_source import can_be_pictures
from ganvas.data.arrays.blocks import Blocks
from ganvas.data.arrays.hdf5_layout import HELD_OUT, IMAGES, split_and_base
from ganvas.data.arrays.levels import DAMAGE
from ganvas.data.arrays.volumes import are_volumes
from ganvas.data.contract import Column
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError

NOT_AN_ARRAY = (*DAMAGE, tokenize.TokenError)
_LABELS = ("labels", "label", "y", "targets", "target")
_CLASS_NAMES = "class_names"
_MOST_LOOKED_AT = 100  # arrays: the file is opened anew for each
_LARGEST_SMALL = 1 << 30  # bytes of labels or a column
_MOST_LISTED = 12


@dataclass(frozen=True)
class Chosen:
    """An array of pictures or volumes. key: its name; split: what that says of it; part: "train", "test", ..."""

    key: str
    split: str
    part: str
    rows: Blocks


class NpzArrays:
    """The arrays of the file `path`, which messages call `name`. Raises GanvasError if it is no such file."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        except NOT_AN_ARRAY as error:
            raise GanvasError(f"{name} is not a readable .npz file ({error}): copy or make it again") from error
        self._opened: dict[str, Blocks | GanvasError] = {}
        self._by_base: dict[str, dict[str, str]] = {}  # {"x": {"train": "x_train", "test": "x_test"}}
        known = {*IMAGES, *_LABELS, _CLASS_NAMES}
        for key in self._members:
            split, base = split_and_base(key)
            if len(self._members) <= _MOST_LOOKED_AT or base.casefold() in known:
                self._by_base.setdefault(base, {})[split] = key

    @property
    def digest(self) -> bytes:
        """SHA-256 of names, sizes and checksums of the arrays."""
        digest = hashlib.sha256(b"npz")
        for info in self._members.values():
            digest.update(b"%s\0%d\0%d\0" % (info.filename.encode("utf-8", "replace"), info.file_size, info.CRC))
        return digest.digest()

    def pictures(self, options: SourceOptions) -> tuple[list[Chosen], list[str]]:
        """The arrays of pictures, those for training first, and notes on the choice.

        They are those that options.image_column names; or named images; or the only ones that can be pictures; or
        named as is usual. Raises UsageError if the named ones are not there; GanvasError if nothing says which.
        """
        if options.image_column is not None:
            return self._parts_of(self._named(options.image_column)), []
        if "images" in self._by_base:
            return self._parts_of(self._by_base["images"]), []
        able = [base for base, splits in self._by_base.items() if self._can_be_pictures(_training_key(splits))]
        usual = [base for known in IMAGES for base in able if base.casefold() == known]
        if len(able) > 1 and not usual:
            raise GanvasError(
                f"{self.name}: several arrays can be the pictures; it holds {self.listed()}. Name one with "
                "--image-column NAME"
            )
        if not able:
            refused = [str(why) for why in self._opened.values() if isinstance(why, GanvasError)]
            raise GanvasError(
                f"{self.name} holds the arrays {self.listed()}: expected images (and labels), or train_images, "
                "train_labels (and test_images, test_labels), or others of [N, H, W], [N, H, W, C] or [N, C, H, W], "
                "for volumes [N, D, H, W] or [N, D, H, W, C]" + (f". {refused[0]}" if refused else "")
            )
        base = usual[0] if usual else able[0]
        parts = self._parts_of(self._by_base[base])
        note = f"pictures from {', '.join(part.key for part in parts)}"
        others = [_training_key(self._by_base[other]) for other in able if other != base]
        return parts, [f"{note}; {', '.join(others)} could be pictures too (--image-column)" if others else note]

    def labels(self, parts: Sequence[Chosen], options: SourceOptions) -> list[NDArray[np.generic] | None]:
        """Label values of each part, or None: of the array options.label_column, or of one named as is usual.

        Raises UsageError if the named one is not there, GanvasError if it cannot be read.
        """
        keys = [self._label_key(part, options.label_column) for part in parts]
        return [None if key is None else self._small(key) for key in keys]

    def class_names(self) -> list[str] | None:
        """What the array class_names says. Raises GanvasError if it cannot be read."""
        if _CLASS_NAMES not in self._members:
            return None
        return [str(value) for value in self._small(_CLASS_NAMES).reshape(-1)]

    def columns(self, parts: Sequence[Chosen], options: SourceOptions) -> tuple[dict[str, Column], list[str]]:
        """Arrays [N] of numbers or text besides pictures and labels, gaps filled; and notes on those passed over."""
        columns: dict[str, Column] = {}
        notes: list[str] = []
        used = {part.key for part in parts} | {self._label_key(part, options.label_column) for part in parts}
        for base, splits in self._by_base.items():
            keys = [splits.get(part.split) for part in parts]
            if base == _CLASS_NAMES or used & set(keys) - {None}:
                continue
            kinds = {self._column_kind(key, part) for key, part in zip(keys, parts, strict=True) if key is not None}
            if kinds not in ({"number"}, {"text"}):
                continue
            try:
                values = [None if key is None else self._small(key) for key in keys]
            except GanvasError as error:
                notes.append(f"{base} is passed over: {error}")
                continue
            counts = [part.rows.shape[0] for part in parts]
            columns[base] = _number_column(values, counts) if kinds == {"number"} else _text_column(values, counts)
        return columns, notes

    def listed(self) -> str:
        """What there is, for messages."""
        shown = list(self._members)[:_MOST_LISTED]
        more = len(self._members) - len(shown)
        return ", ".join(map(self._described, shown)) + (f" and {more} more" if more else "")

    def _described(self, key: str) -> str:
        rows = self._rows(key)
        return f"{key} (not readable)" if isinstance(rows, GanvasError) else f"{key} {list(rows.shape)} {rows.dtype}"

    def _rows(self, key: str) -> Blocks | GanvasError:
        if key not in self._opened:
            try:
                self._opened[key] = Blocks.of_npz(self.name, self._path, self._members[key])
            except GanvasError as error:
                self._opened[key] = error
        return self._opened[key]

    def _small(self, key: str) -> NDArray[np.generic]:
        if self._members[key].file_size > _LARGEST_SMALL:
            raise GanvasError(f"{key} of {self.name} has more than 1 GiB: it is not read as labels or a column")
        try:
            with np.load(self._path, allow_pickle=False) as arrays:
                values = cast(NDArray[np.generic], arrays[key])
        except NOT_AN_ARRAY as error:
            raise GanvasError(f"{key} of {self.name} cannot be read ({error}): save plain numbers or text") from error
        return np.char.decode(cast(Any, values), "utf-8", "replace") if values.dtype.kind == "S" else values

    def _named(self, column: str) -> dict[str, str]:
        """The arrays that the user means by a name: with those of other splits, or a held-out one for itself."""
        if column in self._members:
            split, base = split_and_base(column)
            return {split: column} if split in HELD_OUT else {**self._by_base.get(base, {}), split: column}
        if column not in self._by_base:
            raise UsageError(f"{self.name} has no array {column}: it holds {self.listed()}")
        return self._by_base[column]

    def _parts_of(self, splits: dict[str, str]) -> list[Chosen]:
        """The training array, and with it those that are held out. Raises GanvasError if one is no array."""
        training = _training_key(splits)
        found = [(split, key) for split in HELD_OUT for key in (splits.get(split),) if key not in (None, training)]
        first = next(split for split, key in splits.items() if key == training)
        parts: list[Chosen] = []
        for split, key in [(first, training), *found]:
            assert key is not None, "only splits that are there were found"
            rows = self._rows(key)
            if isinstance(rows, GanvasError):
                raise rows
            parts.append(Chosen(key, split, split if parts else "train", rows))
        return parts

    def _can_be_pictures(self, key: str) -> bool:
        rows = self._rows(key)
        return (
            not isinstance(rows, GanvasError)
            and rows.dtype.kind in "biuf"
            and 0 not in rows.shape
            and (can_be_pictures(rows.shape) or are_volumes(rows.shape))
        )

    def _label_key(self, part: Chosen, column: str | None) -> str | None:
        if column is not None:
            named = self._named(column)
            key = named.get(part.split)
            return _training_key(named) if key is None and part.part == "train" else key
        for known in _LABELS:
            for base, splits in self._by_base.items():
                key = splits.get(part.split)
                # Those called labels are meant for it: if they do not fit, that is told.
                if key is not None and base.casefold() == known and (known == "labels" or self._fits(key, part)):
                    return key
        return None

    def _fits(self, key: str, part: Chosen) -> bool:
        """Whether an array can be the labels of a part."""
        rows, count = self._rows(key), part.rows.shape[0]
        return (
            key != part.key
            and not isinstance(rows, GanvasError)
            and rows.shape in ((count,), (count, 1))
            and rows.dtype.kind in "iuUS"
        )

    def _column_kind(self, key: str, part: Chosen) -> str:
        """ "number" or "text", or "" for what cannot be a column of a part."""
        rows = self._rows(key)
        if isinstance(rows, GanvasError) or rows.shape != (part.rows.shape[0],):
            return ""
        return "number" if rows.dtype.kind in "biuf" else "text" if rows.dtype.kind in "US" else ""


def _training_key(splits: dict[str, str]) -> str:
    """The array to train with: beside train_images, images are the whole before it was split."""
    return next(splits[split] for split in ("train", "", *HELD_OUT) if split in splits)


def _number_column(values: Sequence[NDArray[Any] | None], counts: Sequence[int]) -> Column:
    parts = [np.full(count, np.nan) if v is None else v for v, count in zip(values, counts, strict=True)]
    return Column("number", np.concatenate([part.astype(np.float64) for part in parts]).tolist())


def _text_column(values: Sequence[NDArray[Any] | None], counts: Sequence[int]) -> Column:
    parts = [[""] * count if v is None else list(map(str, v)) for v, count in zip(values, counts, strict=True)]
    return Column("text", [text for part in parts for text in part])
