"""Prepared pictures on disk: decoded once to one size, memory-mapped ever after.

A store is a folder: images.bin (raw [N, C, H, W], training pictures first), labels.npy, groups.npy, names.json,
columns.json and manifest.json. It is written under another name (*.partial) and renamed when whole, so a kill leaves
no half store and what was written is not lost; it is used again as long as the source and the options stay the same,
and written again if it was damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ganvas.data.cache import locks_folder, remove, stores_folder, sync_folder
from ganvas.data.contract import Column
from ganvas.data.decode import Pixels
from ganvas.data.fit import MIN_SIDE, RESIZE, FitMode, Target
from ganvas.data.keypoints.heat_maps import KeypointMaps
from ganvas.data.options import StoreOptions
from ganvas.data.plan import MIN_PICTURES, StorePlan, plan_store
from ganvas.data.store_writer import (
    COLUMNS,
    GROUPS,
    IMAGES,
    JOURNAL,
    LABELS,
    MANIFEST,
    NAMES,
    SCHEMA,
    Progress,
    write_store,
)
from ganvas.errors import GanvasError

if TYPE_CHECKING:
    from ganvas.data.contract import Source

PARTIAL = ".partial"

__all__ = [
    "MIN_PICTURES",
    "MIN_SIDE",
    "Split",
    "Store",
    "StoreInfo",
    "StoreOptions",
    "StorePlan",
    "clear_stores",
    "is_store",
    "list_stores",
    "open_store",
    "plan_store",
    "read_store",
]


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures of a store: [N, C, H, W] view, [N] labels or None, and where they begin in the store."""

    images: Pixels
    labels: NDArray[np.int64] | None
    offset: int

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Store:
    """A prepared source. `images` are all pictures, [N, C, H, W] uint8 or uint16, mapped, training first.

    `fingerprint` is a SHA-256 of the content: equal for equal pictures, labels and names of any origin.
    """

    path: Path
    source_name: str
    fingerprint: str
    images: np.memmap[Any, np.dtype[np.uint8]] | np.memmap[Any, np.dtype[np.uint16]]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    labels_note: str
    notes: tuple[str, ...]
    train_count: int
    skipped: tuple[tuple[str, str], ...]
    sides: tuple[int, ...] = ()  # of pairs: the channels of A, which come first, and of B
    keypoints: KeypointMaps | None = None  # what the channels of A are, where A is points
    groups: NDArray[np.int64] | None = None
    fit: FitMode = "crop"
    matte: tuple[int, int, int] = (255, 255, 255)

    @property
    def target(self) -> Target:
        """What every picture of it was fitted to."""
        return Target(self.height, self.width, self.channels, self.bits, self.matte, self.fit, self.sides)

    @property
    def channels(self) -> int:
        """1 (grey), 3 (RGB) or 4 (RGB and alpha); of pairs the sum of both sides."""
        return int(self.images.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.images.shape[2])

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.images.shape[3])

    @property
    def bits(self) -> int:
        """8 or 16."""
        return self.images.dtype.itemsize * 8

    @property
    def held_out_count(self) -> int:
        """Pictures that are kept from training."""
        return len(self.images) - self.train_count

    @property
    def train(self) -> Split:
        """The pictures to train on."""
        return self._split(0, self.train_count)

    @property
    def held_out(self) -> Split | None:
        """The pictures kept from training, if there are any."""
        return self._split(self.train_count, len(self.images)) if self.held_out_count else None

    @property
    def class_shares(self) -> NDArray[np.float64] | None:
        """[classes] share of each class among the training labels, summing to 1; None without labels."""
        if self.labels is None:
            return None
        counts = np.bincount(self.labels[: self.train_count], minlength=len(self.class_names))
        return counts / self.train_count

    @cached_property
    def names(self) -> Sequence[str]:
        """The name in the source of each picture of `images`."""
        names: list[str] = json.loads((self.path / NAMES).read_bytes())
        return names

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Captions, attributes and tags of the pictures of `images`, by name."""
        path = self.path / COLUMNS
        if not path.is_file():
            return {}
        found = json.loads(path.read_bytes())
        return {
            name: Column(column["kind"], _values(column["kind"], column["values"])) for name, column in found.items()
        }

    def _split(self, start: int, end: int) -> Split:
        images: Pixels = np.asarray(self.images)[start:end]
        return Split(images, None if self.labels is None else self.labels[start:end], start)


@runtime_checkable
class StoredPictures(Protocol):
    """A source that is a store already."""

    def as_it_is(self, options: StoreOptions) -> Store | None:
        """The store itself, if it is what `options` ask for."""


@dataclass(frozen=True)
class StoreInfo:
    """One store in the cache, for a list."""

    path: Path
    source_name: str
    count: int
    nbytes: int


def open_store(
    source: Source,
    options: StoreOptions,
    *,
    location: Path | None = None,
    progress: Progress | None = None,
    processes: int | None = None,
) -> Store:
    """The store of `source` with `options`: the one in the cache (or at `location`) if it fits, or a new one.

    progress is called with pictures looked at and pictures in all; `processes` decode (default: one a core). What an
    interrupted call has written is taken up. Raises GanvasError if too few pictures can be used, if the folder
    cannot be written, or if `location` holds something else.
    """
    if location is None and isinstance(source, StoredPictures):
        kept = source.as_it_is(options)
        if kept is not None:
            return kept
    plan = plan_store(source, options)
    key = store_key(source, plan)
    path = stores_folder() / key if location is None else location
    if location is not None:
        _check_location(location, key)
    try:
        with _lock(path):
            found = _whole_store(path, source.name)
            return found or _write(path, source, plan, key, progress, processes)
    except OSError as error:
        raise GanvasError(
            f"the prepared pictures of {source.name} cannot be written to {path} "
            f"({error.strerror or error}): make room, or name another folder with --store or GANVAS_CACHE"
        ) from error


def _lock(path: Path) -> FileLock:
    """Of several processes that want the same store, one writes it and the others wait for it."""
    locks_folder().mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]
    return FileLock(locks_folder() / f"{name}.lock")


def _whole_store(path: Path, source_name: str) -> Store | None:
    try:
        return read_store(path, source_name) if path.is_dir() else None
    except GanvasError:
        return None  # empty, or damaged: written again


def _write(
    path: Path, source: Source, plan: StorePlan, key: str, progress: Progress | None, processes: int | None
) -> Store:
    partial = path.with_name(path.name + PARTIAL)
    partial.mkdir(parents=True, exist_ok=True)
    if any(partial.iterdir()) and not (partial / JOURNAL).exists():
        raise GanvasError(f"{partial} is in the way and not ours: move it, or name another folder for the store")
    try:
        write_store(partial, source, plan, key, progress, processes)
    except GanvasError:  # nothing that going on could mend
        remove(partial)
        raise
    _put_in_place(partial, path)
    return read_store(path, source.name)


def read_store(path: Path, source_name: str | None = None) -> Store:
    """Map the store in the folder `path`; its pictures' hash is not computed again.

    Raises GanvasError if it is not a store, or a damaged one.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        if manifest["schema"] != SCHEMA:
            raise GanvasError(f"{path} is a store of another version of Ganvas: remove it to have it written again")
        shape, dtype = tuple(manifest["shape"]), np.dtype(manifest["dtype"])
        if (path / IMAGES).stat().st_size != int(np.prod(shape, dtype=object)) * dtype.itemsize:
            raise ValueError(f"{IMAGES} has the wrong size")
        labels = None
        if manifest["class_names"]:
            labels = np.load(path / LABELS, allow_pickle=False).astype(np.int64)
            digest = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
            if labels.shape != shape[:1] or digest != manifest["labels_sha256"]:
                raise ValueError(f"{LABELS} does not match")
        for name, key in ((NAMES, "names_sha256"), (COLUMNS, "columns_sha256")):
            if manifest[key] and hashlib.sha256((path / name).read_bytes()).hexdigest() != manifest[key]:
                raise ValueError(f"{name} does not match")
        points = manifest.get("keypoints")
        groups = np.load(path / GROUPS, allow_pickle=False) if manifest["groups_sha256"] else None
        return Store(
            path=path,
            source_name=source_name or manifest["source"],
            fingerprint=manifest["fingerprint"],
            images=np.memmap(path / IMAGES, dtype, "r", shape=shape),
            labels=labels,
            class_names=tuple(manifest["class_names"]),
            labels_note=manifest["labels_note"],
            notes=tuple(manifest["notes"]),
            train_count=manifest["train_count"],
            skipped=tuple((name, reason) for name, reason in manifest["skipped"]),
            sides=tuple(manifest["sides"]),
            keypoints=None if points is None else KeypointMaps(tuple(points["names"]), float(points["sigma"])),
            groups=groups,
            fit=manifest["fit"],
            matte=tuple(manifest["matte"]),
        )
    except GanvasError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise GanvasError(
            f"{path} is not a store or is damaged ({error}): remove it to have it written again"
        ) from error


def is_store(path: Path) -> bool:
    """Whether a folder looks like a store, whole or damaged."""
    return (path / MANIFEST).is_file() and (path / IMAGES).is_file()


def check_shards(path: Path, progress: Progress | None = None) -> None:
    """Read all pictures of a store again and compare them with the manifest. Raises GanvasError if they differ."""
    store = read_store(path)
    manifest = json.loads((path / MANIFEST).read_bytes())
    per_shard, expected = manifest["shard_pictures"], manifest["shards_sha256"]
    for number, digest in enumerate(expected):
        shard = store.images[number * per_shard : (number + 1) * per_shard]
        if hashlib.sha256(shard.tobytes()).hexdigest() != digest:
            raise GanvasError(f"shard {number} of {path} is damaged: remove the folder to have it written again")
        if progress is not None:
            progress(number + 1, len(expected))


def list_stores() -> list[StoreInfo]:
    """All stores in the cache that can be read, by name."""
    infos = []
    for folder in sorted(_store_folders()):
        try:
            store = read_store(folder)
        except GanvasError:
            continue
        infos.append(StoreInfo(folder, store.source_name, len(store.images), _size_of(folder)))
    return infos


def clear_stores() -> tuple[int, int]:
    """Remove all stores from the cache, finished or not, but none being written: how many and their bytes."""
    count, freed = 0, 0
    for folder in _store_folders(also_partial=True):
        try:
            with _lock(folder.with_suffix("") if folder.suffix == PARTIAL else folder).acquire(timeout=0):
                size = _size_of(folder)
                remove(folder)
        except Timeout:
            continue
        count, freed = count + 1, freed + size
    return count, freed


def store_key(source: Source, plan: StorePlan) -> str:
    """A folder name that is the same exactly when the same store would be written."""
    wanted = [
        SCHEMA,
        RESIZE,
        source.fingerprint,
        plan.height,
        plan.width,
        plan.channels,
        plan.bits,
        plan.labelled,
        plan.fit,
        plan.sides,
    ]
    digest = hashlib.sha256(json.dumps([*wanted, *plan.matte]).encode()).hexdigest()
    slug = re.sub(r"[^a-z0-9]+", "-", Path(source.name).stem.lower()).strip("-")[:40] or "pictures"
    return f"{slug}-{plan.width}x{plan.height}x{plan.channels}-{digest[:12]}"


def _check_location(location: Path, key: str) -> None:
    """Refuse to touch a folder that holds anything but this very store."""
    if not location.exists() or (location.is_dir() and not any(location.iterdir())):
        return
    try:
        held = json.loads((location / MANIFEST).read_bytes())["key"]
    except (OSError, ValueError, KeyError, TypeError):
        held = "something else than a store"
    # The slug before the hash is the source's name as given; the hash decides.
    if held.rpartition("-")[2] != key.rpartition("-")[2]:
        raise GanvasError(f"{location} already holds {held}: name a new or empty folder for the store")


def _put_in_place(partial: Path, path: Path) -> None:
    """Give the finished folder its name; a damaged store makes way."""
    former = path.with_name(f"{path.name}.former-{os.getpid()}")
    if path.exists():
        os.replace(path, former)
    os.replace(partial, path)
    sync_folder(path.parent)
    remove(former)


def _values(kind: str, values: list[Any]) -> Sequence[Any]:
    if kind == "number":
        return [float("nan") if value is None else value for value in values]
    return [tuple(value) for value in values] if kind == "tags" else values


def _store_folders(also_partial: bool = False) -> list[Path]:
    if not stores_folder().is_dir():
        return []
    return [path for path in stores_folder().iterdir() if path.is_dir() and (also_partial or path.suffix != PARTIAL)]


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
