"""The two kinds of pictures of an unpaired set, A and B, in a store whose classes they are."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.store import Store
from ganvas.errors import UsageError
from ganvas.evaluation.rows import spread
from ganvas.images import Integers
from ganvas.picture_model import PictureConfig
from ganvas.tasks.shown import FEWEST, Shown

MOST_OF_A_SIDE = 10_000  # pictures that the judge looks at


def domains_of(class_names: tuple[str, ...], asked: tuple[str, str] | None) -> tuple[str, str]:
    """Which classes are A and B. Raises UsageError where that is not said or not there."""
    shown = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
    if asked is None:
        if len(class_names) == 2:
            return class_names[0], class_names[1]
        raise UsageError(f"there are {len(class_names)} kinds of pictures: choose two with --domains, of {shown}")
    missing = [name for name in asked if name not in class_names]
    if missing:
        raise UsageError(f"--domains {','.join(asked)}: there is no {missing[0]}, only {shown}")
    return asked


def rows_of_domain(store: Store, name: str, *, held_out: bool) -> NDArray[np.int64]:
    """The numbers of the pictures of one kind: for training, or held out."""
    assert store.labels is not None, "the source was asked for classes"
    found: NDArray[np.int64] = np.flatnonzero(store.labels == store.class_names.index(name))
    chosen: NDArray[np.int64] = found[(found >= store.train_count) == held_out]
    return chosen


def domain_of(store: Store, name: str) -> Store:
    """One kind of pictures as a store of its own, with a place for the features that are learned from it."""
    train, held = (rows_of_domain(store, name, held_out=held_out) for held_out in (False, True))
    chosen = [rows[spread(len(rows), MOST_OF_A_SIDE)] for rows in (train, held)]
    images: Any = np.asarray(store.images)[np.concatenate(chosen)]
    number = store.class_names.index(name)
    path = store.path / f"class-{number}"
    with contextlib.suppress(OSError):  # what cannot be kept is learned again
        path.mkdir(exist_ok=True)
    return replace(
        store,
        path=path,
        images=images,
        labels=None,
        class_names=(),
        train_count=len(chosen[0]),
        fingerprint=f"{store.fingerprint}-{number}",
    )


def given_pictures(store: Store, config: PictureConfig, most: int) -> Shown:
    """Pictures of the side that is painted from, held-out ones where there are enough; their own targets."""
    name = config.domains[config.direction == "BtoA"]
    rows, which = rows_of_domain(store, name, held_out=True), "held-out"
    if len(rows) < FEWEST:
        rows, which = rows_of_domain(store, name, held_out=False), "training"
    rows = rows[spread(len(rows), most)]
    pictures: Integers = np.asarray(store.images)[rows]
    return Shown(pictures, pictures, None, which, rows)
