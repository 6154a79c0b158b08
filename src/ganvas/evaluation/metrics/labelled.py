"""Pictures with their classes, in parts and together, without copying them: the real ones may be a memory map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.images import Integers

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """Pictures [N, C, H, W] uint8 or uint16, and the class of each [N], from 0 up."""

    images: Integers
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def some_of(whole: Labelled, rows: Rows) -> Labelled:
    """Those pictures of `whole`: [n] row numbers."""
    return Labelled(_view(len(rows), whole.images, lambda asked: whole.images[rows[asked]]), whole.labels[rows])


def joined(first: Labelled, second: Labelled) -> Labelled:
    """All of `first`, then all of `second`, which are of one size and depth."""
    middle = len(first)

    def read(asked: Rows) -> Integers:
        picked = np.empty((len(asked), *first.images.shape[1:]), first.images.dtype)
        of_first = asked < middle
        picked[of_first] = first.images[asked[of_first]]
        picked[~of_first] = second.images[asked[~of_first] - middle]
        return picked

    view = _view(middle + len(second), first.images, read)
    return Labelled(view, np.concatenate([first.labels, second.labels]))


class _View:
    """As much of an array of pictures as training needs: a shape, a type, and rows when they are asked for."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], read: Callable[[Rows], Integers]) -> None:
        self.shape, self.dtype, self.ndim, self._read = shape, dtype, len(shape), read

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> Integers:
        return self._read(np.asarray(rows))


def _view(count: int, like: Integers, read: Callable[[Rows], Integers]) -> Integers:
    return cast(Integers, _View((count, *like.shape[1:]), like.dtype, read))
