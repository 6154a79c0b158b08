"""Sample sheets: the same seeds over the whole run, so that progress can be seen and not guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganvas.data.store import Store
from ganvas.evaluation.memorisation.check import pair_pictures
from ganvas.evaluation.memorisation.result import Memorisation
from ganvas.images import Integers, enlarge, grid, save_png
from ganvas.model import Model

COLUMNS = 8
MOST_ROWS = 32  # classes shown; more would make a sheet that nobody can look at


def fake_sheet(model: Model) -> Integers:
    """8x8 seeds, or with classes one row per class, the same eight seeds in each: [H, W, C]."""
    classes = min(model.config.classes, MOST_ROWS)
    if not classes:
        return grid(model.sample(range(COLUMNS * COLUMNS)), COLUMNS)
    seeds = list(range(COLUMNS)) * classes
    labels = np.repeat(np.arange(classes), COLUMNS)
    return grid(model.sample(seeds, labels=labels.tolist()), COLUMNS)


def real_sheet(store: Store) -> Integers:
    """Training pictures in the layout of `fake_sheet`: spread over the set, or one row per class."""
    count = store.train_count
    if store.labels is None:
        chosen = np.linspace(0, count - 1, min(COLUMNS * COLUMNS, count)).astype(int)
        return grid(store.images[chosen].transpose(0, 2, 3, 1), COLUMNS)
    labels = store.labels[:count]
    rows = []
    for label in range(min(len(store.class_names), MOST_ROWS)):
        found = np.flatnonzero(labels == label)[:COLUMNS]
        row = np.full(
            (COLUMNS, store.channels, store.height, store.width),
            np.iinfo(store.images.dtype).max,
            store.images.dtype,
        )
        row[: len(found)] = store.images[found]
        rows.append(row)
    return grid(np.concatenate(rows).transpose(0, 2, 3, 1), COLUMNS)


def save_nearest(path: Path, found: Memorisation, samples: Integers, train: Integers) -> None:
    """The most suspicious samples, four to a row, each beside what it is nearest to: [N, C, H, W] integers each."""
    sheet = grid(pair_pictures(found, samples, train), 4 * 3)
    save_sheet(path, sheet, threes="sample, nearest by pixels, nearest by features")


def save_sheet(path: Path, sheet: Integers, **metadata: object) -> None:
    """A sheet as PNG, large enough to look at, with what it shows in its metadata."""
    save_png(path, enlarge(sheet), {"software": "ganvas", **{k: str(v) for k, v in metadata.items()}})
