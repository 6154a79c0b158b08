"""Decode a source once into a store's folder, in order, with flat memory, in several processes.

A journal beside the pictures says how far they are safely on disk: whoever writes into the same folder again, after a
kill or a full disk, goes on from there.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.cache import sync_folder
from ganvas.data.decode import PictureError
from ganvas.data.decoders import Decoders, Failed, Item
from ganvas.data.fit import RESIZE, Fitted, Target, fit_all, fit_encoded
from ganvas.data.pairs import FitJob, PairSource, file_reader
from ganvas.data.plan import MIN_PICTURES, StorePlan, reasons
from ganvas.errors import GanvasError
from ganvas.version import __version__

if TYPE_CHECKING:
    from ganvas.data.contract import Source

SCHEMA = 2
IMAGES, LABELS, GROUPS, NAMES, COLUMNS = "images.bin", "labels.npy", "groups.npy", "names.json", "columns.json"
MANIFEST, JOURNAL = "manifest.json", "journal.jsonl"
SHARD_BYTES = 32 << 20  # of images.bin, each with a hash of its own in the manifest
_SAFE_EVERY_BYTES, _SAFE_EVERY_S = 64 << 20, 2.0  # what a kill may cost

Progress = Callable[[int, int], None]  # pictures looked at, pictures in all


def write_store(
    folder: Path,
    source: Source,
    plan: StorePlan,
    key: str,
    progress: Progress | None = None,
    processes: int | None = None,
) -> None:
    """Fill `folder` with a store, or go on where an earlier call stopped; manifest.json comes last, all is synced.

    `processes` decode (default: one a core). Raises GanvasError if fewer than MIN_PICTURES training pictures can be
    used.
    """
    order = np.argsort(source.held_out, kind="stable")
    with _Writing(folder, key, plan) as writing:
        left = order[writing.looked_at :].tolist()
        for index, result in zip(left, _fitted(source, plan.target, left, processes), strict=True):
            writing.add(index, result)
            if progress is not None:
                progress(writing.looked_at, len(order))
        writing.make_safe()
    _finish(folder, source, plan, key, writing)


@dataclass
class _Writing:
    """images.bin and how far it has come. `kept` has the index of each picture in it, repeated for patches."""

    folder: Path
    key: str
    plan: StorePlan
    looked_at: int = 0
    kept: list[int] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    shards: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dtype = np.dtype("u1" if self.plan.bits == 8 else "<u2")
        plan = self.plan
        self._picture_bytes = plan.channels * plan.height * plan.width * self.dtype.itemsize
        self.shard_pictures = max(1, SHARD_BYTES // self._picture_bytes)

    def __enter__(self) -> _Writing:
        self._images = (self.folder / IMAGES).open("a+b")
        journal = self.folder / JOURNAL
        self._read_journal(journal)
        self._journal = journal.open("ab")
        self._safe = (len(self.kept), len(self.skipped), len(self.shards))
        self._safe_done, self._safe_at = self.done.copy(), time.monotonic()
        self._images.truncate(len(self.kept) * self._picture_bytes)
        self._hash = hashlib.sha256()
        self._images.seek(len(self.shards) * self.shard_pictures * self._picture_bytes)
        while block := self._images.read(1 << 20):  # the shard that was begun
            self._hash.update(block)
        if not self.looked_at:
            self._note({"schema": SCHEMA, "key": self.key})
        return self

    def __exit__(self, *error: object) -> None:
        self._images.close()
        self._journal.close()

    def add(self, index: int, result: Fitted | Failed) -> None:
        """Write what became of the picture `index`."""
        self.looked_at += 1
        if isinstance(result, Failed):
            self.skipped.append((result.name, result.reason))
            return
        self.done += result.done
        for pixels in result.pictures:
            data = pixels.astype(self.dtype, copy=False).tobytes()  # C order: [C, H, W]
            self._hash.update(data)
            self._images.write(data)
            self.kept.append(index)
            if len(self.kept) % self.shard_pictures == 0:
                self.shards.append(self._hash.hexdigest())
                self._hash = hashlib.sha256()
        unsafe = (len(self.kept) - self._safe[0]) * self._picture_bytes
        if unsafe >= _SAFE_EVERY_BYTES or time.monotonic() - self._safe_at >= _SAFE_EVERY_S:
            self.make_safe()

    def make_safe(self) -> None:
        """See to it that a kill from here on costs nothing of what was written."""
        _sync(self._images)
        kept, skipped, shards = self._safe
        self._note(
            {
                "looked_at": self.looked_at,
                "kept": self.kept[kept:],
                "skipped": self.skipped[skipped:],
                "done": dict(self.done - self._safe_done),
                "shards": self.shards[shards:],
            }
        )
        self._safe = (len(self.kept), len(self.skipped), len(self.shards))
        self._safe_done, self._safe_at = self.done.copy(), time.monotonic()

    def all_shards(self) -> list[str]:
        """The SHA-256 of each shard, the last one may be shorter."""
        partial = len(self.kept) % self.shard_pictures
        return [*self.shards, self._hash.hexdigest()] if partial else list(self.shards)

    def _note(self, entry: dict[str, Any]) -> None:
        self._journal.write(json.dumps(entry).encode() + b"\n")
        _sync(self._journal)

    def _read_journal(self, path: Path) -> None:
        """Take up what an earlier call noted, as far as it is whole and of the same store; forget the rest."""
        whole = 0
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        size = os.fstat(self._images.fileno()).st_size
        for number, line in enumerate(lines):
            try:
                entry = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                entry = None
            if entry is None or (number == 0 and entry != {"schema": SCHEMA, "key": self.key}):
                break
            if number:
                if (len(self.kept) + len(entry["kept"])) * self._picture_bytes > size:
                    break  # the pictures did not reach the disk
                self.looked_at = entry["looked_at"]
                self.kept += entry["kept"]
                self.skipped += [(name, reason) for name, reason in entry["skipped"]]
                self.done += Counter(entry["done"])
                self.shards += entry["shards"]
            whole += len(line)
        if lines:
            os.truncate(path, whole if self.looked_at else 0)


def _fitted(source: Source, target: Target, indices: list[int], processes: int | None) -> Iterator[Fitted | Failed]:
    """What goes into the store of each picture, in order."""
    encoded = file_reader(source)
    job: FitJob = fit_encoded
    if encoded is not None and isinstance(source, PairSource):
        encoded, job = source.encoded_to_fit, source.fit_job
    if encoded is None:
        for index in indices:
            yield _fit_here(source, index, target)
        return
    unread: dict[int, Failed] = {}

    def items() -> Iterator[Item]:
        for place, index in enumerate(indices):
            try:
                data = encoded(index)
            except PictureError as error:
                unread[place] = Failed(error.name, error.reason)
                data = ()
            yield data, source.names[index]

    with Decoders(processes) as decoders:
        for place, result in enumerate(decoders.map(job, items(), target)):
            yield unread.pop(place, result)


def _fit_here(source: Source, index: int, target: Target) -> Fitted | Failed:
    try:
        sides = source.read_sides(index) if isinstance(source, PairSource) else (source.read(index),)
        return fit_all(sides, source.names[index], target)
    except PictureError as error:
        return Failed(error.name, error.reason)


def _finish(folder: Path, source: Source, plan: StorePlan, key: str, writing: _Writing) -> None:
    """Everything beside the pictures."""
    kept = np.array(writing.kept, np.int64)
    held_out = np.asarray(source.held_out)[kept] if len(kept) else np.zeros(0, np.bool_)
    train_count = int(np.count_nonzero(~held_out))
    if train_count < MIN_PICTURES:
        because = f": {reasons(writing.skipped)}" if writing.skipped else ""
        raise GanvasError(
            f"{source.name} has {train_count} training pictures that can be used, at least {MIN_PICTURES} "
            f"are needed{because}"
        )
    labels = source.labels[kept].astype("<i8") if plan.labelled and source.labels is not None else None
    notes = [*source.notes, *plan.notes, *_notes(writing.done, plan)]
    if labels is not None:
        notes += _lost_classes(source.class_names, labels[:train_count])
    identity = {
        "schema": SCHEMA,
        "shape": [len(kept), plan.channels, plan.height, plan.width],
        "dtype": writing.dtype.str,
        "sides": list(plan.sides),
        **({} if plan.keypoints is None else {"keypoints": asdict(plan.keypoints)}),
        "train_count": train_count,
        "class_names": list(source.class_names) if labels is not None else [],
        "resize": RESIZE,
        "fit": plan.fit,
        "matte": list(plan.matte),
        "shard_pictures": writing.shard_pictures,
        "shards_sha256": writing.all_shards(),
        "labels_sha256": "" if labels is None else _write_array(folder / LABELS, labels),
        "names_sha256": _write(folder / NAMES, json.dumps(_names(source, writing.kept)).encode()),
        "columns_sha256": _write_columns(folder / COLUMNS, source, writing.kept),
        "groups_sha256": "" if source.groups is None else _write_array(folder / GROUPS, source.groups[kept]),
    }
    manifest = identity | {
        "fingerprint": fingerprint_of(identity),
        "key": key,
        "source": source.name,
        "source_fingerprint": source.fingerprint,
        "class_counts": _class_counts(source.class_names, labels, train_count),
        "labels_note": _labels_note(source, plan),
        "notes": notes,
        "skipped": writing.skipped,
        "written_by": f"ganvas {__version__}",
    }
    _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    (folder / JOURNAL).unlink()
    sync_folder(folder)


def fingerprint_of(identity: dict[str, Any]) -> str:
    """SHA-256 of what is in a store, wherever it came from."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _names(source: Source, kept: list[int]) -> list[str]:
    """One name a picture; patches of one picture are numbered."""
    names: list[str] = []
    for index, group in itertools.groupby(kept):
        count = len(list(group))
        name = source.names[index]
        names += [name] if count == 1 else [f"{name}#{i}" for i in range(count)]
    return names


def _write_columns(path: Path, source: Source, kept: list[int]) -> str:
    columns = {
        name: {"kind": column.kind, "values": [_plain(column.values[i]) for i in kept]}
        for name, column in source.columns.items()
    }
    return _write(path, json.dumps(columns).encode()) if columns else ""


def _plain(value: Any) -> Any:
    """A value of a column as JSON has it: numbers that are missing become null."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple | list):
        return list(value)
    return float(value) if np.isfinite(value) else None


def _class_counts(
    class_names: tuple[str, ...], labels: NDArray[np.int64] | None, train_count: int
) -> dict[str, dict[str, int]]:
    """How many pictures of each class are for training and held out."""
    if labels is None:
        return {}
    parts = {"train": labels[:train_count], "held_out": labels[train_count:]}
    return {
        part: dict(zip(class_names, np.bincount(values, minlength=len(class_names)).tolist(), strict=True))
        for part, values in parts.items()
    }


def _notes(done: Counter[str], plan: StorePlan) -> list[str]:
    """What was done to some pictures that may surprise; sizes are in the plan's notes already."""
    red, green, blue = plan.matte
    words = {
        "flattened": f"with transparency laid on the matte ({red}, {green}, {blue})",
        "greyed": "in colour turned grey",
        "16 to 8": "of 16 bits scaled to 8, because not all pictures looked at have 16",
        "8 to 16": "of 8 bits scaled to 16",
        "points outside": "with some points outside of it, which are left out",
    }
    return [f"{done[what]} picture{'s' * (done[what] != 1)} {text}" for what, text in words.items() if done[what]]


def _lost_classes(class_names: tuple[str, ...], training_labels: NDArray[np.int64]) -> list[str]:
    counts = np.bincount(training_labels, minlength=len(class_names))
    lost = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
    return [f"no usable training picture in class {', '.join(lost)}"] if lost else []


def _labels_note(source: Source, plan: StorePlan) -> str:
    if source.class_names and not plan.labelled:
        return f"unlabelled: the labels ({source.labels_note}) are dropped as asked"
    return source.labels_note


def _write_array(path: Path, values: NDArray[np.int64]) -> str:
    whole = values.astype("<i8")
    with path.open("wb") as file:
        np.save(file, whole, allow_pickle=False)
        _sync(file)
    return hashlib.sha256(whole.tobytes()).hexdigest()


def _write(path: Path, data: bytes) -> str:
    with path.open("wb") as file:
        file.write(data)
        _sync(file)
    return hashlib.sha256(data).hexdigest()


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
