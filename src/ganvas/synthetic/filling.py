"""Draw, look, keep: round by round, until every class has what it lacks or has been tried often enough.

What D finds least real is left out: of all candidates of a class so far the best `keep` share stays. That is the
rejection sampling of Azadi et al. (2019) made simple: a quantile in the place of an estimated density ratio.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganvas.images import Integers
from ganvas.model import Model
from ganvas.synthetic.filters import AT_ONCE, Filters, Seen, digest
from ganvas.synthetic.need import Need

KEPT, OTHER_CLASS, NOT_NEEDED, BELOW_BAR, COPY, REPEAT = "kondcr"
SMALLEST_ROUND, LARGEST_ROUND = 32, 256  # candidates: a quantile needs some, the memory has room for so many
ROUND_BYTES = 64 << 20

Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Round:
    """Candidates of the seeds from `first_seed` on, and what became of each: `outcomes` has a letter for every one.

    asked: the class they were drawn as, None for a generator that knows none. digests: of those that were kept.
    """

    asked: int | None
    first_seed: int
    classes: list[int]
    certainty: list[float]
    logits: list[float]
    outcomes: str
    digests: list[str]


@dataclass(frozen=True)
class Picture:
    """A picture that was kept."""

    seed: int
    label: int
    certainty: float
    logit: float
    digest: str


class Filled:
    """How far the classes are filled: what all rounds so far have left, and nothing else, so it can be read again."""

    def __init__(self, need: Need, *, tries: int, conditional: bool) -> None:
        self.need = need
        self.pictures: list[Picture] = []
        self.counts: list[Counter[str]] = [Counter() for _ in need.names]  # outcomes of each class
        self.logits: list[list[float]] = [[] for _ in need.names]  # of candidates that are of their class
        self.digests: set[str] = set()
        self.next_seed = 0
        self.limits = _limits(need, tries, conditional)
        self._drawn: Counter[int | None] = Counter()

    def add(self, done: Round) -> None:
        digests = iter(done.digests)
        for i, outcome in enumerate(done.outcomes):
            label = done.classes[i]
            self.counts[label][outcome] += 1
            if outcome not in (OTHER_CLASS, NOT_NEEDED):
                self.logits[label].append(done.logits[i])
            if outcome == KEPT:
                seed, known = done.first_seed + i, next(digests)
                self.pictures.append(Picture(seed, label, done.certainty[i], done.logits[i], known))
                self.digests.add(known)
        self.next_seed = done.first_seed + len(done.outcomes)
        self._drawn[done.asked] += len(done.outcomes)

    def left(self, label: int) -> int:
        """Pictures of a class that are still wanted."""
        return self.need.wanted[label] - self.counts[label][KEPT]

    def due(self, asked: int | None, largest: int) -> int:
        """How many candidates to draw next as that class (None: as any): 0 when it is full or was tried enough."""
        wanted = sum(map(self.left, self.need.short)) if asked is None else self.left(asked)
        if not wanted:
            return 0
        # Somewhat more than are wanted, for the filters; the last ones may be rare.
        count = max(SMALLEST_ROUND, 2 * wanted) if asked is not None else largest
        return min(count, largest, self.limits[asked] - self._drawn[asked])


def _limits(need: Need, tries: int, conditional: bool) -> dict[int | None, int]:
    """The most candidates drawn as each class; of a generator that knows none, under None, as any."""
    if conditional:
        return {label: max(LARGEST_ROUND, tries * need.wanted[label]) for label in need.short}
    # A class that is one picture in a hundred comes up once in a hundred draws.
    draws = [need.wanted[label] * sum(need.real) / max(need.real[label], 1) for label in need.short]
    return {None: max(LARGEST_ROUND, math.ceil(tries * max(draws)))}


def fill(
    model: Model,
    filters: Filters,
    filled: Filled,
    *,
    keep: float,
    trunc: float,
    save: Callable[[Round, Sequence[Integers]], None],
    show: Show,
) -> None:
    """Draw rounds and add them to `filled`; `save` gets each before, with the pictures [C, H, W] that are kept."""
    height, width = model.config.resolution
    size = height * width * model.config.channels * model.config.bits // 8
    largest = max(8, min(LARGEST_ROUND, ROUND_BYTES // size))
    conditional = model.config.classes > 0
    for asked in filled.need.short if conditional else (None,):
        while count := filled.due(asked, largest):
            done, kept = _round(model, filters, filled, asked, count, keep, trunc)
            save(done, kept)
            filled.add(done)
            show("drawing", len(filled.pictures), sum(filled.need.wanted))


def _round(
    model: Model, filters: Filters, filled: Filled, asked: int | None, count: int, keep: float, trunc: float
) -> tuple[Round, list[Integers]]:
    seeds = range(filled.next_seed, filled.next_seed + count)
    labels = None if asked is None else [asked] * count
    drawn = model.sample(seeds, trunc=trunc, batch=AT_ONCE, labels=labels)
    images: Integers = np.ascontiguousarray(drawn.transpose(0, 3, 1, 2))  # type: ignore[assignment]
    seen = filters.look(images, asked)
    outcomes = _outcomes(filters, filled, images, seen, keep)
    left, known, kept, digests = [filled.left(i) for i in range(len(filled.need.names))], set(filled.digests), [], []
    for i in np.flatnonzero(outcomes == KEPT):
        own, label = digest(images[i]), int(seen.classes[i])
        if own in known:
            outcomes[i] = REPEAT
        elif not left[label]:
            outcomes[i] = NOT_NEEDED
        else:
            left[label] -= 1
            known.add(own)
            kept.append(images[i])
            digests.append(own)
    numbers = seen.classes.tolist(), seen.certainty.tolist(), seen.logits.tolist()
    return Round(asked, seeds[0], *numbers, "".join(outcomes), digests), kept


def _outcomes(filters: Filters, filled: Filled, images: Integers, seen: Seen, keep: float) -> NDArray[np.str_]:
    """What the filters make of each candidate: [N] letters, KEPT for those that pass them all."""
    outcomes = np.where(seen.agrees, KEPT, OTHER_CLASS)
    for label in np.unique(seen.classes[seen.agrees]).tolist():
        rows = seen.agrees & (seen.classes == label)
        if not filled.need.wanted[label]:
            outcomes[rows] = NOT_NEEDED
            continue
        so_far = np.concatenate([filled.logits[label], seen.logits[rows]])
        outcomes[rows & (seen.logits < np.quantile(so_far, 1 - keep))] = BELOW_BAR
    passed = np.flatnonzero(outcomes == KEPT)
    outcomes[passed[filters.copies.found(images[passed])]] = COPY
    return outcomes
