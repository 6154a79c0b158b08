"""What a study shows to whom: seeded, balanced, every item as often, the checks among them."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from made_up_studies import study

from ganvas.errors import UsageError
from ganvas.rating.study import Shown, check_count, schedule, shuffled


def test_every_rater_sees_every_pair_once_and_every_check_once():
    asked = study(20)
    for rater in range(1, 8):
        screens = schedule(asked, rater)
        assert len(screens) == asked.screens == 25
        for kind, count in (("pair", 20), ("check", 5)):
            assert sorted(s.item for s in screens if s.kind == kind) == list(range(count))


def test_a_stands_left_in_half_of_the_pairs_and_the_truth_is_its_side():
    for rater in range(1, 8):
        pairs = [s for s in schedule(study(20), rater) if s.kind == "pair"]
        lefts = [s for s in pairs if s.pictures[0].role == "A"]
        assert len(lefts) == 10
        for screen in pairs:
            expected = {Shown("A", screen.item), Shown("B", screen.item)}
            assert set(screen.pictures) == expected
            assert screen.truth == ("left" if screen.pictures[0].role == "A" else "right")


def test_the_second_of_two_raters_sees_every_pair_and_every_check_the_other_way_round():
    for first in (1, 3, 5):
        one, two = ({(s.kind, s.item): s.truth for s in schedule(study(21), rater)} for rater in (first, first + 1))
        assert one.keys() == two.keys()
        assert all(one[screen] != two[screen] for screen in one)


def test_orders_and_sides_differ_between_raters_and_seeds_and_are_always_the_same_for_one():
    assert schedule(study(20), 1) == schedule(study(20), 1)
    orders = {tuple(s.item for s in schedule(study(20, seed=seed), rater)) for seed in (0, 1) for rater in range(1, 6)}
    sides = {
        frozenset(s.item for s in schedule(study(20), rater) if s.kind == "pair" and s.truth == "left")
        for rater in (1, 3, 5)
    }
    assert len(orders) == 10
    assert len(sides) == 3


def test_an_order_is_the_same_in_every_version_or_studies_under_way_would_be_mixed_up():
    assert shuffled(8, 0, "order", 1) == [5, 0, 2, 4, 1, 6, 7, 3]


def test_checks_are_spread_and_none_is_far_from_the_next():
    for rater in range(1, 20):
        places = [i for i, s in enumerate(schedule(study(60), rater)) if s.kind == "check"]
        assert len(places) == 10
        assert places[0] <= 6
        assert max(b - a for a, b in itertools.pairwise(places)) <= 2 * 6 + 1


def test_in_a_check_the_ruined_picture_is_never_the_right_answer():
    for rater in (1, 2):
        for screen in schedule(study(20), rater):
            if screen.kind == "check":
                right = screen.pictures[0 if screen.truth == "left" else 1]
                assert right == Shown("intact", screen.item)


@pytest.mark.parametrize("n", [20, 21])
def test_half_of_the_single_pictures_are_real_and_ruined_ones_count_as_generated(n):
    asked = study(n, single=True)
    screens = schedule(asked, 1)
    singles = [s for s in screens if s.kind == "single"]
    assert Counter(s.truth for s in singles) == {"real": n // 2, "generated": n - n // 2}
    for screen in screens:
        (shown,) = screen.pictures
        assert {"A": "generated", "ruined": "generated", "real": "real"}[shown.role] == screen.truth
        assert screen.answers == ("real", "generated")
    assert len({s.pictures for s in singles}) == n


def test_examples_are_not_among_what_is_judged():
    roles = {shown.role for screen in schedule(study(20, single=True), 1) for shown in screen.pictures}
    assert roles == {"A", "real", "ruined"}


def test_there_is_about_one_check_for_six_items_and_never_fewer_than_five():
    assert [check_count(n) for n in (2, 10, 30, 50, 120)] == [5, 5, 5, 8, 20]


def test_raters_count_from_one():
    with pytest.raises(UsageError, match="rater 0"):
        schedule(study(), 0)
