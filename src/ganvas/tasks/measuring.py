"""The numbers of a verdict on what was painted: each with its passport, beside it that of the inputs as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganvas.data.store import Store
from ganvas.evaluation.features import Features
from ganvas.evaluation.figures import number
from ganvas.evaluation.measures import Z
from ganvas.evaluation.passport import Drawn, Passport
from ganvas.evaluation.verdict import Better, Metric
from ganvas.evaluation.verdict_words import nearness
from ganvas.picture_model import PictureModel
from ganvas.versions import versions

MEANINGS: dict[str, tuple[Better, str]] = {
    "l1": ("lower", "Mean absolute difference from the target, black to white being 1. 0: the same."),
    "psnr": ("higher", "How small the squared difference from the original is, in decibels. Blur is not punished."),
    "ssim": ("higher", "How alike structures are, in windows of 11 pixels. 1: the same."),
    "perceptual_distance": (
        "lower",
        "How far from the original place by place, to a network that learned these pictures. 0: the same.",
    ),
    "feature_distance": (
        "lower",
        "How far from the target in features learned from the pictures. 1: as unlike as two pictures. 0: the same.",
    ),
    "frechet_distance": (
        "lower",
        "Distance between the two sets as wholes, by the mean and spread of their features. 0: the same.",
    ),
    "cycle_error": (
        "lower",
        "Mean absolute difference after going to the other side and back, black to white being 1.",
    ),
    "class_accuracy": ("higher", "Share of the pictures that a classifier, trained on good ones, names rightly."),
}


def as_a_set(frechet: Metric, features: int) -> str:
    """How near painted pictures are to the wanted kind as a set, in a sentence; not claimed of too few."""
    fewest = min(frechet.samples, frechet.reference_samples)
    real = "" if frechet.real_value is None else f", where real pictures get {number(frechet.real_value)}"
    if fewest > features:
        if frechet.input_value is None or frechet.value < frechet.input_value:
            return nearness(frechet, features, "painted pictures")
        return (
            "As a set the painted pictures are no nearer to the wanted kind than what they were painted from (Fréchet "
            f"distance {number(frechet.value)}{real})."
        )
    return (
        f"How near they are as a set cannot be said from {fewest} pictures (Fréchet distance {number(frechet.value)}"
        f"{real}; more than {features} are needed)."
    )


@dataclass(frozen=True)
class About:
    """What all numbers of a verdict share. which: "held-out" or "training" pictures."""

    store: Store
    model: PictureModel
    which: str
    samples: int

    def passport(self, metric: str, reference: str, reference_samples: int, judge: Features | None = None) -> Passport:
        """How a number came about; without a judge it is of the pixels."""
        return Passport(
            metric=metric,
            features="pixels" if judge is None else judge.name,
            features_hash="" if judge is None else judge.hash,
            resize="none" if judge is None else judge.resize,
            value_range="[0, 1]" if judge is None else judge.value_range,
            reference=reference,
            reference_fingerprint=self.store.fingerprint,
            reference_samples=reference_samples,
            samples=self.samples,
            drawn=Drawn(weights=self.model.config.weights, what=self.model.hash),
            versions=versions(),
        )

    def mean(
        self,
        metric: str,
        values: NDArray[np.float64],
        inputs: NDArray[np.float64] | None = None,
        judge: Features | None = None,
    ) -> Metric:
        """The mean of one value for each picture, beside that of the inputs as they are."""
        better, meaning = MEANINGS[metric]
        mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / len(values) ** 0.5
        beside = None if inputs is None else float(inputs.mean())
        c = self.model.config
        passport = self.passport(metric, f"{self.which} targets, {c.degradation or c.direction}", len(values), judge)
        return Metric(mean, passport, better, meaning, (mean - half, mean + half), input_value=beside)
