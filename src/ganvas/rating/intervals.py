"""Shares with their intervals: what a count of answers says, and how sure that is."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Z = 1.959963984540054  # of the two-sided 95 % interval
ENOUGH_RATERS = 5  # from here on the raters are taken as a sample of people; fewer speak for themselves


class Outcome(NamedTuple):
    """One answer as it counts: who gave it, about which item, and whether it is of the kind that is counted."""

    rater: int
    item: Hashable
    counted: bool


@dataclass(frozen=True)
class Share:
    """A share of answers with its 95 % interval. effective: how many independent answers would say as much."""

    value: float
    low: float
    high: float
    answers: int
    effective: float


def wilson(share: float, count: float, z: float = Z) -> tuple[float, float]:
    """The score interval of a binomial share (Wilson, 1927): 0 to 1, count above 0 (also effective) -> (low, high)."""
    if count <= 0 or not 0 <= share <= 1:
        raise ValueError(f"a share of {share} of {count} answers cannot be: expected 0 to 1 of more than 0")
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def share_of(outcomes: Sequence[Outcome]) -> Share | None:
    """The share that is counted, with Wilson's interval at the effective number of answers; None without answers."""
    if not outcomes:
        return None
    value = sum(outcome.counted for outcome in outcomes) / len(outcomes)
    effective = effective_count(outcomes)
    low, high = wilson(value, effective)
    return Share(value, low, high, len(outcomes), effective)


def effective_count(outcomes: Sequence[Outcome]) -> float:
    """How many independent answers these are worth: at most their number, less if raters or items agree in themselves.

    Many raters on the same pictures are no sample of as many pictures, so the variance is the one that is robust to
    both groupings (Cameron, Gelbach and Miller, 2011); raters are a grouping from 5 on.
    """
    n = len(outcomes)
    value = sum(outcome.counted for outcome in outcomes) / n
    by_item, by_rater = ([getattr(outcome, group) for outcome in outcomes] for group in ("item", "rater"))
    if value in (0, 1):  # all agree: nothing shows how much of that is the items' doing
        return float(len(set(by_item)))
    residuals = [outcome.counted - value for outcome in outcomes]
    alone = sum(r * r for r in residuals) / n**2
    variances = [alone]
    if 1 < len(set(by_item)) < n:
        variances.append(_grouped_variance(residuals, by_item))
    if ENOUGH_RATERS <= len(set(by_rater)) < n:
        variances.append(_grouped_variance(residuals, by_rater))
    if len(variances) == 3:
        variances.append(variances[1] + variances[2] - alone)
    return min(float(n), value * (1 - value) / max(variances))


def _grouped_variance(residuals: Sequence[float], groups: Sequence[Hashable]) -> float:
    """Variance of a mean whose answers are independent between groups alone."""
    sums: dict[Hashable, float] = defaultdict(float)
    for residual, group in zip(residuals, groups, strict=True):
        sums[group] += residual
    return len(sums) / (len(sums) - 1) * sum(s * s for s in sums.values()) / len(residuals) ** 2


@dataclass(frozen=True)
class Agreement:
    """How far raters agree where they judged the same. alpha: Krippendorff's; 0 is chance, 1 full agreement.

    share: of the pairs of raters on one item, those that agree. None for alpha where all answers are equal.
    """

    share: float
    alpha: float | None
    items: int


def agreement(answers: Iterable[tuple[Hashable, Hashable]]) -> Agreement | None:
    """Of (item, answer); None if no item was judged twice. Alpha for nominal answers (Krippendorff, 2004)."""
    items: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for item, answer in answers:
        items[item][answer] += 1
    shared = [counts for counts in items.values() if counts.total() > 1]
    if not shared:
        return None
    pairs = [(c.total() * (c.total() - 1), sum(k * (k - 1) for k in c.values()), c.total()) for c in shared]
    observed = sum((all_pairs - equal) / (size - 1) for all_pairs, equal, size in pairs)
    totals = sum(shared, Counter())
    n = totals.total()
    expected = (n * n - sum(k * k for k in totals.values())) / (n - 1)
    share = sum(equal for _, equal, _ in pairs) / sum(all_pairs for all_pairs, _, _ in pairs)
    return Agreement(share, None if expected == 0 else 1 - observed / expected, len(shared))
