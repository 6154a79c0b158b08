"""The pairs by which a run that paints is scored, judged and shown: always the same ones, as files would hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.store import Store
from ganvas.evaluation.rows import spread
from ganvas.games.noise import Draws
from ganvas.games.pairing import Pairing
from ganvas.images import Integers, to_float, to_integers
from ganvas.networks.enlarging import bicubic
from ganvas.picture_model import PictureModel
from ganvas.tasks.contract import shown_split

SEED = 4_000_000  # of what is done to the shown pictures, apart from the seeds of steps and samples
CHUNK = 16
FEWEST = 8


@dataclass(frozen=True)
class Shown:
    """inputs [N, C, h, w] and targets [N, C', H, W] in levels; mask [N, 1, H, W] of what is to be painted, or None.

    which: "held-out" or "training" pictures. rows: where they lie in the store. labels: [N], where they have classes.
    """

    inputs: Integers
    targets: Integers
    mask: NDArray[np.bool_] | None
    which: str
    rows: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def given(self, part: slice) -> Tensor:
        """What the model gets of some: [n, C, h, w] float in [-1, 1], with the mask behind it where there is one."""
        pictures = to_float(torch.from_numpy(np.ascontiguousarray(self.inputs[part])))
        if self.mask is None:
            return pictures
        mask = torch.from_numpy(self.mask[part]).float()
        return torch.cat([pictures * (1 - mask), mask], dim=1)

    def labels_of(self, part: slice) -> Tensor | None:
        """The classes of some: [n], or None."""
        return None if self.labels is None else torch.from_numpy(self.labels[part])

    def parts(self, size: int = CHUNK) -> Iterator[slice]:
        """All of them, some at a time."""
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))


def shown_pairs(store: Store, pairing: Pairing, most: int) -> Shown:
    """At most so many pairs of the held-out pictures, or of the training ones where too few are held out."""
    split, which = shown_split(store, FEWEST)
    rows = spread(len(split), most)
    bits = store.bits
    inputs, targets, masks = [], [], []
    for start in range(0, len(rows), CHUNK):
        pictures = to_float(torch.from_numpy(np.ascontiguousarray(split.images[rows[start : start + CHUNK]])))
        pair = pairing(pictures, Draws("cpu", (SEED, start)))
        given = pair.pictures
        inputs.append(to_integers(given[:, : given.shape[1] - (pair.mask is not None)], bits).numpy())
        targets.append(to_integers(pair.targets, bits).numpy())
        if pair.mask is not None:
            masks.append(pair.mask.numpy() > 0.5)
    return Shown(
        cast(Integers, np.concatenate(inputs)),
        cast(Integers, np.concatenate(targets)),
        np.concatenate(masks) if masks else None,
        which,
        split.offset + rows,
        None if split.labels is None else split.labels[rows],
    )


def painted(model: PictureModel, shown: Shown, most: int | None = None) -> Integers:
    """What the model makes of the first `most`: [n, C', H, W] integers. Outside of a mask the input stays."""
    found = []
    for part in Shown.parts(shown if most is None else first(shown, most)):
        levels = to_integers(model.paint(shown.given(part), shown.labels_of(part)), model.config.bits).cpu().numpy()
        if shown.mask is not None:
            levels = np.where(shown.mask[part], levels, shown.targets[part])
        found.append(levels)
    return cast(Integers, np.concatenate(found))


def first(shown: Shown, count: int) -> Shown:
    """The first of them, evenly spread over all."""
    rows = spread(len(shown), count)
    mask = None if shown.mask is None else shown.mask[rows]
    labels = None if shown.labels is None else shown.labels[rows]
    return Shown(shown.inputs[rows], shown.targets[rows], mask, shown.which, shown.rows[rows], labels)


def as_they_are(shown: Shown) -> Integers | None:
    """The inputs in the place of what is painted: enlarged, grey as colour; None where their channels do not fit."""
    channels, wanted = shown.inputs.shape[1], shown.targets.shape[1]
    if channels != wanted and channels != 1:
        return None
    scale = shown.targets.shape[2] // shown.inputs.shape[2]
    pictures: Integers = shown.inputs if channels == wanted else shown.inputs.repeat(wanted, axis=1)
    if scale == 1:
        return pictures
    bits = pictures.dtype.itemsize * 8
    found = [
        to_integers(bicubic(to_float(torch.from_numpy(np.ascontiguousarray(pictures[part]))), scale), bits).numpy()
        for part in shown.parts()
    ]
    return cast(Integers, np.concatenate(found))


Each = Callable[[Integers, Integers], NDArray[np.float64]]  # pictures and targets, [N, C, H, W] -> [N]


def mean_difference(pictures: Integers, targets: Integers) -> NDArray[np.float64]:
    """Mean absolute difference of each picture, black to white being 1: [N, C, H, W], twice -> [N]."""
    largest = float(np.iinfo(targets.dtype).max)
    apart = [
        np.abs(a.astype(np.float64) - b.astype(np.float64)).mean() / largest
        for a, b in zip(pictures, targets, strict=True)
    ]
    return np.array(apart)
