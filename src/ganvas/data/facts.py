"""What networks and settings need to know of the data, from a store or from the plan of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganvas.data.contract import Source
from ganvas.data.store import Store, StorePlan


@dataclass(frozen=True)
class DataFacts:
    """Size, channels, count and classes of the pictures to train on."""

    height: int
    width: int
    channels: int
    bits: int
    train_count: int
    class_names: tuple[str, ...]  # () when trained without labels
    class_shares: tuple[float, ...]
    sides: tuple[int, ...] = ()  # of pairs: the channels of A and of B

    @classmethod
    def of_store(cls, store: Store) -> DataFacts:
        shares = store.class_shares
        names = store.class_names if shares is not None else ()
        known = () if shares is None else tuple(float(s) for s in shares)
        size = store.height, store.width
        return cls(*size, store.channels, store.bits, store.train_count, names, known, store.sides)

    @classmethod
    def of_plan(cls, plan: StorePlan, source: Source) -> DataFacts:
        """Before a store is written: pictures that turn out to be broken are still counted."""
        names: tuple[str, ...] = ()
        shares: tuple[float, ...] = ()
        if plan.labelled and source.labels is not None:
            names = source.class_names
            counts = np.bincount(source.labels[~source.held_out], minlength=len(names))
            shares = tuple(float(s) for s in counts / counts.sum())
        size = plan.height, plan.width
        return cls(*size, plan.channels, plan.bits, plan.train_count, names, shares, plan.sides)
