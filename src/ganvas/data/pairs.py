"""Pairs of pictures for image-to-image translation: A and B beside each other in one file, or in two folders.

| pairs        | expected                                                                                   |
|--------------|--------------------------------------------------------------------------------------------|
| side-by-side | every picture shows A in its left half and B in its right half                              |
| by-name      | A/ and B/, trainA/ and trainB/ or train/A/ and train/B/, with equal names on both sides     |
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import EncodedPictures, Source, SourceDefaults
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.fit import Fitted, Target, fit_encoded, halves
from ganvas.data.keypoints.heat_maps import KeypointMaps
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError

Side = Literal["A", "B"]
FitJob = Callable[[tuple[bytes, ...], str, Target], Fitted]  # files of a picture or a pair, its name

_SIDE_FOLDER = re.compile(r"(?P<split>train|val|valid|validation|test)?[-_]?(?P<side>[ab])", re.IGNORECASE)


class PairSource(SourceDefaults, ABC):
    """Pictures that come in two: `read_sides` gives A and B, `read` only A. See `ganvas.data.contract.Source`."""

    sides: tuple[Side, Side] = ("A", "B")
    keypoints: KeypointMaps | None = None  # what the channels of A are, where A is points

    def __init__(
        self,
        inner: Source,
        names: Sequence[str],
        held_out: NDArray[np.bool_],
        layout: str,
        classes: labelling.Labelling,
    ) -> None:
        self.name, self.names, self.held_out = inner.name, names, held_out
        self.labels, self.class_names, self.labels_note = classes.labels, classes.class_names, classes.note
        self.notes = inner.notes
        self.in_order = inner.in_order
        self.default_resolution = inner.default_resolution
        self.fingerprint = hashlib.sha256(f"pairs {layout} {inner.fingerprint}".encode()).hexdigest()
        self._inner = inner

    @property
    def is_encoded(self) -> bool:
        """Whether `encoded_sides` can be asked for."""
        return isinstance(self._inner, EncodedPictures)

    @abstractmethod
    def encoded_sides(self, index: int) -> tuple[bytes, ...]:
        """The whole files of one pair: one that shows A and B, or one each. Raises PictureError."""

    def encoded_to_fit(self, index: int) -> tuple[bytes, ...]:
        """What `fit_job` is given of one pair. Raises PictureError."""
        return self.encoded_sides(index)

    @property
    def fit_job(self) -> FitJob:
        """What makes of it the pair of a store: a function of a module, which other processes import."""
        return fit_encoded

    @abstractmethod
    def headers(self, index: int) -> tuple[Header, Header]:
        """What A and B declare, without decoding them. Raises PictureError."""

    @abstractmethod
    def read_sides(self, index: int) -> tuple[Pixels, Pixels]:
        """A and B, each [H, W, C] uint8 or uint16. Raises PictureError."""

    def header(self, index: int, side: Side = "A") -> Header:
        """What one side declares. Raises PictureError."""
        return self.headers(index)[self.sides.index(side)]

    def read(self, index: int, side: Side = "A") -> Pixels:
        """One side: [H, W, C] uint8 or uint16. Raises PictureError."""
        return self.read_sides(index)[self.sides.index(side)]


class SideBySide(PairSource):
    """Pairs whose pictures show A in the left half and B in the right one."""

    def __init__(self, inner: Source) -> None:
        classes = labelling.Labelling(inner.labels, inner.class_names, inner.labels_note)
        super().__init__(inner, inner.names, inner.held_out, "side-by-side", classes)
        self.groups = inner.groups
        if inner.default_resolution is not None:
            height, width = inner.default_resolution
            self.default_resolution = (height, width // 2)

    def encoded_sides(self, index: int) -> tuple[bytes, ...]:
        """The file that shows both. Raises PictureError."""
        return (_encoded(self._inner, index),)

    def headers(self, index: int) -> tuple[Header, Header]:
        """Both sides declare half the width of the picture. Raises PictureError if that is no whole number."""
        whole = self._inner.header(index)
        if whole.width % 2:
            raise PictureError(
                self.names[index], f"{whole.width} pixels wide, which does not halve into A and B of one width"
            )
        side = replace(whole, width=whole.width // 2)
        return side, side

    def read_sides(self, index: int) -> tuple[Pixels, Pixels]:
        """Both halves, each [H, W, C]. Raises PictureError."""
        return halves(self._inner.read(index), self.names[index])


class ByName(PairSource):
    """Pairs of pictures in two folders. places: [N, 2], those of A and B in `inner`."""

    def __init__(
        self,
        inner: Source,
        names: Sequence[str],
        places: Sequence[tuple[int, int]],
        held_out: NDArray[np.bool_],
        notes: tuple[str, ...],
    ) -> None:
        super().__init__(inner, names, held_out, "by-name", _classes_of(inner, names, places))
        self.notes = inner.notes + notes
        self._places = places
        if inner.groups is not None:
            self.groups = inner.groups[[a for a, _ in places]]

    def encoded_sides(self, index: int) -> tuple[bytes, ...]:
        """The files of A and of B. Raises PictureError."""
        a, b = self._places[index]
        return _encoded(self._inner, a), _encoded(self._inner, b)

    def headers(self, index: int) -> tuple[Header, Header]:
        """What the files of A and of B declare; they may differ. Raises PictureError."""
        a, b = self._places[index]
        return self._inner.header(a), self._inner.header(b)

    def read_sides(self, index: int) -> tuple[Pixels, Pixels]:
        """Both pictures, each [H, W, C]. Raises PictureError with the name of the one that cannot be used."""
        a, b = self._places[index]
        return self._inner.read(a), self._inner.read(b)

    def header(self, index: int, side: Side = "A") -> Header:
        """What the file of one side declares; the other is left alone. Raises PictureError."""
        return self._inner.header(self._places[index][self.sides.index(side)])

    def read(self, index: int, side: Side = "A") -> Pixels:
        """One side: [H, W, C]; the other is left alone. Raises PictureError."""
        return self._inner.read(self._places[index][self.sides.index(side)])


class SideSource(SourceDefaults):
    """Only A or only B of pairs, as pictures like any others, under the names of the pairs."""

    labels: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    labels_note = labelling.unlabelled("one side of pairs").note

    def __init__(self, pairs: PairSource, side: Side) -> None:
        self.name, self.names, self.held_out = pairs.name, pairs.names, pairs.held_out
        self.groups, self.in_order, self.default_resolution = pairs.groups, pairs.in_order, pairs.default_resolution
        self.notes = (*pairs.notes, f"only side {side} of {len(pairs.names)} pairs")
        self.fingerprint = hashlib.sha256(f"side {side} {pairs.fingerprint}".encode()).hexdigest()
        self._pairs, self._side = pairs, side

    def header(self, index: int) -> Header:
        """What the picture declares. Raises PictureError."""
        return self._pairs.header(index, self._side)

    def read(self, index: int) -> Pixels:
        """One picture: [H, W, C] uint8 or uint16. Raises PictureError."""
        return self._pairs.read(index, self._side)


def open_pairs(source: Source, options: SourceOptions) -> Source:
    """`source` as pairs, as `options.pairs` says, or only one side of them; without pairs the source itself.

    With `options.keypoints` points and pictures are the pairs. Raises UsageError for a side without pairs, GanvasError
    if no pairs are found.
    """
    if options.keypoints is not None:
        from ganvas.data.keypoints.keypoint_pairs import open_keypoints

        return open_keypoints(source, options)
    if options.pairs is None:
        if options.side is not None:
            raise UsageError(f"side {options.side} is chosen without pairs: add pairs side-by-side or by-name")
        return source
    pairs = SideBySide(source) if options.pairs == "side-by-side" else _by_name(source)
    return pairs if options.side is None else SideSource(pairs, options.side)


def file_reader(source: Source) -> Callable[[int], tuple[bytes, ...]] | None:
    """How to get the bytes of a picture's file, or of both of a pair; None for sources that are not of files."""
    if isinstance(source, EncodedPictures):
        return lambda index: (source.encoded(index),)
    if isinstance(source, PairSource) and source.is_encoded:
        return source.encoded_sides
    return None


def _encoded(source: Source, index: int) -> bytes:
    assert isinstance(source, EncodedPictures), "is_encoded was asked first"
    return source.encoded(index)


def _by_name(source: Source) -> ByName:
    sides: dict[str, dict[str, int]] = {"a": {}, "b": {}}
    alone: list[str] = []  # names without a partner
    for place, name in enumerate(source.names):
        side, common = _without_side(name)
        if side is None or sides[side].setdefault(common, place) != place:
            alone.append(name)
    found = _matched(sides["a"], sides["b"])
    matched = {place for pair in found.values() for place in pair}
    alone += [source.names[p] for side in sides.values() for p in side.values() if p not in matched]
    if not found:
        raise GanvasError(_no_pairs(source, sides))
    notes = []
    if alone:
        first, verb = labelling.natural_sorted(alone)[0], "is" if len(alone) == 1 else "are"
        count = "1 picture" if len(alone) == 1 else f"{len(alone)} pictures"
        notes.append(f"{count} without a partner on the other side {verb} left out ({first})")
    names, places = list(found), list(found.values())
    layout = labelling.read_layout(names)
    held_out = source.held_out[[a for a, _ in places]] | layout.held_out
    if held_out.all():
        held_out = np.zeros(len(names), np.bool_)
        notes.append("all pairs are of a held-out split: they are used for training")
    return ByName(source, names, places, held_out, tuple(notes))


def _classes_of(inner: Source, names: Sequence[str], places: Sequence[tuple[int, int]]) -> labelling.Labelling:
    """Classes that both sides of each pair share: of a table, or of folders inside A/ and B/."""
    if inner.labels is not None:
        labels = inner.labels[np.array(places)]  # [N, 2]
        if (labels[:, 0] == labels[:, 1]).all() and len(np.unique(labels)) > 1:
            return labelling.Labelling(labels[:, 0], inner.class_names, inner.labels_note)
    return labelling.labels_from_folders(labelling.read_layout(names))


def _without_side(name: str) -> tuple[str | None, str]:
    """The side, a or b, and the name without it: x/trainA/1.png gives a and x/train/1.png. None if it has no side."""
    *folders, file = name.split("/")
    for i, folder in enumerate(folders):
        match = _SIDE_FOLDER.fullmatch(folder)
        if match:
            split = [match["split"].lower()] if match["split"] else []
            return match["side"].lower(), "/".join([*folders[:i], *split, *folders[i + 1 :], file])
    return None, name


def _matched(a: dict[str, int], b: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Places of A and B by A's name, in the order of A: of equal names, or equal but for the suffix."""
    by_stem: dict[str, list[str]] = {}
    for name in b:
        if name not in a:
            by_stem.setdefault(_stem(name), []).append(name)
    stems = Counter(_stem(name) for name in a if name not in b)
    found = {}
    for name, place in a.items():
        partners = by_stem.get(_stem(name), [])
        if name in b:
            found[name] = (place, b[name])
        elif len(partners) == 1 and stems[_stem(name)] == 1:  # or nothing would say which belong together
            found[name] = (place, b[partners[0]])
    return found


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _no_pairs(source: Source, sides: dict[str, dict[str, int]]) -> str:
    expected = "expected the same names on both sides, such as A/street.jpg and B/street.png, or trainA/ and trainB/"
    if not sides["a"] and not sides["b"]:
        return (
            f"{source.name} has no pairs by name: none of its pictures lies in a folder A/ or B/; {expected}. If each "
            "picture shows A and B beside each other, choose pairs side-by-side"
        )
    missing = [side.upper() for side, names in sides.items() if not names]
    if missing:
        return f"{source.name} has no pairs by name: it has no pictures of side {missing[0]}; {expected}"
    first = [source.names[next(iter(names.values()))] for names in sides.values()]
    return (
        f"{source.name} has no pairs by name: its {len(sides['a'])} pictures of side A and {len(sides['b'])} of side B "
        f"have no name in common ({first[0]}, {first[1]}); {expected}. Pictures that do not belong together in twos "
        "cannot be used as pairs"
    )
