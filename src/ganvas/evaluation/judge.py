"""The verdict on a set of pictures: how near to the real ones, how diverse, and whether it copies.

Every number carries what it was measured in, over how many samples and against which reference, and beside it
stands what real pictures get by the same measure: no generator needs to be better than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.extra_measures import EXTRAS, Given, Walkable
from ganvas.evaluation.feature_training import Progress
from ganvas.evaluation.features import Features
from ganvas.evaluation.measures import measure
from ganvas.evaluation.memorisation.check import check_memorisation
from ganvas.evaluation.memorisation.descriptors import LARGEST_SIDE
from ganvas.evaluation.memorisation.look import MOST_BY_FEATURES, Seen
from ganvas.evaluation.memorisation.reals import Reals
from ganvas.evaluation.memorisation.result import Memorisation
from ganvas.evaluation.metrics import modes
from ganvas.evaluation.metrics.labelled import Labelled
from ganvas.evaluation.passport import Drawn, Passport
from ganvas.evaluation.reference_cache import reference_features
from ganvas.evaluation.rows import spread
from ganvas.evaluation.sides import Measured, Side
from ganvas.evaluation.verdict import MEANINGS, Metric, Verdict
from ganvas.evaluation.verdict_words import describe
from ganvas.images import Integers
from ganvas.versions import versions

if TYPE_CHECKING:
    from ganvas.data.store import Store

__all__ = ["Metric", "Reference", "Verdict", "judge"]

HELD_OUT_ENOUGH = 500  # below this the held-out pictures are too few to be the reference by themselves
MOST_REFERENCE = 10_000  # real pictures used, spread evenly over their split
FEWEST = 8

Reference = Literal["auto", "held_out", "train"]
NOT_DRAWN = Drawn()


def judge(
    fakes: Integers,
    fake_labels: NDArray[np.int64] | None,
    store: Store,
    features: Backbone,
    *,
    reference: Reference = "auto",
    most_reference: int = MOST_REFERENCE,
    drawn: Drawn = NOT_DRAWN,
    extras: Sequence[str] = (),
    skip_impossible: bool = False,
    own: Features | None = None,
    generator: Walkable | None = None,
    what: str = "samples",
    progress: Progress | None = None,
) -> Verdict:
    """Compare generated pictures with a store's: [N, C, H, W] integers of the store's size, channels and type.

    fake_labels: [N], the class each was drawn as, or None. reference: "auto" takes the held-out pictures if there are
    at least 500, else the training pictures; which it was stands with every number. most_reference: how many of them.
    drawn: where the pictures come from, for the passports. extras: measures of `EXTRAS` besides the usual ones,
    skip_impossible: without those that cannot be measured on what is given; own (the network trained on the data) and
    generator are what some of them need. what: the pictures in words.

    Raises GanvasError for pictures of another shape or fewer than 8, or for an extra that cannot be measured on what
    is given; UsageError if "held_out" is asked for and there is none.
    """
    say = progress or (lambda _: None)
    _check(fakes, fake_labels, store, what)
    against_held_out = _held_out_is_reference(store, reference)

    say(f"judging: features of {len(fakes)} {what}")
    fake = _side(features, fakes, fake_labels)
    say("judging: features of the real pictures")
    most_train = min(most_reference, len(fakes)) if against_held_out else most_reference
    train_rows = spread(store.train_count, most_train)
    train = _real_side(features, store, train_rows)
    held_out = None
    if store.held_out is not None and store.held_out_count >= FEWEST:
        held_out = _real_side(features, store, store.train_count + spread(store.held_out_count, most_reference))

    say("judging: distances and diversity")
    sides = _real_sides(train, held_out, against_held_out)
    shares = _class_shares(sides.reference, store)
    measured = measure(fake, sides.reference, shares, intervals=True)
    floor = measure(sides.stand_in, sides.stand_in_reference, shares, intervals=False)
    scaled_floor = _at_counts_of(measured["frechet_distance"], floor["frechet_distance"])

    say("judging: nearest training pictures")
    network = own or features  # that of the data is quicker than those of papers
    known = fake.features if network is features else None
    memorisation = _look_for_copies(fakes, known, store, train_rows, network)
    measured["nearest_copy_share"], floor["nearest_copy_share"] = _copy_shares(memorisation)
    pairs = dict.fromkeys(floor, sides.pair) | {"nearest_copy_share": memorisation.left_out}
    if scaled_floor != floor["frechet_distance"]:
        floor["frechet_distance"] = scaled_floor
        pairs["frechet_distance"] += ", scaled to as many pictures"

    given = Given(features, own, *_labelled(store), generator, progress)
    for name in extras:
        say(f"judging: {name}")
        try:
            found, real = _extra(name, fake, sides, given)
        except GanvasError:
            if not skip_impossible:
                raise
            continue
        measured[name] = found
        if real is not None:
            floor[name], pairs[name] = real, sides.pair

    looked = _Looked(features, own, "held-out pictures" if against_held_out else "training pictures", store, drawn)
    metrics = tuple(_with_passport(metric, m, floor.get(metric), looked, pairs) for metric, m in measured.items())
    missing: list[str] = []
    if fake.probabilities is not None and shares is not None:
        missing = [store.class_names[i] for i in modes.missing_classes(fake.probabilities.argmax(1), shares)]
    copies = memorisation.short_words(what)
    words = describe({m.metric: m for m in metrics}, missing, fake.features.shape[1], what, copies)
    return Verdict(metrics, words, memorisation)


def _extra(name: str, fake: Side, sides: _Real, given: Given) -> tuple[Measured, Measured | None]:
    """A measure of the table, and the same for real pictures where they can stand in for samples."""
    extra = EXTRAS[name]
    try:
        found = extra.of(fake, sides.reference, given)
    except ValueError as error:
        raise GanvasError(f"{name} cannot be measured here: {error}") from None
    if found.real is not None:
        return found.measured, replace(found.measured, value=found.real, interval=None)
    try:
        return found.measured, extra.of(
            sides.stand_in, sides.stand_in_reference, given
        ).measured if extra.twice else None
    except ValueError:  # too few real pictures to stand in
        return found.measured, None


def _labelled(store: Store) -> tuple[Labelled | None, Labelled | None]:
    """The training pictures and those kept from training, with their classes, where they have some."""
    if store.labels is None:
        return None, None
    assert store.train.labels is not None, "a store has labels for all pictures or for none"
    train, kept = Labelled(store.train.images, store.train.labels), store.held_out
    return train, None if kept is None or kept.labels is None else Labelled(kept.images, kept.labels)


@dataclass(frozen=True)
class _Looked:
    """What all numbers of a verdict share."""

    features: Backbone
    own: Features | None
    reference: str
    store: Store
    drawn: Drawn

    def seen(self, metric: str) -> tuple[str, str, str, str]:
        """What a number was measured in: words, hash, resize, range."""
        if metric == "nearest_copy_share":
            network = self.own or self.features
            resize = f"area average to at most {LARGEST_SIDE} pixels a side; by features: {network.resize}"
            return f"pixels and {network.name}", network.hash, resize, f"[0, 1]; by features: {network.value_range}"
        where = EXTRAS[metric].seen if metric in EXTRAS else "features"
        if where == "pixels":
            return "pixels", "", "none", "[0, 1]"
        if where == "classifiers":
            return "classifiers trained on the samples, three seeds", "", "none", "[-1, 1]"
        network = self.features if where == "features" or self.own is None else self.own
        return network.name, network.hash, network.resize, network.value_range


def _with_passport(metric: str, m: Measured, floor: Measured | None, looked: _Looked, pairs: dict[str, str]) -> Metric:
    """A number with how it came about; `pairs` says which real pictures made the floor."""
    features, digest, resize, value_range = looked.seen(metric)
    passport = Passport(
        metric=metric,
        features=features,
        features_hash=digest,
        resize=resize,
        value_range=value_range,
        reference="training pictures" if metric == "nearest_copy_share" else looked.reference,
        reference_fingerprint=looked.store.fingerprint,
        reference_samples=m.reference_samples,
        samples=m.samples,
        drawn=looked.drawn,
        versions=versions(),
    )
    better, meaning = MEANINGS.get(metric) or (EXTRAS[metric].better, EXTRAS[metric].meaning)
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


@dataclass(frozen=True)
class _Real:
    """The reference; real pictures in the samples' place, and what those are compared with; both in words."""

    reference: Side
    stand_in: Side
    stand_in_reference: Side
    pair: str


def _real_sides(train: Side, held_out: Side | None, against_held_out: bool) -> _Real:
    if against_held_out:
        assert held_out is not None, "the held-out pictures were found to be enough"
        return _Real(held_out, train, held_out, "training pictures against held-out ones")
    if held_out is not None:
        return _Real(train, held_out, train, "held-out pictures against training ones")
    even, odd = train.some(slice(0, None, 2)), train.some(slice(1, None, 2))
    return _Real(train, even, odd, "one half of the training pictures against the other")


def _look_for_copies(
    fakes: Integers, known: Tensor | None, store: Store, train_rows: NDArray[np.int64], network: Backbone
) -> Memorisation:
    """known: [N, F], what the network saw in the fakes, if it looked at them already."""
    are_kept = MOST_BY_FEATURES <= len(train_rows) <= MOST_REFERENCE
    searched = train_rows if are_kept else spread(store.train_count, MOST_BY_FEATURES)
    seen = Seen(searched, reference_features(network, store, searched))
    return check_memorisation(fakes, Reals.of(store), network, known, seen)


def _copy_shares(found: Memorisation) -> tuple[Measured, Measured]:
    searched = found.views[0].searched
    ours, real = found.copies, found.real_copies
    return (
        Measured(ours.share, ours.total, searched, (ours.low, ours.high)),
        Measured(real.share, real.total, searched),
    )


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


def _side(features: Backbone, images: Integers, labels: NDArray[np.int64] | None) -> Side:
    return _side_of(features, images, np.arange(len(images)), features.extract(images), labels)


def _real_side(features: Backbone, store: Store, rows: NDArray[np.int64]) -> Side:
    labels = None if store.labels is None else store.labels[rows]
    return _side_of(features, store.images, rows, reference_features(features, store, rows), labels)


def _side_of(
    features: Backbone, images: Integers, rows: NDArray[np.int64], seen: Tensor, labels: NDArray[np.int64] | None
) -> Side:
    drawn_as = None if labels is None else torch.as_tensor(np.asarray(labels, np.int64))
    # Inception has classes too, but not those of the data.
    probabilities = features.probabilities_of(seen) if isinstance(features, Features) else None
    return Side(images, rows, seen, probabilities, drawn_as)


def _class_shares(real: Side, store: Store) -> Tensor | None:
    return None if real.labels is None else modes.class_shares(real.labels, len(store.class_names))
