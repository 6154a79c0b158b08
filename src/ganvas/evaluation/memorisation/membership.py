"""Whether nearness to the samples tells training pictures from held-out ones: what an attacker could learn.

An attacker who has only samples holds a real picture against them: near to one means "was trained on" (Hayes et al.,
2019; Chen et al., 2020). How well that works is the area under its curve: the chance that of one training and one
held-out picture the training picture is nearer to its nearest sample. 0.5 is guessing, 1 is certainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.memorisation.reals import Reals
from ganvas.evaluation.memorisation.search import NOBODY, Gallery, Queries, different_rows, search_pixels
from ganvas.evaluation.rows import spread
from ganvas.images import Integers

MOST_ASKED = 500  # training pictures, and held-out ones
MOST_SAMPLES = 10_000
FEWEST = 8  # pictures, or groups, on either side
DRAWS = 1_000  # of the bootstrap
LEAKS, LEAKS_MUCH = 0.5, 0.6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Leak:
    """One area under the curve with its 95 % interval (bootstrap), in one space, over pictures or groups."""

    space: str  # "pixels" or "features"
    unit: str  # "pictures" or "groups"
    area: float
    low: float
    high: float
    training: int
    held_out: int


@dataclass(frozen=True)
class Membership:
    """The areas that could be measured; none, and the reason, where there are too few held-out pictures."""

    leaks: tuple[Leak, ...]
    samples: int
    missing: str = ""

    @property
    def worst(self) -> Leak | None:
        """The area that lies furthest above chance; of groups, where there are some."""
        unit = "groups" if any(leak.unit == "groups" for leak in self.leaks) else "pictures"
        return max((leak for leak in self.leaks if leak.unit == unit), key=lambda leak: leak.low, default=None)


def area_under_curve(training: Floats, held_out: Floats) -> float:
    """Chance that a training distance is below a held-out one, ties counting half: [N], [M] -> [0, 1]."""
    return float(_areas(training, held_out, np.ones((1, len(training))), np.ones((1, len(held_out))))[0])


def bootstrap_interval(training: Floats, held_out: Floats, draws: int = DRAWS) -> tuple[float, float]:
    """95 % interval of `area_under_curve`, both sides drawn anew with replacement, always the same draws."""
    rng = np.random.default_rng(0)
    often, held_often = (
        rng.multinomial(n, np.full(n, 1 / n), draws).astype(np.float64) for n in (len(training), len(held_out))
    )
    low, high = np.quantile(_areas(training, held_out, often, held_often), (0.025, 0.975))
    return float(low), float(high)


def measure_membership(samples: Integers, sample_features: Tensor, reals: Reals, features: Backbone) -> Membership:
    """Nearness of up to 500 training and 500 held-out pictures to up to 10 000 samples: [N, C, H, W], [N, F].

    Held-out pictures whose group was trained on are left out: their group would tell, not they themselves.
    """
    strangers = reals.strangers()
    if reals.held_out is None or len(strangers) < FEWEST:
        known = "" if reals.held_out is None or len(strangers) == len(reals.held_out) else " of groups not trained on"
        return Membership((), len(samples), f"{len(strangers)} held-out pictures{known}, at least {FEWEST} are needed")
    train_rows = spread(len(reals.train), MOST_ASKED)
    held_rows = strangers[spread(len(strangers), MOST_ASKED)]
    asked = [_nobodys(reals.train, train_rows), _nobodys(reals.held_out, held_rows)]

    chosen = different_rows(samples, spread(len(samples), MOST_SAMPLES))
    gallery = Gallery(samples, chosen, torch.arange(len(chosen)))
    in_pixels = [_floats(one.recoloured.distances[:, 0]) for one in search_pixels(asked, gallery, 2, 1)]
    base = F.normalize(sample_features[torch.from_numpy(chosen)])
    by_features = [_to_nearest(features.extract(one.images, rows=one.rows), base) for one in asked]

    leaks = []
    for space, (training, held_out) in (("pixels", in_pixels), ("features", by_features)):
        leaks.append(_leak(space, "pictures", training, held_out))
        if reals.train_groups is not None and reals.held_out_groups is not None:
            of_groups = (
                _mean_of_each(training, reals.train_groups[train_rows]),
                _mean_of_each(held_out, reals.held_out_groups[held_rows]),
            )
            if min(map(len, of_groups)) >= FEWEST:
                leaks.append(_leak(space, "groups", *of_groups))
    return Membership(tuple(leaks), len(chosen))


def _areas(training: Floats, held_out: Floats, weights: Floats, held_weights: Floats) -> Floats:
    """One area for each row of weights, how often each distance counts: [N], [M], [B, N], [B, M] -> [B]."""
    order = np.argsort(held_out)
    below = np.searchsorted(held_out[order], training, "left")
    up_to = np.searchsorted(held_out[order], training, "right")
    summed = np.cumsum(np.pad(held_weights[:, order], ((0, 0), (1, 0))), axis=1)  # [B, M + 1]
    total = summed[:, -1:]
    above = total - (summed[:, below] + summed[:, up_to]) / 2
    areas: Floats = (weights * above).sum(1) / (weights.sum(1) * total[:, 0])
    return areas


def _leak(space: str, unit: str, training: Floats, held_out: Floats) -> Leak:
    area = area_under_curve(training, held_out)
    return Leak(space, unit, area, *bootstrap_interval(training, held_out), len(training), len(held_out))


def _mean_of_each(distances: Floats, groups: NDArray[np.int64]) -> Floats:
    _, place = np.unique(groups, return_inverse=True)
    means: Floats = np.bincount(place, distances) / np.bincount(place)
    return means


def _to_nearest(features: Tensor, base: Tensor) -> Floats:
    """[N]: one less the cosine to the nearest of the base."""
    return _floats(1 - (F.normalize(features) @ base.T).amax(1))


def _floats(x: Tensor) -> Floats:
    return x.double().numpy()


def _nobodys(images: Integers, rows: NDArray[np.int64]) -> Queries:
    return Queries(images, rows, torch.full((len(rows),), NOBODY))
