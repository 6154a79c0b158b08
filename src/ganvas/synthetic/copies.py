"""Which generated pictures are nearer to one training picture than real pictures come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.nearest import (
    MOST_COMPARED,
    MOST_SEARCHED,
    NEIGHBOURS,
    copy_threshold,
    neighbours,
    pixel_pieces,
    pixel_vectors,
    share_within,
)
from ganvas.evaluation.rows import spread
from ganvas.images import Integers

if TYPE_CHECKING:
    from ganvas.data.store import Store

FEWEST_UNSEEN = 8  # held-out pictures that can set the scale of closeness
IN_MEMORY = 256 << 20  # bytes of training pictures kept ready for the search


@dataclass(frozen=True)
class CopyFinder:
    """found: [N, C, H, W] integers -> [N], which are copies. scale: what real pictures say about it, in words."""

    found: Callable[[Integers], NDArray[np.bool_]]
    scale: str


def copy_finder(store: Store) -> CopyFinder:
    """By the closeness to the store's training pictures, as the verdict measures it (see `evaluation.nearest`).

    Held-out pictures say how close is too close; where there are hardly any, training pictures do, each left out of
    its own search. Raises ValueError below two training pictures.
    """
    images, rows = store.train.images, spread(len(store.train.images), MOST_SEARCHED)
    bytes_a_picture = 4 * pixel_vectors(images, rows[:1]).shape[1]
    ready = list(pixel_pieces(images, rows)) if bytes_a_picture * len(rows) <= IN_MEMORY else None

    def base() -> list[Tensor] | Iterator[Tensor]:
        return pixel_pieces(images, rows) if ready is None else ready

    if store.held_out is not None and store.held_out_count >= FEWEST_UNSEEN:
        left_out = pixel_vectors(store.held_out.images, spread(store.held_out_count, MOST_COMPARED))
        own, which = None, "held-out pictures"
    else:
        chosen = spread(len(rows), MOST_COMPARED)
        left_out, own = pixel_vectors(images, rows[chosen]), torch.from_numpy(chosen)
        which = "training pictures against the others"
    usual = neighbours(left_out, base(), NEIGHBOURS, own).closeness()
    threshold = copy_threshold(usual)

    def found(drawn: Integers) -> NDArray[np.bool_]:
        if not len(drawn):
            return np.empty(0, np.bool_)
        near = neighbours(pixel_vectors(drawn), base(), NEIGHBOURS).closeness() <= threshold
        return np.asarray(near.numpy(), np.bool_)

    return CopyFinder(found, f"{100 * share_within(usual, threshold):.1f} % of {len(left_out)} {which} are as near")
