"""What the discriminator has learnt: how well a linear classifier names the class from its last features.

A linear probe (Alain and Bengio, 2016): ridge regression on one-hot labels, the same on the features of a discriminator
that has learned nothing and on the pixels, each tested on pictures that it was not fitted to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.data.store import Store
from ganvas.evaluation.metrics.distances import checked_pair
from ganvas.evaluation.metrics.interval import wilson_interval
from ganvas.evaluation.nearest import pixel_vectors
from ganvas.evaluation.rows import spread
from ganvas.explaining.subject import BATCH, Show, Subject
from ganvas.networks.contract import Discriminator

MOST_TRAIN, MOST_TEST = 1_000, 1_000
HELD_OUT_ENOUGH = 100
FEWEST = 20
STRENGTHS = tuple(10.0**power for power in range(-4, 3))  # of the ridge, times the mean eigenvalue


@dataclass(frozen=True)
class Accuracy:
    """How many test pictures a probe puts into the right class."""

    hits: int
    count: int

    @property
    def share(self) -> float:
        return self.hits / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """In which the share lies 19 times of 20 with other test pictures."""
        found = wilson_interval(self.hits, self.count)
        return found.low, found.high

    def to_json(self) -> dict[str, Any]:
        return {"share": self.share, "interval": list(self.interval), "pictures": self.count}


@dataclass(frozen=True)
class Probe:
    """Accuracies of the same probe on three sorts of features; None with `reason` where there is nothing to probe."""

    trained: Accuracy | None = None
    untrained: Accuracy | None = None
    pixels: Accuracy | None = None
    chance: float = 0.0  # the share of the commonest class among the test pictures
    fitted_to: int = 0
    tested_on: str = ""
    told: bool = False  # whether D is told the class in training
    reason: str = ""

    @property
    def words(self) -> list[str]:
        if self.trained is None or self.untrained is None or self.pixels is None:
            return [self.reason]
        said = [
            f"From the discriminator's last features a linear probe names the right class of "
            f"{_per_cent(self.trained)} of {self.trained.count} {self.tested_on}. From those of a discriminator that "
            f"has learned nothing it is {_per_cent(self.untrained)}, from the pixels {_per_cent(self.pixels)}, and "
            f"always naming the commonest class {100 * self.chance:.1f} %."
        ]
        if self.trained.interval[0] > self.untrained.interval[1]:
            taught = "it was told the classes" if self.told else "it was never told the classes, and found them"
            said.append(f"Training has taught it about the classes; {taught}.")
        elif self.trained.interval[1] < self.untrained.interval[0]:
            said.append("In training it has lost something of the classes: an untrained one shows more of them.")
        else:
            said.append("Whether training taught it anything about the classes cannot be told: the ranges meet.")
        if self.trained.interval[1] < self.pixels.interval[0]:
            said.append("The pixels show more of the classes than what it makes of them.")
        return said

    def to_json(self) -> dict[str, Any]:
        if self.trained is None or self.untrained is None or self.pixels is None:
            return {"reason": self.reason}
        return {
            "trained": self.trained.to_json(),
            "untrained": self.untrained.to_json(),
            "pixels": self.pixels.to_json(),
            "chance": self.chance,
            "fitted_to": self.fitted_to,
            "tested_on": self.tested_on,
            "d_is_told_the_classes": self.told,
        }


def probe(subject: Subject, show: Show) -> Probe:
    """Probe the run's D, an untrained one and the pixels, with at most 1000 pictures to fit to and 1000 to test on."""
    store = subject.store
    if store.labels is None or len(store.class_names) < 2:
        return Probe(reason="The pictures have no classes, so what D's features know of them cannot be asked.")
    train, test, tested_on = _split(store)
    if min(len(train), len(test)) < FEWEST:
        return Probe(reason=f"{len(train)} labelled pictures to fit to and {len(test)} to test on are too few to tell.")
    labels, wanted = torch.from_numpy(store.labels[train]), torch.from_numpy(store.labels[test])
    classes = len(store.class_names)
    rows = np.concatenate([train, test])

    def probed(found: Tensor) -> Accuracy:
        return ridge_probe(found[: len(train)], labels, found[len(train) :], wanted, classes)

    trained = probed(features_of(subject, subject.D, rows, lambda n, of: show("what D has learnt", n, of)))
    untrained = probed(features_of(subject, subject.untrained, rows, lambda n, of: show("an untrained D", n, of)))
    pixels = probed(pixel_vectors(store.images, rows))
    chance = float(torch.bincount(wanted).max()) / len(wanted)
    return Probe(trained, untrained, pixels, chance, len(train), tested_on, subject.conditional)


def features_of(
    subject: Subject, D: Discriminator, rows: NDArray[np.int64], progress: Callable[[int, int], None]
) -> Tensor:
    """The last layer before the logits, for those pictures of the store: [N, F] float32.

    A D that is told the class is told class 0 for all: its features come before it hears of it.
    """
    found = []
    with torch.no_grad():
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            told = subject.labels_to_d(np.zeros(len(some), np.int64))
            seen = D.details(subject.to_d(subject.store.images[some]), told)["features"]
            found.append(seen.reshape(len(some), -1).float().cpu())
            progress(min(start + BATCH, len(rows)), len(rows))
    return torch.cat(found)


def ridge_probe(train: Tensor, labels: Tensor, test: Tensor, wanted: Tensor, classes: int) -> Accuracy:
    """Fit ridge regression to one-hot labels and count the test pictures it puts right: [N, F], [N], [M, F], [M].

    Features are standardised by the training ones. The strength of the ridge is the one with the least squared error
    when each training picture is left out in turn, so that few and many features are treated alike. All in float64.
    """
    x, t = checked_pair(train, test)
    mean, deviation = x.mean(0), x.std(0, correction=0)
    deviation = torch.where(deviation > 1e-8 * deviation.max().clamp_min(1e-30), deviation, torch.inf)  # constant ones
    x, t = (x - mean) / deviation, (t - mean) / deviation
    targets = F.one_hot(labels, classes).double()
    share = targets.mean(0)
    values, vectors = torch.linalg.eigh(x @ x.T)  # [N], [N, N]: as many equations as pictures, however many features
    values = values.clamp_min(0)
    turned = vectors.T @ (targets - share)
    best, least = torch.zeros_like(turned), torch.inf
    for strength in STRENGTHS:
        ridge = strength * values.mean().clamp_min(1e-12)
        kept = values / (values + ridge)
        leverage = vectors.square() @ kept + 1 / len(x)
        left_out = (targets - share - vectors @ (kept[:, None] * turned)) / (1 - leverage).clamp_min(1e-6)[:, None]
        error = float(left_out.square().mean())
        if error < least:
            best, least = turned / (values + ridge)[:, None], error
    guessed = (t @ (x.T @ (vectors @ best)) + share).argmax(1)
    return Accuracy(int((guessed == wanted).sum()), len(wanted))


def _split(store: Store) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Rows to fit to, rows to test on, and what those are."""
    everything = np.arange(store.train_count)
    if store.held_out_count >= HELD_OUT_ENOUGH:
        test = store.train_count + spread(store.held_out_count, MOST_TEST)
        return everything[spread(len(everything), MOST_TRAIN)], test, "held-out pictures"
    aside = everything % 4 == 3
    train, test = everything[~aside], everything[aside]
    train, test = train[spread(len(train), MOST_TRAIN)], test[spread(len(test), MOST_TEST)]
    return train, test, "training pictures that the probe was not fitted to (D has seen them)"


def _per_cent(accuracy: Accuracy) -> str:
    low, high = accuracy.interval
    return f"{100 * accuracy.share:.1f} % ({100 * low:.0f} to {100 * high:.0f})"
