"""The best and the worst samples by what each metric looks at, one sample at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked_pair, pieces, squared_distances
from ganvas.evaluation.metrics.manifold import ball_counts, squared_radii
from ganvas.evaluation.nearest import neighbours, pixel_pieces, pixel_vectors
from ganvas.evaluation.rows import spread
from ganvas.explaining.subject import Pictures, Subject

SHOWN = 8
BALLS_K, REALISM_K, ROOM_K = 5, 3, 10
NEIGHBOURS = 50
MOST_SEARCHED = 60_000
USUAL = (0.05, 0.95)  # quantiles
LARGEST_RATIO = 1_000.0  # of a sample on top of a real picture, where it would be infinite


@dataclass(frozen=True)
class Measure:
    """What is asked of each sample; more is better."""

    name: str
    metrics: tuple[str, ...]  # those of the verdict that sum this up
    title: str
    meaning: str
    best: str  # in words, what stands at either end
    worst: str
    form: str = "{:.2f}"


REALISM = Measure(
    "realism",
    ("precision", "density"),
    "By distance to the real pictures",
    "How far inside the region of real pictures a sample lies in the judge's features: 1 is its rim, less is outside "
    "(realism score, Kynkäänniemi et al., 2019).",
    best="nearest to the real pictures",
    worst="furthest from them",
)
ROOM = Measure(
    "room",
    ("coverage",),
    "By how crowded its neighbourhood is",
    "The distance to its tenth-nearest other sample (further on in proportion where there are more samples than real "
    "pictures) over that to its tenth-nearest real picture. About 1: such pictures are drawn as often as they occur; "
    "well below 1: more often, as where samples repeat themselves.",
    best="fewest samples around, for the real pictures that are there",
    worst="most samples around, for the real pictures that are there",
)
LOGIT = Measure(
    "logit",
    (),
    "By the discriminator",
    "The logit that D gives it; higher is more real. Logits of another run's D do not compare.",
    best="most real to D",
    worst="least real to D",
)
SURENESS = Measure(
    "certainty",
    ("sure_share",),
    "By the classifier",
    "How sure a classifier of the real classes is of the class that it sees.",
    best="surest",
    worst="least sure",
    form="{:.2%}",
)
AGREEMENT = Measure(
    "certainty",
    ("sure_share", "class_agreement"),
    "By the classifier",
    "The probability that a classifier of the real classes gives to the class that was asked for.",
    best="surest",
    worst="taken for another class, or for none",
    form="{:.2%}",
)
CLOSENESS = Measure(
    "closeness",
    ("nearest_copy_share",),
    "By the nearest training picture",
    "The distance to the nearest training picture, which stands below each sample here, over that to its 50 nearest, "
    "in pixels. 0 is a copy, 1 means that no training picture is nearer than others. Whether samples are nearer than "
    "chance explains is for the verdict to say.",
    best="least like one training picture",
    worst="most like one training picture",
)


@dataclass(frozen=True)
class Ranking:
    """One measure of each sample, and the samples at its two ends, the outermost first.

    values: [N] float64. best, worst: [n], rows of the samples. usual: between which values nine of ten real pictures
    lie, or None. beside: [N], for each sample the row of the store that belongs beside it, or None.
    """

    measure: Measure
    values: Tensor
    best: tuple[int, ...]
    worst: tuple[int, ...]
    usual: tuple[float, float] | None
    beside: NDArray[np.int64] | None

    @classmethod
    def of(
        cls, measure: Measure, values: Tensor, real_values: Tensor | None, beside: NDArray[np.int64] | None = None
    ) -> Ranking:
        """Of the values of samples [N] and, where they are known, of real pictures [M]."""
        n = min(SHOWN, len(values) // 2)
        best = tuple(values.argsort(descending=True, stable=True)[:n].tolist())
        worst = tuple(values.argsort(stable=True)[:n].tolist())
        usual = None if real_values is None else tuple(np.quantile(real_values.double().numpy(), USUAL).tolist())
        return cls(measure, values, best, worst, usual, beside)

    def to_json(self, samples: Pictures) -> dict[str, Any]:
        def end(rows: tuple[int, ...]) -> list[dict[str, Any]]:
            return [{"seed": int(samples.numbers[i]), "value": float(self.values[i])} for i in rows]

        return {
            "measure": self.measure.name,
            "metrics": list(self.measure.metrics),
            "mean": float(self.values.mean()),
            "nine_of_ten_reals": None if self.usual is None else list(self.usual),
            "best": end(self.best),
            "worst": end(self.worst),
        }


@dataclass(frozen=True)
class Extremes:
    """All rankings of the samples."""

    samples: Pictures
    rankings: tuple[Ranking, ...]
    outside: float  # share of the samples in no ball of a real picture
    real_outside: float  # the same of real pictures, each left out in turn
    told_apart: float  # share of pairs in which D gives the real picture more than the sample

    @property
    def words(self) -> list[str]:
        return [
            f"{100 * self.outside:.0f} % of the samples lie near no real picture; of real pictures, each compared with "
            f"the others, {100 * self.real_outside:.0f} % do.",
            "Of a training picture and a sample the discriminator finds the training picture more real "
            f"{100 * self.told_apart:.0f} times of 100 (50: it cannot tell them apart).",
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "share_in_no_real_ball": self.outside,
            "share_of_reals_in_no_other_ball": self.real_outside,
            "share_told_apart_by_d": self.told_apart,
            "rankings": [ranking.to_json(self.samples) for ranking in self.rankings],
        }


def find_extremes(subject: Subject, reals: Pictures, samples: Pictures) -> Extremes:
    """Rank the samples by every measure that there is for these data.

    Beside what samples get stands what real pictures do: by neighbours one half of them among the other.
    """
    real, fake = reals.features, samples.features
    rankings = [
        Ranking.of(REALISM, realism(real, fake), realism(*halves(real))),
        Ranking.of(ROOM, room(real, fake), room(*halves(real))),
        Ranking.of(LOGIT, samples.logits, reals.logits),
    ]
    if samples.probabilities is not None and reals.probabilities is not None:
        asked = samples.labels is not None
        values = certainty(samples, asked), certainty(reals, asked)
        rankings.append(Ranking.of(AGREEMENT if asked else SURENESS, *values))
    rankings.append(_by_training_pictures(subject, samples))
    told_apart = share_above(reals.logits, samples.logits)
    return Extremes(samples, tuple(rankings), *shares_outside(real, fake), told_apart)


def shares_outside(real: Tensor, fake: Tensor, k: int = BALLS_K) -> tuple[float, float]:
    """(share of samples in no real ball, share of real pictures in no other one's ball): [N, F], [M, F]; k as density.

    The second is what the first would be if samples were real pictures: a ball that reaches to the k-th nearest other
    still holds a picture that it held when that picture is left out.
    """
    own, _ = ball_counts(real, real, k)  # with its own ball around each
    return float((ball_counts(real, fake, k)[0] == 0).double().mean()), float((own <= 1).double().mean())


def realism(real: Tensor, fake: Tensor, k: int = REALISM_K) -> Tensor:
    """The largest ratio of a real ball's radius to the distance from its centre: [N, F], [M, F] -> [M] float64.

    1 or more: inside a ball. The half of the balls with the largest radii is left out, since one outlier's ball holds
    almost anything (Kynkäänniemi et al., 2019, equation 3). At most 1000.
    """
    real, fake = checked_pair(real, fake, at_least=k + 1)
    radii = squared_radii(real, k)
    kept = radii <= radii.median()
    centres, radii = real[kept], radii[kept]
    found = []
    for _, piece in pieces(fake):
        ratios = radii / squared_distances(piece, centres).clamp_min(1e-30)
        found.append(ratios.amax(1).sqrt().clamp_max(LARGEST_RATIO))
    return torch.cat(found)


def room(real: Tensor, fake: Tensor, k: int = ROOM_K) -> Tensor:
    """Distance to the k-th nearest other sample over that to the k-th nearest real picture: [N, F], [M, F] -> [M].

    The ratio of two densities, to the power of one over the dimension (Loftsgaarden and Quesenberry, 1965). Of more or
    fewer samples than real pictures the neighbour is taken that is as far on in proportion. At most 1000. Raises
    ValueError if a side has no more than k samples.
    """
    real, fake = checked_pair(real, fake, at_least=k + 1)
    others = max(1, round(k * (len(fake) - 1) / len(real)))
    to_real = [squared_distances(piece, real).kthvalue(k, dim=1).values for _, piece in pieces(fake)]
    ratio = squared_radii(fake, others) / torch.cat(to_real).clamp_min(1e-30)
    return ratio.sqrt().clamp_max(LARGEST_RATIO)


def halves(features: Tensor) -> tuple[Tensor, Tensor]:
    """[N, F] -> two halves by lot, always the same: neighbours in the data may belong together."""
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))
    return features[order[0::2]], features[order[1::2]]


def certainty(pictures: Pictures, asked: bool) -> Tensor:
    """The classifier's probability of each picture's own class, or of the likeliest if none was asked for: [N]."""
    assert pictures.probabilities is not None, "the caller looked"
    if not asked or pictures.labels is None:
        return pictures.probabilities.amax(1).double()
    return pictures.probabilities.gather(1, torch.from_numpy(pictures.labels)[:, None])[:, 0].double()


def _by_training_pictures(subject: Subject, samples: Pictures) -> Ranking:
    train = subject.store.train.images
    searched = spread(len(train), MOST_SEARCHED)
    found = neighbours(pixel_vectors(samples.images), pixel_pieces(train, searched), NEIGHBOURS)
    return Ranking.of(CLOSENESS, found.closeness().double(), None, searched[found.rows[:, 0].numpy()])


def share_above(high: Tensor, low: Tensor) -> float:
    """Share of pairs in which the first is larger, equal ones half: [N], [M] -> [0, 1] (area under the ROC curve)."""
    ordered = low.sort().values
    below = torch.searchsorted(ordered, high) + torch.searchsorted(ordered, high, right=True)
    return float(below.double().mean()) / 2 / len(low)
