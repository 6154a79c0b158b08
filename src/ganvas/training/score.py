"""A quick distance between what G_ema draws and the pictures: not the verdict, but the same thing measured smaller."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from ganvas.data.store import Store
from ganvas.evaluation.features import Features
from ganvas.evaluation.metrics.frechet import frechet_distance_of_features
from ganvas.evaluation.rows import spread
from ganvas.images import Integers
from ganvas.model import Model

SAMPLES = 2_000  # drawn for one score: a hundredth of a run's time, and steady enough to compare moments of one run
REFERENCE = 10_000
SEED = 2_000_000  # of the first sample, apart from those of the verdict


def samples_of_score(train_count: int) -> int:
    """How many pictures one score is taken from."""
    return min(SAMPLES, max(64, train_count))


class Scorer:
    """Fréchet distances of one run's moments, always from the same seeds against the same training pictures.

    They compare with each other only: with so few samples they come out higher than the verdict's.
    """

    def __init__(self, store: Store, features: Features) -> None:
        self.features = features
        self.samples = samples_of_score(store.train_count)
        self._reference: Tensor = features.extract(store.train.images, rows=spread(store.train_count, REFERENCE))

    @torch.no_grad()
    def score(self, model: Model) -> float:
        """The distance of `samples` pictures; lower is nearer, inf if a number is not finite."""
        seeds = range(SEED, SEED + self.samples)
        pictures = np.ascontiguousarray(model.sample(seeds, batch=256).transpose(0, 3, 1, 2))
        found = self.features.extract(cast(Integers, pictures))
        if not bool(found.isfinite().all()):
            return float("inf")
        return frechet_distance_of_features(found, self._reference)
