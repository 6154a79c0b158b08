"""What a study is, and what it shows to whom: in which order, on which side. Pure; seeds decide all of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ganvas.errors import UsageError

Mode = Literal["pairwise", "real-or-generated"]
Question = Literal["real", "prefer", "real or generated"]
Upscaling = Literal["lanczos", "nearest"]
Kind = Literal["pair", "single", "check"]
Role = Literal["A", "B", "real", "intact", "ruined", "example"]
Answer = Literal["left", "right", "real", "generated"]

WORDS: dict[Question, str] = {
    "real": "Which picture looks more real?",
    "prefer": "Which picture do you prefer?",
    "real or generated": "Is this picture real or generated?",
}
ITEMS_A_CHECK = 6  # one attention check among so many pictures or pairs
FEWEST_CHECKS = 5
EXAMPLES = 12  # real pictures shown before a real-or-generated study: nobody can tell what they have never seen


class Compared(BaseModel):
    """One set of pictures in a study: where they come from and what identifies them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    given: str  # as the user named it
    kind: Literal["model", "source"]
    sha256: str  # of a model's weights file; of a source, its fingerprint
    height: int = Field(ge=1)  # pixels before they are brought to the size that is shown
    width: int = Field(ge=1)
    channels: int = Field(ge=1, le=4)
    recipe: str = ""
    weights: str = ""  # averaged or raw
    images_seen: int | None = None
    seeds: tuple[int, ...] = ()
    split: str = ""  # of real pictures: which part of the data


class Study(BaseModel):
    """All that decides what is shown. Read from a file, so checked.

    n: pairs, or single pictures, that each rater judges; half of the single ones are real. checks: how many attention
    checks are among them. height, width: pixels of every picture as it is sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    version: str
    created: str
    question: Question
    n: int = Field(ge=2, le=10_000)
    checks: int = Field(ge=0)
    seed: int = Field(ge=0, lt=2**31)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    upscaling: Upscaling
    a: Compared
    b: Compared | None = None
    real: Compared | None = None

    @property
    def mode(self) -> Mode:
        return "pairwise" if self.b is not None else "real-or-generated"

    @property
    def examples(self) -> int:
        """Real pictures shown before the first question."""
        return EXAMPLES if self.mode == "real-or-generated" else 0

    @property
    def generated(self) -> int:
        """How many of the single pictures are generated; the others are real."""
        return self.n - self.n // 2

    @property
    def screens(self) -> int:
        """What one rater answers in all."""
        return self.n + self.checks


@dataclass(frozen=True)
class Wishes:
    """What the user said about a study; None leaves it to the default of a new one, or to what an old one has."""

    n: int | None = None
    question: Question | None = None
    data: str | None = None
    seed: int | None = None
    size: int | None = None
    upscaling: Upscaling | None = None


@dataclass(frozen=True)
class Shown:
    """A picture's place in the study."""

    role: Role
    number: int


@dataclass(frozen=True)
class Screen:
    """What one rater sees at once, left to right, and the answer it is compared with.

    truth: of a pair the side of A; of a single picture what it is; of a check the right answer.
    """

    kind: Kind
    item: int
    pictures: tuple[Shown, ...]
    truth: Answer

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What may be answered, in the order of the keys 1 and 2."""
        return ("left", "right") if len(self.pictures) == 2 else ("real", "generated")


def check_count(n: int) -> int:
    """How many attention checks go with n pictures or pairs."""
    return max(FEWEST_CHECKS, round(n / ITEMS_A_CHECK))


@lru_cache(maxsize=64)
def schedule(study: Study, rater: int) -> tuple[Screen, ...]:
    """The screens of rater number `rater` (from 1), in order: every item once, the checks spread among them.

    Order and sides are the rater's own. A stands left in half of the pairs; what the first of two raters sees
    on one side, the second sees on the other, so that items are balanced over raters too.
    """
    if rater < 1:
        raise UsageError(f"rater {rater} cannot be: raters count from 1")
    lefts = _lefts(study.n, rater, study.seed, "sides")
    items = [_item(study, item, item in lefts) for item in shuffled(study.n, study.seed, "order", rater)]
    lefts = _lefts(study.checks, rater, study.seed, "check sides")
    checks = [_check(study, check, check in lefts) for check in shuffled(study.checks, study.seed, "checks", rater)]
    if not checks:
        return tuple(items)
    screens: list[Screen] = []
    for place, check in enumerate(checks):
        part = items[study.n * place // study.checks : study.n * (place + 1) // study.checks]
        before = shuffled(len(part) + 1, study.seed, "place", rater, place)[0]
        screens += [*part[:before], check, *part[before:]]
    return tuple(screens)


def _item(study: Study, item: int, left: bool) -> Screen:
    if study.mode == "pairwise":
        return _two("pair", item, Shown("A", item), Shown("B", item), left)
    if item < study.generated:
        return Screen("single", item, (Shown("A", item),), "generated")
    return Screen("single", item, (Shown("real", item - study.generated),), "real")


def _check(study: Study, check: int, left: bool) -> Screen:
    if study.mode == "pairwise":
        return _two("check", check, Shown("intact", check), Shown("ruined", check), left)
    return Screen("check", check, (Shown("ruined", check),), "generated")


def _two(kind: Kind, item: int, first: Shown, second: Shown, left: bool) -> Screen:
    """Two pictures; the truth is the side of the first."""
    return Screen(kind, item, (first, second) if left else (second, first), "left" if left else "right")


def _lefts(count: int, rater: int, *key: int | str) -> frozenset[int]:
    """The half of the items whose first picture stands left; of the second of two raters it is the other half."""
    couple, second = divmod(rater - 1, 2)
    order = shuffled(count, *key, couple)
    half = (count + 1) // 2
    return frozenset(order[half:] if second else order[:half])


def shuffled(count: int, *key: int | str) -> list[int]:
    """0 to count - 1 in an order of the key's own, the same on every machine and in every version of a library."""
    return sorted(range(count), key=lambda i: hashlib.sha256(f"{key} {i}".encode()).digest())
