"""From what was measured to what is wrong, in words: since when, by which numbers, and what usually helps.

A sickness must show at several inspections in a row before it is named, and be gone for two before it is called over.
During the warm-up a run is accused of nothing but numbers that are not finite and of drawing one single picture: at
the start every generator draws nearly alike, and every discriminator wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ganvas.training import painter_signs, signs
from ganvas.training.diagnosis_words import OVER, Facts, say
from ganvas.training.measurement import Measurement
from ganvas.training.signs import Course

Kind = Literal[
    "healthy",
    "d_wins",
    "d_loses",
    "oscillation",
    "partial_collapse",
    "full_collapse",
    "divergence",
    "d_overfits",
    "memorises",
    "identity",
    "harm",
    "contrast_lost",
]
Severity = Literal["note", "sick", "fatal"]

WARM_UP = 5  # inspections at least, and
WARM_UP_SHARE = 0.1  # of the run, where its length is known
OVER_AFTER = 2  # inspections without the sign


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, since how many images, and the numbers that say so. `images`: when it was said.

    "fatal" is what does not mend by itself, "sick" what may but seldom does, "note" what is good to know.
    """

    kind: Kind
    severity: Severity
    text: str
    evidence: Mapping[str, float]
    images: int
    since: int

    def to_json(self) -> dict[str, Any]:
        """As a plain dict."""
        return {**asdict(self), "evidence": dict(self.evidence)}


@dataclass(frozen=True)
class _Rule:
    """Under what name a sign is told, how bad it is, and how many inspections in a row must show it."""

    kind: Kind
    severity: Severity
    patience: int
    in_warm_up: bool = False


# d_wins and the collapses ask for a run that is stuck, which is patience enough of its own.
RULES: dict[str, _Rule] = {
    "not_finite": _Rule("divergence", "fatal", 1, in_warm_up=True),
    "explosion": _Rule("divergence", "sick", 3, in_warm_up=True),
    "full_collapse": _Rule("full_collapse", "fatal", 3, in_warm_up=True),
    "partial_collapse": _Rule("partial_collapse", "sick", 2),
    "d_wins": _Rule("d_wins", "sick", 2),
    "d_loses": _Rule("d_loses", "sick", 5),
    "oscillation": _Rule("oscillation", "sick", 2),
    "d_overfits": _Rule("d_overfits", "note", 5),
    "memorises": _Rule("memorises", "sick", 2),
    "identity": _Rule("identity", "sick", 2),
    "harm": _Rule("harm", "sick", 3),
    "contrast_lost": _Rule("contrast_lost", "sick", 5),
}


@dataclass
class _Seen:
    """How long one sign has been there, or gone."""

    times: int = 0
    since: int = 0
    gone: int = 0
    told: bool = False


class Diagnostician:
    """Looks at one measurement after another and says what is new: a sickness that began, or one that is over."""

    def __init__(
        self,
        total_images: int | None,
        *,
        objective: str,
        classes: int = 0,
        pictures: int | None = None,
        paints: bool = False,
    ) -> None:
        """`total_images`: the run's length where known. `objective` decides whether a logit above 0 means "real".

        paints: pictures from pictures. `classes` of the game and `pictures` to train on are for the words.
        """
        self.total_images, self.objective = total_images, objective
        self.limits = signs.OF_PAINTERS if paints else signs.Limits()
        self.facts = Facts(classes, pictures, paints)
        self.course = Course()
        self._seen = {name: _Seen() for name in RULES}

    @property
    def sick(self) -> tuple[Kind, ...]:
        """What has been told and is not over, notes left out."""
        told = [rule.kind for name, rule in RULES.items() if self._seen[name].told and rule.severity != "note"]
        return tuple(dict.fromkeys(told))

    @property
    def healthy_until(self) -> int | None:
        """Images before which nothing showed of what shows now, told or not yet; None where nothing shows.

        A checkpoint written while this is None was written by a healthy run, as far as can be seen.
        """
        on = [seen.since for name, seen in self._seen.items() if seen.times and RULES[name].severity != "note"]
        return min(on, default=None)

    def look(self, measurement: Measurement) -> list[Diagnosis]:
        """What is new with this measurement; usually nothing."""
        self.course.add(measurement)
        shown = self._signs(measurement)
        return [news for name in RULES if (news := self._weigh(name, shown[name], measurement)) is not None]

    def _signs(self, measurement: Measurement) -> dict[str, tuple[str, ...]]:
        """For every rule the names of the numbers that speak for it."""
        now, course, limits = measurement.numbers, self.course, self.limits
        shown = {
            "not_finite": signs.not_finite(now),
            "explosion": signs.explosion(now),
            "full_collapse": signs.full_collapse(now, course, limits),
            "partial_collapse": signs.partial_collapse(now, course, limits),
            "d_wins": signs.d_wins(now, course, limits),
            "d_loses": signs.d_loses(now, limits),
            "oscillation": signs.oscillation(course),
            "d_overfits": signs.d_overfits(now, self.objective, limits),
            "memorises": signs.memorises(now, course),
            "identity": painter_signs.identity(now, course),
            "harm": painter_signs.harm(now),
            "contrast_lost": painter_signs.contrast_lost(now),
        }
        if self._is_warming_up(measurement.images):
            shown = {name: found if RULES[name].in_warm_up else () for name, found in shown.items()}
        return shown

    def _is_warming_up(self, images: int) -> bool:
        early = self.total_images is not None and images < WARM_UP_SHARE * self.total_images
        return early or self.course.inspections <= WARM_UP

    def _weigh(self, name: str, shown: tuple[str, ...], now: Measurement) -> Diagnosis | None:
        seen, rule = self._seen[name], RULES[name]
        if shown:
            seen.since = seen.since if seen.times else self._began(name, now.images)
            seen.times, seen.gone = seen.times + 1, 0
            if seen.told or seen.times < rule.patience:
                return None
            seen.told = True
            evidence = {key: {**self.course.judged, **now.numbers}[key] for key in shown}
            text = say(name, evidence, since=seen.since, facts=self.facts)
            return Diagnosis(rule.kind, rule.severity, text, evidence, now.images, seen.since)
        seen.gone += 1
        if seen.told and seen.gone < OVER_AFTER:
            return None
        over, seen.times, seen.told = seen.told, 0, False
        return Diagnosis("healthy", "note", OVER[name], {}, now.images, now.images) if over else None

    def _began(self, name: str, images: int) -> int:
        """A run that is stuck is so since its last gain, not since that was noticed."""
        if name == "d_wins" and self.course.no_nearer:
            return self.course.nearer_at
        if name.endswith(("collapse", "identity")) and self.course.stuck:
            return self.course.gained_at
        return images

    def to_json(self) -> dict[str, Any]:
        """All it remembers, for the checkpoint: what goes on from there says what would have been said."""
        return {"course": self.course.to_json(), "seen": {name: asdict(seen) for name, seen in self._seen.items()}}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Undo `to_json`. A rule that the kept memory does not know begins anew."""
        self.course = Course.from_json(kept["course"])
        self._seen = {name: _Seen(**kept["seen"].get(name, {})) for name in RULES}
