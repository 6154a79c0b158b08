"""Decode a source once into a store's folder: pictures one after the other, in order, with flat memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data.cache import sync_folder
from ganvas.data.decode import PictureError, Pixels
from ganvas.data.fit import RESIZE, Target, fit
from ganvas.data.plan import MIN_PICTURES, StorePlan, reasons, too_small
from ganvas.errors import GanvasError
from ganvas.version import __version__

if TYPE_CHECKING:
    from ganvas.data.sources import Source

SCHEMA = 1
IMAGES, LABELS, NAMES, MANIFEST = "images.bin", "labels.npy", "names.json", "manifest.json"
CHUNK = 32  # pictures a thread decodes before it hands them over
THREADS = 4

Progress = Callable[[int, int], None]  # pictures looked at, pictures in all


@dataclass
class _Chunk:
    """Some pictures as they go into the store, and what happened to them."""

    looked_at: int
    kept: list[int] = field(default_factory=list)
    pixels: list[Pixels] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)


def write_store(folder: Path, source: Source, plan: StorePlan, key: str, progress: Progress | None) -> None:
    """Fill the empty `folder` with images.bin, labels.npy, names.json and, last, manifest.json; all synced.

    Raises GanvasError if fewer than MIN_PICTURES training pictures can be used.
    """
    dtype = np.dtype("u1" if plan.bits == 8 else "<u2")
    kept: list[int] = []
    skipped: list[tuple[str, str]] = []
    done: Counter[str] = Counter()
    digest = hashlib.sha256()
    looked_at = 0
    with (folder / IMAGES).open("wb") as file:
        for chunk in _chunks(source, plan.target):
            for pixels in chunk.pixels:
                data = pixels.astype(dtype, copy=False).tobytes()  # C order: [C, H, W]
                digest.update(data)
                file.write(data)
            kept += chunk.kept
            skipped += chunk.skipped
            done += chunk.done
            looked_at += chunk.looked_at
            if progress is not None:
                progress(looked_at, plan.count)
        _sync(file)
    train_count = int(np.count_nonzero(~source.held_out[kept])) if kept else 0
    if train_count < MIN_PICTURES:
        because = f": {reasons(skipped)}" if skipped else ""
        raise GanvasError(
            f"{source.name} has {train_count} training pictures that can be used, at least {MIN_PICTURES} "
            f"are needed{because}"
        )
    hashes = {"images_sha256": digest.hexdigest(), "labels_sha256": "", "names_sha256": ""}
    notes = [*source.notes, *plan.notes, *_notes(done, plan)]
    if plan.labelled:
        labels = source.labels
        assert labels is not None, "a source with class names has labels"
        hashes["labels_sha256"] = _write_labels(folder, labels[kept].astype("<i8"))
        notes += _lost_classes(source.class_names, labels[kept][:train_count])
    hashes["names_sha256"] = _write(folder / NAMES, json.dumps([source.names[i] for i in kept]).encode())
    identity = {
        "schema": SCHEMA,
        "shape": [len(kept), plan.channels, plan.height, plan.width],
        "dtype": dtype.str,
        "train_count": train_count,
        "class_names": list(source.class_names) if plan.labelled else [],
        "resize": RESIZE,
        "matte": list(plan.matte),
        **hashes,
    }
    manifest = identity | {
        "fingerprint": fingerprint_of(identity),
        "key": key,
        "source": source.name,
        "source_fingerprint": source.fingerprint,
        "labels_note": _labels_note(source, plan),
        "notes": notes,
        "skipped": skipped,
        "written_by": f"ganvas {__version__}",
    }
    _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    sync_folder(folder)


def fingerprint_of(identity: dict[str, Any]) -> str:
    """SHA-256 of what is in a store, wherever it came from."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _chunks(source: Source, target: Target) -> Iterator[_Chunk]:
    """All pictures, training first, in order, decoded by a few threads that never run far ahead."""
    order = np.argsort(source.held_out, kind="stable").tolist()
    threads = 1 if getattr(source, "in_order", False) else min(THREADS, os.cpu_count() or 1)
    waiting: deque[Future[_Chunk]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ganvas-decode")
    try:
        for start in range(0, len(order), CHUNK):
            waiting.append(pool.submit(_decode_chunk, source, order[start : start + CHUNK], target))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_chunk(source: Source, indices: list[int], target: Target) -> _Chunk:
    chunk = _Chunk(len(indices))
    for index in indices:
        try:
            picture = source.read(index)
        except PictureError as error:
            chunk.skipped.append((error.name, error.reason))
            continue
        small = too_small(*picture.shape[:2])
        if small:
            chunk.skipped.append((source.names[index], small))
            continue
        chunk.pixels.append(fit(picture, target, chunk.done))
        chunk.kept.append(index)
    return chunk


def _notes(done: Counter[str], plan: StorePlan) -> list[str]:
    """What was done to some pictures that may surprise; sizes are in the plan's notes already."""
    red, green, blue = plan.matte
    words = {
        "flattened": f"with transparency laid on the matte ({red}, {green}, {blue})",
        "greyed": "in colour turned grey",
        "16 to 8": "of 16 bits scaled to 8, because not all pictures looked at have 16",
        "8 to 16": "of 8 bits scaled to 16",
    }
    return [f"{done[what]} picture{'s' * (done[what] != 1)} {text}" for what, text in words.items() if done[what]]


def _lost_classes(class_names: tuple[str, ...], training_labels: np.typing.NDArray[np.int64]) -> list[str]:
    counts = np.bincount(training_labels, minlength=len(class_names))
    lost = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
    return [f"no usable training picture in class {', '.join(lost)}"] if lost else []


def _labels_note(source: Source, plan: StorePlan) -> str:
    if source.class_names and not plan.labelled:
        return f"unlabelled: the labels ({source.labels_note}) are dropped as asked"
    return source.labels_note


def _write_labels(folder: Path, labels: np.typing.NDArray[np.int64]) -> str:
    with (folder / LABELS).open("wb") as file:
        np.save(file, labels, allow_pickle=False)
        _sync(file)
    return hashlib.sha256(labels.tobytes()).hexdigest()


def _write(path: Path, data: bytes) -> str:
    with path.open("wb") as file:
        file.write(data)
        _sync(file)
    return hashlib.sha256(data).hexdigest()


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
