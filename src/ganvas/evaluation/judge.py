"""The verdict on a set of pictures: how near to the real ones, how diverse, and whether it copies.

Every number carries what it was measured in, over how many samples and against which reference, and beside it
stands what real pictures get by the same measure: no generator needs to be better than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.feature_net import FEATURES
from ganvas.evaluation.feature_training import Progress
from ganvas.evaluation.features import Features
from ganvas.evaluation.measures import measure, share_bounds
from ganvas.evaluation.metrics import modes
from ganvas.evaluation.nearest import SIDE, Nearest, find_nearest
from ganvas.evaluation.passport import Drawn, Passport
from ganvas.evaluation.rows import spread
from ganvas.evaluation.sides import Measured, Side
from ganvas.evaluation.verdict import MEANINGS, Metric, Verdict
from ganvas.evaluation.verdict_words import describe
from ganvas.images import Integers
from ganvas.versions import versions

if TYPE_CHECKING:
    from ganvas.data.store import Store

__all__ = ["Metric", "Reference", "Verdict", "judge", "judge_pictures"]

HELD_OUT_ENOUGH = 500  # below this the held-out pictures are too few to be the reference by themselves
MOST_REFERENCE = 10_000  # real pictures used, spread evenly over their split
FEWEST = 8

Reference = Literal["auto", "held_out", "train"]
NOT_DRAWN = Drawn()


def judge(
    fakes: Integers,
    fake_labels: NDArray[np.int64] | None,
    store: Store,
    features: Features,
    *,
    reference: Reference = "auto",
    drawn: Drawn = NOT_DRAWN,
    progress: Progress | None = None,
) -> Verdict:
    """Compare generated pictures with a store's: [N, C, H, W] integers of the store's size, channels and
    type.

    fake_labels: [N], the class each was drawn as, or None. `reference`: "auto" takes the held-out pictures if
    there are at least 500, else the training pictures; which it was stands with every number. `drawn`: where the
    pictures come from, for the passports. Raises
    GanvasError for pictures of another shape or fewer than 8, UsageError if "held_out" is asked for and there
    is none.
    """
    return _judge(fakes, fake_labels, store, features, reference, drawn, progress, "samples")


def judge_pictures(
    pictures: Integers,
    labels: NDArray[np.int64] | None,
    store: Store,
    features: Features,
    *,
    reference: Reference = "auto",
    drawn: Drawn = NOT_DRAWN,
    progress: Progress | None = None,
) -> Verdict:
    """`judge` for pictures of any origin, such as another data set: the same numbers, in words that fit."""
    return _judge(pictures, labels, store, features, reference, drawn, progress, "pictures")


def _judge(
    fakes: Integers,
    fake_labels: NDArray[np.int64] | None,
    store: Store,
    features: Features,
    reference: Reference,
    drawn: Drawn,
    progress: Progress | None,
    what: str,
) -> Verdict:
    say = progress or (lambda _: None)
    _check(fakes, fake_labels, store, what)
    against_held_out = _held_out_is_reference(store, reference)

    say(f"judging: features of {len(fakes)} {what}")
    fake = _side(features, fakes, fake_labels)
    say("judging: features of the real pictures")
    train_rows = spread(store.train_count, min(MOST_REFERENCE, len(fakes)) if against_held_out else MOST_REFERENCE)
    train = _real_side(features, store, train_rows)
    held_out = None
    if store.held_out is not None and store.held_out_count >= FEWEST:
        held_out = _real_side(features, store, store.train_count + spread(store.held_out_count, MOST_REFERENCE))

    say("judging: distances and diversity")
    name = "held-out pictures" if against_held_out else "training pictures"
    real, stand_in, stand_in_reference, pair = _real_sides(train, held_out, against_held_out)
    shares = _class_shares(real, store)
    measured = measure(fake, real, shares, intervals=True)
    floor = measure(stand_in, stand_in_reference, shares, intervals=False)
    scaled_floor = _at_counts_of(measured["frechet_distance"], floor["frechet_distance"])

    say("judging: nearest training pictures")
    nearest, copies, usual_copies = _look_for_copies(fakes, fake, store, train, train_rows)
    measured["nearest_copy_share"], floor["nearest_copy_share"] = copies, usual_copies
    pairs = dict.fromkeys(floor, pair) | {"nearest_copy_share": nearest.real_pair}
    if scaled_floor != floor["frechet_distance"]:
        floor["frechet_distance"] = scaled_floor
        pairs["frechet_distance"] += ", scaled to as many pictures"

    looked = _Looked(features, name, store.fingerprint, drawn)
    metrics = tuple(_with_passport(metric, m, floor.get(metric), looked, pairs) for metric, m in measured.items())
    missing: list[str] = []
    if fake.probabilities is not None and shares is not None:
        missing = [store.class_names[i] for i in modes.missing_classes(fake.probabilities.argmax(1), shares)]
    return Verdict(metrics, describe({m.metric: m for m in metrics}, missing, FEATURES, what), nearest)


@dataclass(frozen=True)
class _Looked:
    """What all numbers of a verdict share."""

    features: Features
    reference: str
    fingerprint: str
    drawn: Drawn


def _with_passport(metric: str, m: Measured, floor: Measured | None, looked: _Looked, pairs: dict[str, str]) -> Metric:
    """A number with how it came about; `pairs` says which real pictures made the floor."""
    in_pixels = metric == "nearest_copy_share"
    features = looked.features
    passport = Passport(
        metric=metric,
        features=f"pixels, averaged to at most {SIDE} a side" if in_pixels else features.name,
        features_hash="" if in_pixels else features.hash,
        resize=f"area average to at most {SIDE} pixels a side" if in_pixels else features.resize,
        value_range="[0, 1]" if in_pixels else features.value_range,
        reference="training pictures" if in_pixels else looked.reference,
        reference_fingerprint=looked.fingerprint,
        reference_samples=m.reference_samples,
        samples=m.samples,
        drawn=looked.drawn,
        versions=versions(),
    )
    better, meaning = MEANINGS[metric]
    real = None if floor is None else floor.value
    return Metric(m.value, passport, better, meaning, m.interval, real, pairs.get(metric, ""))


def _at_counts_of(measured: Measured, floor: Measured) -> Measured:
    """The Fréchet distance of real pictures, as it would be with as many of them as were measured.

    Between samples of one distribution it is all bias, and that goes with 1/N + 1/M to first order (Chong and
    Forsyth, 2020). Without this, halves of a small set would make a floor so high that anything passes.
    """
    wanted = 1 / measured.samples + 1 / measured.reference_samples
    had = 1 / floor.samples + 1 / floor.reference_samples
    return Measured(floor.value * wanted / had, measured.samples, measured.reference_samples)


def _real_sides(train: Side, held_out: Side | None, against_held_out: bool) -> tuple[Side, Side, Side, str]:
    """(the reference; real pictures in the samples' place; what those are compared with; both in words)."""
    if against_held_out:
        assert held_out is not None, "the held-out pictures were found to be enough"
        return held_out, train, held_out, "training pictures against held-out ones"
    if held_out is not None:
        return train, held_out, train, "held-out pictures against training ones"
    even, odd = train.some(slice(0, None, 2)), train.some(slice(1, None, 2))
    return train, even, odd, "one half of the training pictures against the other"


def _look_for_copies(
    fakes: Integers, fake: Side, store: Store, train: Side, train_rows: NDArray[np.int64]
) -> tuple[Nearest, Measured, Measured]:
    unseen = store.held_out.images if store.held_out is not None and store.held_out_count >= FEWEST else None
    nearest = find_nearest(fakes, store.train.images, unseen, fake.features, train.features, train_rows)
    around = share_bounds(nearest.copy_share, nearest.compared)
    copies = Measured(nearest.copy_share, nearest.compared, nearest.searched, around)
    return nearest, copies, Measured(nearest.real_copy_share, nearest.compared, nearest.searched)


def _check(fakes: Integers, labels: NDArray[np.int64] | None, store: Store, what: str) -> None:
    shape, expected = fakes.shape[1:], (store.channels, store.height, store.width)
    if shape != expected or fakes.dtype != store.images.dtype:
        raise GanvasError(
            f"the {what} are {list(shape)} [channels, height, width] {fakes.dtype}, but the data are "
            f"{list(expected)} and {store.images.dtype}: prepare both alike"
        )
    if len(fakes) < FEWEST:
        raise GanvasError(f"{len(fakes)} {what} are too few to judge: give at least {FEWEST}")
    if labels is not None and (len(labels) != len(fakes) or labels.min() < 0):
        raise GanvasError(f"{len(labels)} labels for {len(fakes)} {what}: give one class number from 0 up for each")


def _held_out_is_reference(store: Store, reference: Reference) -> bool:
    if reference == "held_out" and store.held_out_count < FEWEST:
        raise UsageError(
            f"the data have {store.held_out_count} held-out pictures, a reference needs {FEWEST}: use train"
        )
    return reference == "held_out" or (reference == "auto" and store.held_out_count >= HELD_OUT_ENOUGH)


def _side(features: Features, images: Integers, labels: NDArray[np.int64] | None) -> Side:
    return _side_of(features, images, np.arange(len(images)), labels)


def _real_side(features: Features, store: Store, rows: NDArray[np.int64]) -> Side:
    return _side_of(features, store.images, rows, None if store.labels is None else store.labels[rows])


def _side_of(features: Features, images: Integers, rows: NDArray[np.int64], labels: NDArray[np.int64] | None) -> Side:
    extracted = features.extract(images, rows=rows)
    drawn_as = None if labels is None else torch.as_tensor(np.asarray(labels, np.int64))
    return Side(images, rows, extracted, features.probabilities_of(extracted), drawn_as)


def _class_shares(real: Side, store: Store) -> Tensor | None:
    return None if real.labels is None else modes.class_shares(real.labels, len(store.class_names))
