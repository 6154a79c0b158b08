"""What a judge hands back: numbers with their passports, plain words, and what was copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ganvas.evaluation.memorisation.result import Memorisation
from ganvas.evaluation.passport import Passport

SCHEMA = 1

Better = Literal["lower", "higher", "target"]

MEANINGS: dict[str, tuple[Better, str]] = {
    "frechet_distance": (
        "lower",
        "Distance between the two sets as wholes, by the mean and spread of their features. 0: the same.",
    ),
    "kernel_distance": (
        "lower",
        "The same question without assuming a bell shape; fair with few samples too. About 0: the same.",
    ),
    "precision": (
        "higher",
        "Share of the samples that look like real ones: how believable they are one by one.",
    ),
    "recall": (
        "higher",
        "Share of the real pictures that the samples could have been: how much is not left out.",
    ),
    "density": (
        "target",
        "How firmly the samples sit where real pictures are common. Real pictures: about 1.",
    ),
    "coverage": (
        "higher",
        "Share of the real pictures with a sample close by. Low: the samples repeat themselves.",
    ),
    "class_coverage": (
        "higher",
        "Share of the classes that appear at least a tenth as often as among the real ones.",
    ),
    "class_divergence": (
        "lower",
        "How far the mix of classes is from the real one (KL, in nats). 0: the same mix.",
    ),
    "sure_share": (
        "target",
        "Share of the samples that a classifier is over 90 % sure of: no in-betweens.",
    ),
    "class_agreement": (
        "higher",
        "Share of the samples that a classifier takes for the class that was asked for.",
    ),
    "nearest_copy_share": (
        "lower",
        "Share of the samples as near to one training picture as copies are, also if mirrored, moved or recoloured.",
    ),
}


@dataclass(frozen=True)
class Metric:
    """One number with its passport."""

    value: float
    passport: Passport
    better: Better  # "target": as near to `real_value` as possible
    meaning: str  # for someone who never met it
    interval: tuple[float, float] | None = None  # in which it would lie 19 times of 20 with other samples
    real_value: float | None = None  # the same number for real pictures in the place of the samples
    real_pair: str = ""  # which real pictures those were
    input_value: float | None = None  # the same number for what was painted from, taken as it is

    @property
    def metric(self) -> str:
        return self.passport.metric

    @property
    def features(self) -> str:
        return self.passport.features

    @property
    def samples(self) -> int:
        return self.passport.samples

    @property
    def reference(self) -> str:
        return self.passport.reference

    @property
    def reference_samples(self) -> int:
        return self.passport.reference_samples

    def to_json(self) -> dict[str, Any]:
        """The metric and its value first, its passport beside them."""
        own = {k: v for k, v in asdict(self).items() if k != "passport"}
        return {"metric": self.metric, **own, **self.passport.to_json()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Metric:
        """Undo `to_json`."""
        interval = row.get("interval")
        return cls(
            float(row["value"]),
            Passport.from_json(row),
            row["better"],
            row["meaning"],
            None if interval is None else (float(interval[0]), float(interval[1])),
            row.get("real_value"),
            row.get("real_pair", ""),
            row.get("input_value"),
        )


@dataclass(frozen=True)
class Verdict:
    """All metrics, what they say in plain sentences, and what was copied."""

    metrics: tuple[Metric, ...]
    words: str
    memorisation: Memorisation | None  # None where pictures are painted from pictures

    def __getitem__(self, metric: str) -> Metric:
        """The metric of that name; KeyError if it was not measured."""
        for found in self.metrics:
            if found.metric == metric:
                return found
        raise KeyError(metric)

    def to_json(self) -> dict[str, Any]:
        """{"schema": 1, "metrics": [{"metric": ..., "value": ..., ...}, ...], "words": ..., "memorisation": ...}."""
        return {
            "schema": SCHEMA,
            "metrics": [metric.to_json() for metric in self.metrics],
            "words": self.words,
            "memorisation": None if self.memorisation is None else self.memorisation.to_json(),
        }
