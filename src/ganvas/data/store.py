"""Prepared pictures on disk: decoded once to one size, memory-mapped ever after.

A store is a folder: images.bin (raw [N, C, H, W], training pictures first), labels.npy, names.json and
manifest.json. It is written under a temporary name and renamed when whole, so a kill leaves no half store; it
is used again as long as the source and the options stay the same, and written again if it was damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.cache import remove, stores_folder, sweep, sync_folder, temporary_beside
from ganvas.data.decode import Pixels
from ganvas.data.fit import RESIZE
from ganvas.data.plan import MIN_PICTURES, MIN_SIDE, StoreOptions, StorePlan, plan_store
from ganvas.data.store_writer import IMAGES, LABELS, MANIFEST, NAMES, SCHEMA, Progress, write_store
from ganvas.errors import GanvasError

if TYPE_CHECKING:
    from ganvas.data.sources import Source

__all__ = [
    "MIN_PICTURES",
    "MIN_SIDE",
    "Split",
    "Store",
    "StoreInfo",
    "StoreOptions",
    "StorePlan",
    "clear_stores",
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

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
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

    def _split(self, start: int, end: int) -> Split:
        images: Pixels = np.asarray(self.images)[start:end]
        return Split(images, None if self.labels is None else self.labels[start:end], start)


@dataclass(frozen=True)
class StoreInfo:
    """One store in the cache, for a list."""

    path: Path
    source_name: str
    count: int
    nbytes: int


def open_store(
    source: Source, options: StoreOptions, *, location: Path | None = None, progress: Progress | None = None
) -> Store:
    """The store of `source` with `options`: the one in the cache (or at `location`) if it fits, or a new one.

    progress is called with pictures looked at and pictures in all. Raises GanvasError if too few pictures can
    be used, if the folder cannot be written, or if `location` holds something else.
    """
    plan = plan_store(source, options)
    key = store_key(source, plan)
    path = stores_folder() / key if location is None else location
    if location is not None:
        _check_location(location, key)
    if path.is_dir():
        try:
            return read_store(path, source.name)
        except GanvasError:
            pass  # empty, or damaged: written again below
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        remove(temporary)
        temporary.mkdir()
        write_store(temporary, source, plan, key, progress)
        _put_in_place(temporary, path)
    except OSError as error:
        raise GanvasError(
            f"the prepared pictures of {source.name} cannot be written to {path} "
            f"({error.strerror or error}): make room, or name another folder with --store or GANVAS_CACHE"
        ) from error
    finally:
        remove(temporary)
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
        if hashlib.sha256((path / NAMES).read_bytes()).hexdigest() != manifest["names_sha256"]:
            raise ValueError(f"{NAMES} does not match")
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
        )
    except GanvasError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise GanvasError(
            f"{path} is not a store or is damaged ({error}): remove it to have it written again"
        ) from error


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
    """Remove all stores from the cache, but none being written: how many there were and their bytes."""
    sweep(stores_folder())
    folders = _store_folders()
    freed = sum(_size_of(folder) for folder in folders)
    for folder in folders:
        remove(folder)
    return len(folders), freed


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


def _put_in_place(temporary: Path, path: Path) -> None:
    """Give the finished folder its name; a damaged store, or an equal one of another process, makes way."""
    former = temporary.with_name(f"former-{temporary.name}")
    if path.exists():
        os.replace(path, former)
    os.replace(temporary, path)
    sync_folder(path.parent)
    remove(former)


def _store_folders() -> list[Path]:
    if not stores_folder().is_dir():
        return []
    return [path for path in stores_folder().iterdir() if path.is_dir() and ".tmp-" not in path.name]


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
