"""What a synthetic set brings: a small classifier learns without it, with it and from it alone, and is tested.

Trained on generated pictures alone it gives the classification accuracy score (Ravuri and Vinyals, 2019). All
classifiers take as many steps, so that more pictures are no more training. Where the generated pictures even the
classes out, repeating the real ones of the short classes is compared with too: evening out alone is no gain of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ganvas.evaluation.feature_training import BATCH, default_pictures
from ganvas.evaluation.metrics.classification_score import Accuracy, classifier_for, over_seeds, recognised
from ganvas.evaluation.metrics.interval import Interval, Z, mean_interval
from ganvas.evaluation.metrics.labelled import Labelled, joined, some_of
from ganvas.synthetic.real_pictures import RealPictures, part_of, repeated

FEWEST_TESTED = 20

Right = NDArray[np.bool_]  # [seeds, test pictures]: whether the classifier of a seed was right
Effect = Literal["gain", "loss", "none"]


@dataclass(frozen=True)
class Difference:
    """How much larger the share is with the generated pictures. over_seeds: its t interval over the seeds.

    noise: half of a 95 % interval that counts both kinds of chance, that of the seeds and that of the test pictures,
    which are the same for all seeds. Only a difference beyond it is called a gain or a loss: `effect`.
    """

    mean: float
    over_seeds: Interval
    noise: float
    test_pictures: int
    effect: Effect


@dataclass(frozen=True)
class Tested:
    """Shares that are recognised of the test pictures of some classes, and what the generated pictures change.

    as_they_are: learned from the real pictures. repeated: with those of the short classes shown as often as the
    generated ones make it; None where that changes nothing. The difference is from the better of these two.
    """

    classes: tuple[str, ...]
    as_they_are: Accuracy
    repeated: Accuracy | None
    with_generated: Accuracy
    difference: Difference

    @property
    def without(self) -> Accuracy:
        """The better of the two without generated pictures."""
        if self.repeated is None or self.as_they_are.mean >= self.repeated.mean:
            return self.as_they_are
        return self.repeated


@dataclass(frozen=True)
class Comparison:
    """With so many real pictures: the classifier without the generated ones and with them.

    all: every class. short: all short classes together, where there are others; each: every one of them apart.
    """

    real_share: float
    real_pictures: int
    all: Tested
    short: Tested | None
    each: tuple[Tested, ...]


@dataclass(frozen=True)
class Gain:
    """alone: trained on generated pictures only; None where those do not hold every class.

    set_aside: the test pictures were taken from those that the generator had learned from. steps: of each classifier.
    """

    comparisons: tuple[Comparison, ...]
    alone: Accuracy | None
    generated_pictures: int
    test_pictures: int
    set_aside: bool
    seeds: int
    steps: int


Trained = Mapping[tuple[str, int], Right]  # by what was learned from, and the seed


def measure_gain(
    real: RealPictures,
    generated: Labelled,
    names: Sequence[str],
    short: Sequence[int],
    *,
    seeds: int,
    real_share: float,
    steps: int | None = None,
    trained: Trained | None = None,
    on_trained: Callable[[str, int, Right], None] = lambda _what, _seed, _right: None,
    show: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
    device: torch.device | str = "cpu",
) -> Gain | str:
    """Compare classifiers of so many seeds, with all real pictures and with `real_share` of them; or say why not.

    short: the numbers of the classes that the set was made for. trained: what an earlier call has handed to
    `on_trained`, and need not be trained again. steps: of a classifier (default: some ten seconds on two cores).
    """
    classes, tested = len(names), real.test
    if len(tested) < FEWEST_TESTED:
        return f"{len(tested)} test pictures are too few, at least {FEWEST_TESTED} are needed: hold more out"
    if steps is None:
        net = classifier_for(real.learned.images, classes, torch.Generator())
        # A third of it is not enough: the rare classes are then hardly learned from real pictures as they are.
        steps = default_pictures(net, len(real.learned)) // BATCH
    amounts = {1.0: real.learned}
    if real_share < 1:
        amounts[real_share] = part_of(real.learned, real_share)
    sets: dict[str, Labelled] = {}
    for share, some in amounts.items():
        sets[f"real {share:g}"], sets[f"joined {share:g}"] = some, joined(some, generated)
        again = repeated(some, generated)
        if again is not None:
            sets[f"repeated {share:g}"] = again
    if len(np.unique(generated.labels)) == len(np.unique(tested.labels)) == classes:
        sets["generated"] = generated
    right = _train_all(sets, tested, classes, seeds, steps, trained or {}, on_trained, show, device)
    comparisons = tuple(
        _compare(share, len(some), right, tested.labels, names, short) for share, some in amounts.items()
    )
    alone = over_seeds(_shares(right["generated"])) if "generated" in right else None
    return Gain(comparisons, alone, len(generated), len(tested), real.set_aside, seeds, steps)


def _train_all(
    sets: Mapping[str, Labelled],
    test: Labelled,
    classes: int,
    seeds: int,
    steps: int,
    trained: Trained,
    on_trained: Callable[[str, int, Right], None],
    show: Callable[[str, int, int], None],
    device: torch.device | str,
) -> dict[str, Right]:
    found: dict[str, list[Right]] = {what: [] for what in sets}
    for seed in range(seeds):
        for number, (what, some) in enumerate(sets.items()):
            show("training classifiers", seed * len(sets) + number, seeds * len(sets))
            right = trained.get((what, seed))
            if right is None:
                right = recognised(_at_least_a_batch(some), test, classes, steps * BATCH, seed, device)
                on_trained(what, seed, right)
            found[what].append(right)
    return {what: np.stack(rows) for what, rows in found.items()}


def _at_least_a_batch(some: Labelled) -> Labelled:
    """A few pictures again and again: or a small set would be trained by smaller batches, which is worse training."""
    return some if len(some) >= BATCH else some_of(some, np.arange(BATCH) % len(some))


def _compare(
    share: float,
    pictures: int,
    right: Mapping[str, Right],
    labels: NDArray[np.int64],
    names: Sequence[str],
    short: Sequence[int],
) -> Comparison:
    def of_classes(chosen: Sequence[int]) -> Tested:
        rows = np.isin(labels, chosen)
        own = {
            way: right[f"{way} {share:g}"][:, rows]
            for way in ("real", "repeated", "joined")
            if f"{way} {share:g}" in right
        }
        found = {way: over_seeds(_shares(of_way)) for way, of_way in own.items()}
        repeats = found.get("repeated")
        without = "repeated" if repeats is not None and repeats.mean > found["real"].mean else "real"
        change = difference(own[without], own["joined"])
        return Tested(tuple(names[i] for i in chosen), found["real"], repeats, found["joined"], change)

    tested = np.unique(labels).tolist()
    short = [label for label in short if label in tested]
    return Comparison(
        share,
        pictures,
        of_classes(tested),
        of_classes(short) if 0 < len(short) < len(tested) else None,
        tuple(of_classes([label]) for label in short),
    )


def difference(without: Right, with_generated: Right) -> Difference:
    """Between classifiers of the same seeds on the same test pictures: [S, N] and [S, N], S at least 2."""
    change = with_generated.astype(np.float64) - without
    by_seed = mean_interval(_shares(change))
    count, of_pictures = change.shape[1], change.mean(0)
    # Half a picture more in each cell (Agresti and Min, 2005), or three pictures that all changed would have no noise.
    mean = of_pictures.sum() / (count + 2)
    spread = (np.square(of_pictures).sum() + 1) / (count + 2) - mean**2
    by_pictures = Z * math.sqrt(spread / (count + 2))
    by_seeds = (by_seed.high - by_seed.low) / 2
    found, noise = float(change.mean()), min(1.0, math.hypot(by_seeds, by_pictures * (count + 2) / count))
    effect: Effect = "none" if abs(found) <= noise else "gain" if found > 0 else "loss"
    return Difference(found, by_seed, noise, count, effect)


def _shares(right: NDArray[Any]) -> list[float]:
    """One a seed: [S, N] -> S numbers."""
    shares: list[float] = right.mean(1).tolist()
    return shares
