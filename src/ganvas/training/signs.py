"""The signs of each sickness: from the numbers of one inspection and the course so far to what gives it away.

Each sign is a function that returns the names of the numbers that speak for the sickness, or none. Thresholds were
chosen on short runs of MNIST (`benchmarks/sickness.py`) and are ratios to the reals wherever they can be.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ganvas.settings import SIGN_MEANS_REAL
from ganvas.training.measurement import Measurement

REMEMBERED = 24  # inspections
GAIN = 0.05  # what counts as one in nearness, variety or coverage
LEAST_GAIN_OF_VARIETY = 0.01  # of the reals'
STUCK_AFTER = 8  # inspections without a gain

ALL_ALIKE = 0.003  # of the reals' variance: one picture, or one per class
NEARLY_ALIKE = 0.02  # the same, where it does not grow; an untrained G starts here
ONCE_VARIED = 0.3  # what a run must have had to have lost it
LOST = 0.5  # of its best variety
MANY_TWINS = 0.1  # of the pairs, above the reals'
FEW_CLASSES = 0.7  # of those expected among the samples
STANDING_STILL = 1e-4  # of G's weights
NO_GRADIENT = 1e-8
VANISHED = 1e-3  # of G's usual gradient
D_BLIND = 0.55
EXPLODED_LOGIT, EXPLODED_GRADIENT = 1e4, 1e6
HELD_GAP, HELD_SIGMAS = 0.5, 3.0
REALS_KNOWN = 0.9  # r_t without held-out pictures; Karras et al. (2020) aim at 0.6
ALARMING_COPIES, TIMES_REAL_COPIES = 0.05, 3.0
MANY_COPIES = 0.3  # of the samples, by the cheap measure
COPY_SHARES = ("nearest_copy_share", "real_copy_share")
SWING, SWINGS, SWING_LEAST = 2.5, 4, 0.1  # factor, turns, and the least size of a value whose swings count
SWINGING = 16  # inspections in which the turns must be

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Limits:
    """What differs between pictures from noise and painted ones.

    d_sure: `d_right` of a D that wins. unlike: `far` from which pictures are plainly not like the reals.
    little_variety: over the reals', where it does not grow.
    """

    d_sure: float = 0.98
    unlike: float = 0.25
    little_variety: float = 0.3


# Of a painter D sees each patch, and often the input beside it: it is nearly always right in healthy runs too, which
# are held near the targets by other losses, and blur at first.
OF_PAINTERS = Limits(d_sure=0.999, unlike=0.4, little_variety=0.15)


class Course:
    """What must be remembered of earlier inspections."""

    def __init__(self) -> None:
        self.history: list[Measurement] = []
        self.inspections = 0
        self.best_variety = 0.0
        self.marks: dict[str, float] = {}
        self.since_nearer = self.since_gain = 0  # inspections
        self.nearer_at = self.gained_at = 0  # images
        self.judged: dict[str, float] = {}  # copy shares, which hold until the next judgement

    def add(self, now: Measurement) -> None:
        """Take one inspection in."""
        self.inspections += 1
        self.history = [*self.history, now][-REMEMBERED:]
        self.judged.update({name: now.numbers[name] for name in COPY_SHARES if name in now.numbers})
        varieties = [variety(past.numbers) for past in self.history[-3:]]
        if self.inspections >= 3:  # the middle of three: one odd sheet is no height to fall from
            self.best_variety = max(self.best_variety, min(1.0, statistics.median(varieties)))
        nearer, varied = self._is_nearer(now.numbers), self._is_more_varied(now.numbers)
        self.since_nearer, self.since_gain = self.since_nearer + 1, self.since_gain + 1
        if nearer:
            self.since_nearer, self.nearer_at = 0, now.images
        if nearer or varied:
            self.since_gain, self.gained_at = 0, now.images

    @property
    def stuck(self) -> bool:
        """Whether nothing was gained for a while: no nearer, no more varied, no more of the reals covered."""
        return self.since_gain >= STUCK_AFTER

    @property
    def no_nearer(self) -> bool:
        """Whether the samples came no nearer to the reals for a while, more varied or not."""
        return self.since_nearer >= STUCK_AFTER

    def usual(self, name: str) -> float | None:
        """The median of a number before now; None below five values."""
        values = [past.numbers[name] for past in self.history[:-1] if name in past.numbers]
        return statistics.median(values) if len(values) >= 5 else None

    def _is_nearer(self, numbers: Numbers) -> bool:
        found = [
            self._beats(name, numbers[name], self.marks.get(name, math.inf) * (1 - GAIN))
            for name in ("far", "error", "distance")
            if name in numbers
        ]
        missed = 1 - numbers.get("coverage", 0.0)
        return any([*found, self._beats("missed", missed, self.marks.get("missed", math.inf) - GAIN)])

    def _is_more_varied(self, numbers: Numbers) -> bool:
        mark = self.marks.get("alike", math.inf)
        alike = 1 - min(variety(numbers), 1.0)
        return self._beats("alike", alike, mark - max(GAIN * (1 - mark), LEAST_GAIN_OF_VARIETY))

    def _beats(self, name: str, value: float, limit: float) -> bool:
        """Whether a value is below the limit; it is then the new mark."""
        if not value < limit:
            return False
        self.marks[name] = value
        return True

    def to_json(self) -> dict[str, Any]:
        """All of it, exactly."""
        return {
            "history": [past.to_json() for past in self.history],
            "inspections": self.inspections,
            "best_variety": self.best_variety,
            "marks": self.marks,
            "since_nearer": self.since_nearer,
            "since_gain": self.since_gain,
            "nearer_at": self.nearer_at,
            "gained_at": self.gained_at,
            "judged": self.judged,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Course:
        """Undo `to_json`."""
        course = cls()
        course.history = [Measurement.from_json(past) for past in kept["history"]]
        course.inspections = int(kept["inspections"])
        course.since_nearer, course.since_gain = int(kept["since_nearer"]), int(kept["since_gain"])
        course.nearer_at, course.gained_at = int(kept["nearer_at"]), int(kept["gained_at"])
        course.best_variety, course.marks = float(kept["best_variety"]), dict(kept["marks"])
        course.judged = dict(kept["judged"])
        return course


def variety(numbers: Numbers) -> float:
    """The lesser of the spread as a whole and inside the classes: 1 is as diverse as the reals."""
    return min(numbers.get("spread", 1.0), numbers.get("spread_within", numbers.get("spread", 1.0)))


def not_finite(now: Numbers) -> tuple[str, ...]:
    """A number that is none."""
    return ("not_finite",) if now.get("not_finite", 0) > 0 else ()


def explosion(now: Numbers) -> tuple[str, ...]:
    """Logits or gradients beyond any that a game at rest has."""
    limits = {"logit_size": EXPLODED_LOGIT, "g_grad": EXPLODED_GRADIENT, "d_grad": EXPLODED_GRADIENT}
    return tuple(name for name, limit in limits.items() if now.get(name, 0.0) > limit)


def full_collapse(now: Numbers, course: Course, limits: Limits) -> tuple[str, ...]:
    """One picture, or one per class, whatever the noise."""
    nearly = variety(now) < NEARLY_ALIKE and course.stuck and not _never_learned(now, course, limits)
    alike = variety(now) < ALL_ALIKE or nearly
    return _present(now, "spread", "spread_within", "twin_share") if alike else ()


def partial_collapse(now: Numbers, course: Course, limits: Limits) -> tuple[str, ...]:
    """Variety that was there and is lost, or that is little and does not grow; many pictures twice; classes missing."""
    if (
        not course.stuck
        or _never_learned(now, course, limits)
        or full_collapse(now, course, limits)
        or memorises(now, course)
    ):
        return ()  # not that, or something else that explains it
    little = variety(now) < limits.little_variety
    lost = course.best_variety > ONCE_VARIED and variety(now) < LOST * course.best_variety
    twins = now.get("twin_share", 0.0) - now.get("real_twin_share", 0.0) > MANY_TWINS
    missing = now.get("class_coverage", 1.0) < FEW_CLASSES
    if little or lost or twins or missing:
        return _present(now, "spread", "spread_within", "twin_share", "real_twin_share", "coverage", "class_coverage")
    return ()


def d_wins(now: Numbers, course: Course, limits: Limits) -> tuple[str, ...]:
    """D is always right and G learns nothing from it: it stands still, has no gradient, or comes no nearer."""
    if now.get("d_right", 0.0) < limits.d_sure or now.get("far", 0.0) < limits.unlike:
        return ()
    gradient, usual = now.get("g_grad"), course.usual("g_grad")
    still = now.get("moving", 1.0) < STANDING_STILL
    vanished = gradient is not None and gradient < max(NO_GRADIENT, VANISHED * (usual or 0.0))
    return _present(now, "d_right", "g_grad", "moving", "far") if still or vanished or course.no_nearer else ()


def _never_learned(now: Numbers, course: Course, limits: Limits) -> bool:
    """Little variety because nothing was ever learned from a D that is always right: that is not a collapse."""
    return course.best_variety < ONCE_VARIED and bool(d_wins(now, course, limits))


def d_loses(now: Numbers, limits: Limits) -> tuple[str, ...]:
    """D cannot tell fakes from reals although they are plainly different."""
    blind = now.get("d_right", 1.0) < D_BLIND and now.get("far", 0.0) > limits.unlike
    return _present(now, "d_right", "far", "coverage") if blind else ()


def oscillation(course: Course) -> tuple[str, ...]:
    """A distance or the variety that swings up and down by a factor, again and again."""
    found = []
    for name in ("far", "distance", "raw_spread"):
        values = [past.numbers[name] for past in course.history[-SWINGING:] if name in past.numbers]
        if _turns(values) >= SWINGS:
            found.append(name)
    return tuple(found)


def d_overfits(now: Numbers, objective: str, limits: Limits) -> tuple[str, ...]:
    """D takes held-out reals for fakes; or, without those, it knows all the reals although the samples are like them.

    While the samples are unlike, a D that knows the reals is only right.
    """
    if "held_gap" in now:
        overfits = now["held_gap"] > HELD_GAP and now.get("held_sigmas", 0.0) > HELD_SIGMAS
        return _present(now, "held_gap", "held_sigmas") if overfits else ()
    known = now.get("real_sign", 0.0) > REALS_KNOWN and now.get("d_right", 0.0) > limits.d_sure
    alike = now.get("far", math.inf) < limits.unlike
    return _present(now, "real_sign", "d_right") if objective in SIGN_MEANS_REAL and known and alike else ()


def memorises(now: Numbers, course: Course) -> tuple[str, ...]:
    """Copies, as judged; or as seen from the watched reals."""
    share, of_reals = (course.judged.get(name, 0.0) for name in COPY_SHARES)
    if share > max(ALARMING_COPIES, TIMES_REAL_COPIES * of_reals):
        return _present(course.judged, *COPY_SHARES)
    return _present(now, "copy_share") if now.get("copy_share", 0.0) > MANY_COPIES else ()


def _present(now: Numbers, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in now)


def _turns(values: Iterable[float]) -> int:
    """How often a series turned round by more than `SWING`, counting only values of some size."""
    turns, direction, extreme = 0, 0, None
    for value in values:
        size = max(value, SWING_LEAST)
        if extreme is None:
            extreme = size
        elif (direction <= 0 and size > extreme * SWING) or (direction >= 0 and size < extreme / SWING):
            turns += direction != 0
            direction = 1 if size > extreme else -1
            extreme = size
        elif direction != 0:
            extreme = max(extreme, size) if direction > 0 else min(extreme, size)
    return turns
