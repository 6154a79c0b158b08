"""The real pictures that a gain is measured with: those to learn from, and those to be tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganvas.evaluation.metrics.labelled import Labelled, some_of
from ganvas.evaluation.rows import spread

if TYPE_CHECKING:
    from ganvas.data.store import Store

SET_ASIDE = 10  # without held-out pictures every tenth of a class is a test picture
MOST_TESTED = 10_000
SAME_SHARE = 0.01


@dataclass(frozen=True)
class RealPictures:
    """learned: what classifiers are trained on. test: what they are tested on. set_aside: whether the test pictures
    were taken from the training pictures, for want of held-out ones: then a generator of these data has seen them.
    """

    learned: Labelled
    test: Labelled
    set_aside: bool


def real_pictures(store: Store) -> RealPictures:
    """The held-out pictures of a labelled store as the test, or every tenth training picture of each class.

    Where the store knows groups (patients, videos), no group is on both sides.
    """
    train, held_out = store.train, store.held_out
    assert train.labels is not None, "the caller has looked"
    whole = Labelled(train.images, train.labels)
    if held_out is not None and held_out.labels is not None and len(held_out):
        rows = spread(len(held_out), MOST_TESTED)
        return RealPictures(whole, some_of(Labelled(held_out.images, held_out.labels), rows), set_aside=False)
    aside = _every_tenth(train.labels, None if store.groups is None else store.groups[: store.train_count])
    learned, test = (np.flatnonzero(chosen) for chosen in (~aside, aside))
    return RealPictures(some_of(whole, learned), some_of(whole, test[spread(len(test), MOST_TESTED)]), set_aside=True)


def _every_tenth(labels: NDArray[np.int64], groups: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """[N]: whether a picture is set aside: the last of every ten of its class, or all of every tenth group.

    Not every tenth row: where the classes take turns, those may all be of one.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    _, firsts, group_of = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(firsts)  # groups in the order in which they begin
    label_of_group = labels[firsts]  # of its first picture; most groups are of one class
    aside = np.zeros(len(firsts), np.bool_)
    for label in np.unique(labels):
        of_class = order[label_of_group[order] == label]
        aside[of_class[SET_ASIDE - 1 :: SET_ASIDE]] = True
    return np.asarray(aside[group_of.reshape(-1)], np.bool_)


def part_of(whole: Labelled, share: float) -> Labelled:
    """That share of each class, evenly spread, at least one picture."""
    rows = []
    for label in np.unique(whole.labels):
        own = np.flatnonzero(whole.labels == label)
        rows.append(own[spread(len(own), max(1, round(share * len(own))))])
    return some_of(whole, np.sort(np.concatenate(rows)))


def repeated(real: Labelled, generated: Labelled) -> Labelled | None:
    """`real`, and of each class as many of its own pictures again as `generated` has.

    What a generated set evens out, repeating evens out for nothing, so that is what it must be better than. None where
    that leaves each class its share, to a hundredth, and would train the same classifier.
    """
    classes = 1 + max(int(real.labels.max()), int(generated.labels.max()))
    rows = [np.arange(len(real))]
    for label, count in enumerate(np.bincount(generated.labels, minlength=classes)):
        own = np.flatnonzero(real.labels == label)
        rows.append(np.resize(own, count if len(own) else 0))
    again = some_of(real, np.concatenate(rows))
    before, after = (np.bincount(one.labels, minlength=classes) / len(one) for one in (real, again))
    return None if np.abs(after - before).max() < SAME_SHARE else again
