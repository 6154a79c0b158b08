"""What DICOM and NIfTI sources share: anonymous names, patients that stay together, and which slices are used.

Nothing that identifies a person is kept: names are numbers in an order of hashes, and what the files are called is
used for splits, classes and telling patients apart, but never shown. Only class folders keep their names.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import Column, SourceDefaults
from ganvas.data.decode import LARGEST_PIXELS, Header, Pixels
from ganvas.data.medical.intensity import Window
from ganvas.errors import GanvasError, UsageError

LEAST_PATIENTS = 10  # with fewer, holding out one would cost too much
FILLED_LEVEL, FILLED_SHARE = 0.05, 0.05  # of the window, of the pixels

SliceRule = tuple[Literal["all", "middle", "filled", "every"], int]  # the number is that of "every"


@dataclass(frozen=True, slots=True)
class Slice:
    """One picture of a medical source as the source shows it, but for `path`, which is for labels only.

    window: None where a table or colours have no ends that could be told. inverted: 0 stands for the high end.
    spacing: millimetres from row to row and from column to column. position: millimetres along the stack.
    """

    name: str
    path: str
    patient: int
    header: Header
    window: Window | None
    inverted: bool = False
    spacing: tuple[float, float] = (math.nan, math.nan)
    position: float = math.nan


class MedicalSource(SourceDefaults):
    """Slices with their patients and classes. See `ganvas.data.contract.Source`; `read` is left to the two kinds.

    `told_apart` says what tells patients apart, for the notes.
    """

    def __init__(
        self, name: str, slices: Sequence[Slice], told_apart: str, notes: Sequence[str], fingerprint: str
    ) -> None:
        self.name, self.fingerprint = name, fingerprint
        self.names: Sequence[str] = [one.name for one in slices]
        self.groups: NDArray[np.int64] = np.array([one.patient for one in slices], np.int64)
        layout = labelling.read_layout([one.path for one in slices])
        held_out, patients_note = _held_out(self.groups, layout.held_out, told_apart)
        self.held_out: NDArray[np.bool_] = held_out
        found = _labels(replace(layout, held_out=held_out), self.groups)
        self.labels: NDArray[np.int64] | None = found.labels
        self.class_names: tuple[str, ...] = found.class_names
        self.labels_note = found.note
        self.columns: Mapping[str, Column] = _columns(slices)
        self._headers = [one.header for one in slices]
        uneven = sum(_is_uneven(one.spacing) for one in slices)
        self.notes: tuple[str, ...] = (*notes, patients_note, *layout.notes)
        if uneven:
            self.notes += (
                f"the pixels of {counted(uneven, 'slice')} are not square: the columns row_spacing_mm and "
                "column_spacing_mm give their sides",
            )

    def header(self, index: int) -> Header:
        """Size, channels and bits as the file declares them."""
        return self._headers[index]

    def read(self, index: int) -> Pixels:
        """One slice: [H, W, 1] uint16, or [H, W, 3] uint8 for colour. Raises PictureError."""
        raise NotImplementedError


def parse_slices(text: str) -> SliceRule:
    """What `--slices` says. Raises UsageError for anything but all, middle, filled and every:N."""
    if text in ("all", "middle", "filled"):
        return text, 1  # type: ignore[return-value]
    every = re.fullmatch(r"every:([0-9]{1,6})", text)
    if every is None or int(every[1]) < 1:
        raise UsageError(f"slices is {text!r}: expected all, middle, every:N with N of 1 or more, or filled")
    return "every", int(every[1])


def chosen_places(rule: SliceRule, count: int) -> list[int]:
    """Which of a stack's `count` slices are used, before it is known whether they are filled."""
    kind, step = rule
    return [count // 2] if kind == "middle" and count else list(range(0, count, step))


def is_filled(picture: Pixels) -> bool:
    """Whether at least 5 % of the pixels are brighter than 5 % of the range."""
    white = 255 if picture.dtype == np.uint8 else 65535
    return bool((picture.max(axis=2) > FILLED_LEVEL * white).mean() >= FILLED_SHARE)


def hashed(identity: str) -> str:
    """SHA-256 of what identifies someone, so that the identity itself need not be kept."""
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()


def numbered(identities: Iterable[str]) -> dict[str, int]:
    """1, 2, ... for each different hash, in their order: the same on every run, and telling nothing."""
    return {identity: i for i, identity in enumerate(sorted(set(identities)), 1)}


def walk(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change in ns of every file below `folder` by relative path, sorted; not those that are hidden.

    Links are followed, each folder once. Raises GanvasError if the folder cannot be read.
    """
    found: dict[str, tuple[int, int]] = {}
    refused: list[OSError] = []
    seen: set[str] = set()
    for where, folders, files in os.walk(folder, onerror=refused.append, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in files:
            file = Path(where, name)
            if name.startswith(".") or not file.is_file():
                continue
            status = file.stat()
            found[file.relative_to(folder).as_posix()] = (status.st_size, status.st_mtime_ns)
    if refused and not seen:
        raise GanvasError(f"{folder} cannot be read ({refused[0].strerror}): change its permissions")
    return dict(sorted(found.items()))


def counted(number: int, noun: str) -> str:
    """ "1 slice", "2 slices", "2 series"."""
    return f"{number} {noun}{'' if number == 1 or noun.endswith('s') else 's'}"


def listed(reasons: Counter[str]) -> str:
    """ "2 damaged, 1 too large"."""
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


def size_problem(height: int, width: int) -> str | None:
    """Why a slice of this size is not used, or None."""
    if height < 1 or width < 1:
        return "without pixels"
    if height * width > LARGEST_PIXELS:
        return f"larger than {LARGEST_PIXELS // 1_000_000} megapixels a slice"
    return None


def _held_out(groups: NDArray[np.int64], split: NDArray[np.bool_], told_apart: str) -> tuple[NDArray[np.bool_], str]:
    """What split folders say; without them a tenth of the patients from ten on; and a sentence on it."""
    patients = np.unique(groups)
    who = f"{counted(len(patients), 'patient')}, told apart by {told_apart}"
    if split.any():
        training, held = set(groups[~split].tolist()), set(groups[split].tolist())
        note = f"{who}: {len(training)} for training and {len(held)} held out, as the folders say"
        if training & held:
            note += f"; {len(training & held)} of them in both, so held-out pictures are not those of strangers"
        return split, note
    if len(patients) < LEAST_PATIENTS:
        return split, f"{who}: none held out, which takes {LEAST_PATIENTS} patients or split folders"
    count = len(patients) // 10  # the first in number are as good as any: numbers follow hashes
    held_out = np.isin(groups, patients[:count])
    return held_out, f"{who}: {len(patients) - count} for training, {count} held out"


def _labels(layout: labelling.Layout, groups: NDArray[np.int64]) -> labelling.Labelling:
    """Classes from folders, unless these may be the folders of patients, whose names are not for showing."""
    found = labelling.labels_from_folders(layout)
    if found.labels is None:
        if not any(layout.folders):
            return labelling.unlabelled("no class folders")
        return labelling.unlabelled(  # the reason found quotes folders
            f"the folders are not classes, each with {labelling.LEAST_PER_CLASS} training pictures or more"
        )
    patients: defaultdict[int, set[int]] = defaultdict(set)
    for label, patient in zip(found.labels.tolist(), groups.tolist(), strict=True):
        patients[label].add(patient)
    if min(len(of_class) for of_class in patients.values()) < 2:
        return labelling.unlabelled("there are folders with one patient only, so they are not taken for classes")
    return found


def _columns(slices: Sequence[Slice]) -> dict[str, Column]:
    ends = [(one.window.low, one.window.high) if one.window else (math.nan, math.nan) for one in slices]
    ends = [pair[::-1] if one.inverted else pair for pair, one in zip(ends, slices, strict=True)]
    numbers: dict[str, Sequence[float]] = {
        "low": [low for low, _ in ends],
        "high": [high for _, high in ends],
        "row_spacing_mm": [one.spacing[0] for one in slices],
        "column_spacing_mm": [one.spacing[1] for one in slices],
        "slice_position_mm": [one.position for one in slices],
    }
    return {key: Column("number", values) for key, values in numbers.items()}


def _is_uneven(spacing: tuple[float, float]) -> bool:
    small, large = sorted(spacing)
    return small > 0 and large / small > 1.02  # False with NaN
