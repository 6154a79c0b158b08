"""A distance within each class, where a set that is right as a whole can still be wrong (Miyato and Koyama, 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ganvas.evaluation.metrics.distances import checked_pair
from ganvas.evaluation.metrics.frechet import frechet_distance_of_features

FEWEST = 50  # samples of a class a side: with fewer the distance is mostly chance

Distance = Callable[[Tensor, Tensor], float]  # features of generated and of real pictures, [n, F] and [m, F]


@dataclass(frozen=True)
class IntraClass:
    """The distance of each class that has enough samples, and the classes that have not.

    Distances of classes with unlike counts are biased unlike; the counts stand beside them.
    """

    distances: dict[int, float]
    counts: dict[int, tuple[int, int]]  # of every class: generated, real
    too_few: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Over the classes that were scored."""
        return sum(self.distances.values()) / len(self.distances)

    @property
    def worst(self) -> int:
        """The class with the largest distance."""
        return max(self.distances, key=lambda c: self.distances[c])


def intra_class(
    fake: Tensor,
    fake_labels: Tensor,
    real: Tensor,
    real_labels: Tensor,
    *,
    distance: Distance = frechet_distance_of_features,
    fewest: int = FEWEST,
) -> IntraClass:
    """`distance` within each class that either side has: [N, F], [N], [M, F], [M] -> one number a class.

    A class with fewer than `fewest` samples on either side, and one that only one side has, is named in `too_few`.
    Raises ValueError if that is so of all classes, if labels and features differ in number, or as `checked_pair`.
    """
    fake, real = checked_pair(fake, real)
    for name, features, labels in (("generated", fake, fake_labels), ("real", real, real_labels)):
        if len(features) != len(labels):
            raise ValueError(f"{len(labels)} labels for {len(features)} {name} samples: give one class for each")
    distances: dict[int, float] = {}
    counts: dict[int, tuple[int, int]] = {}
    for each in sorted({*fake_labels.tolist(), *real_labels.tolist()}):
        a, b = fake[(fake_labels == each).to(fake.device)], real[(real_labels == each).to(real.device)]
        counts[each] = len(a), len(b)
        if min(len(a), len(b)) >= fewest:
            distances[each] = distance(a, b)
            if not math.isfinite(distances[each]):
                raise ValueError(f"the distance of class {each} is {distances[each]}, expected a number: check it")
    if not distances:
        raise ValueError(f"no class has {fewest} samples on both sides: draw more pictures of each class")
    return IntraClass(distances, counts, tuple(each for each in counts if each not in distances))
