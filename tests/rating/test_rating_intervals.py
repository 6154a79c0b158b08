"""Shares with their intervals: known values, references, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from ganvas.rating.intervals import Outcome, agreement, effective_count, share_of, wilson


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    # The first two are those of Newcombe (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],
)
def test_wilson_gives_the_published_values(wins, n, low, high):
    assert wilson(wins / n, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_that_of_scipy():
    for n in (1, 7, 50, 400):
        for wins in range(0, n + 1, max(1, n // 7)):
            expected = binomtest(wins, n).proportion_ci(0.95, method="wilson")
            assert wilson(wins / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_refuses_what_is_no_share():
    for share, count in ((0.5, 0), (1.2, 10)):
        with pytest.raises(ValueError, match="cannot be"):
            wilson(share, count)


def test_one_rater_gets_wilson_itself():
    share = share_of([Outcome(1, item, item < 30) for item in range(50)])
    assert (share.value, share.answers, share.effective) == (0.6, 50, pytest.approx(50))
    assert (share.low, share.high) == pytest.approx(wilson(0.6, 50))


def test_raters_who_all_say_the_same_of_each_picture_are_worth_no_more_than_the_pictures():
    copies = [Outcome(rater, item, item % 2 == 0) for rater in range(20) for item in range(40)]
    assert effective_count(copies) == pytest.approx(40, rel=0.03)
    unanimous = [Outcome(rater, item, True) for rater in range(20) for item in range(40)]
    assert effective_count(unanimous) == 40


def test_raters_who_each_always_say_the_same_are_worth_no_more_than_the_raters():
    stubborn = [Outcome(rater, item, rater % 2 == 0) for rater in range(10) for item in range(40)]
    assert effective_count(stubborn) == pytest.approx(10, rel=0.12)


def test_independent_answers_keep_their_number():
    coins = np.random.default_rng(0).random((20, 50)) < 0.6
    n = effective_count([Outcome(r, i, bool(coins[r, i])) for r in range(20) for i in range(50)])
    assert 600 < n <= 1000


def test_without_answers_there_is_no_share():
    assert share_of([]) is None


def coverage(raters: int, items: int, studies: int = 150) -> tuple[float, float]:
    """How often the interval holds the truth: (ours, Wilson on the bare count), where raters and pictures differ."""
    random = np.random.default_rng(1)

    def chance(by_rater: np.ndarray, by_item: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(0.3 + 0.5 * by_rater + by_item)))

    truth = chance(random.standard_normal(200_000), random.standard_normal(200_000)).mean()
    ours = bare = 0
    for _ in range(studies):
        p = chance(random.standard_normal((raters, 1)), random.standard_normal((1, items)))
        said = random.random((raters, items)) < p
        share = share_of([Outcome(r, i, bool(said[r, i])) for r in range(raters) for i in range(items)])
        ours += share.low <= truth <= share.high
        low, high = wilson(said.mean(), said.size)
        bare += low <= truth <= high
    return ours / studies, bare / studies


def test_the_interval_covers_other_people_and_other_pictures_where_the_bare_count_does_not():
    ours, bare = coverage(raters=8, items=30)
    assert ours > 0.88
    assert bare < 0.80


def test_agreement_of_the_textbook_example():
    # Krippendorff (2011), "Computing Krippendorff's alpha-reliability", B: two observers, ten items, binary data.
    first, second = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    found = agreement([*enumerate(first), *enumerate(second)])
    assert found.share == pytest.approx(0.6)
    assert found.alpha == pytest.approx(0.095, abs=5e-4)
    assert found.items == 10


def test_agreement_needs_items_that_two_judged_and_answers_that_differ():
    assert agreement([(0, "A"), (1, "B")]) is None
    same = agreement([(0, "A"), (0, "A"), (1, "B")])
    assert (same.share, same.alpha, same.items) == (1.0, None, 1)
