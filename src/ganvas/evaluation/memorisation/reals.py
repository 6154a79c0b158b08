"""The real pictures of a check: those that were trained on, those that were not, and whom they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ganvas.evaluation.memorisation.search import NOBODY, Gallery, Queries, different_rows
from ganvas.evaluation.rows import spread
from ganvas.images import Integers

if TYPE_CHECKING:
    from ganvas.data.store import Store

MOST_SEARCHED = 60_000  # training pictures that are searched, spread over all
MOST_LEFT_OUT = 500  # real pictures that set the scale
FEWEST_STRANGERS = 50  # held-out pictures, below which left-out training pictures set the scale

Groups = NDArray[np.int64]


@dataclass(frozen=True)
class Reals:
    """[M, C, H, W] training pictures, [U, C, H, W] held-out ones or None, and the group of each, or None."""

    train: Integers
    held_out: Integers | None = None
    train_groups: Groups | None = None  # [M]
    held_out_groups: Groups | None = None  # [U]

    @classmethod
    def of(cls, store: Store) -> Reals:
        """Those of a store."""
        held_out = None if store.held_out is None else store.held_out.images
        if store.groups is None:
            return cls(store.train.images, held_out)
        return cls(store.train.images, held_out, store.groups[: store.train_count], store.groups[store.train_count :])

    def gallery(self, besides: NDArray[np.int64] | None = None) -> Gallery:
        """Up to 60 000 training pictures, spread over all, and those `besides`: each once."""
        rows = spread(len(self.train), MOST_SEARCHED)
        rows = different_rows(self.train, rows if besides is None else np.union1d(rows, besides))
        kin = np.arange(len(rows)) if self.train_groups is None else self.train_groups[rows]
        return Gallery(self.train, rows, torch.from_numpy(np.asarray(kin, np.int64)))

    def strangers(self) -> NDArray[np.int64]:
        """The rows of `held_out` whose group has no training picture: [up to U]."""
        if self.held_out is None:
            return np.zeros(0, np.int64)
        if self.train_groups is None or self.held_out_groups is None:
            return np.arange(len(self.held_out))
        return np.flatnonzero(~np.isin(self.held_out_groups, self.train_groups))

    def left_out(self, gallery: Gallery) -> tuple[Queries, str]:
        """Up to 500 real pictures that set the scale, and in words which they are.

        Held-out strangers if there are at least 50; else training pictures, searched for among those of other groups.
        """
        strangers = self.strangers()
        if self.held_out is not None and len(strangers) >= FEWEST_STRANGERS:
            rows = strangers[spread(len(strangers), MOST_LEFT_OUT)]
            nobody = torch.full((len(rows),), NOBODY)
            return Queries(self.held_out, rows, nobody), "held-out pictures against training ones"
        places = spread(len(gallery), MOST_LEFT_OUT)
        others = "other training pictures" if self.train_groups is None else "training pictures of other groups"
        return (
            Queries(gallery.images, gallery.rows[places], gallery.kin[torch.from_numpy(places)]),
            f"training pictures against the {others}",
        )
