"""Where there is next to nothing to compare with, a check ends with words, not with an error or an accusation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from copyists import Averages, digits

from ganvas.evaluation.memorisation.card import memorisation_card
from ganvas.evaluation.memorisation.check import check_memorisation
from ganvas.evaluation.memorisation.rates import Rate
from ganvas.evaluation.memorisation.reals import Reals
from ganvas.evaluation.memorisation.result import Memorisation


def check(samples: np.ndarray, train: np.ndarray, held_out: np.ndarray | None = None) -> Memorisation:
    """With a look at the document and the card on the way: they must be whole whatever was found."""
    found = check_memorisation(samples, Reals(train, held_out), Averages())
    json.dumps(found.to_json(), allow_nan=False)
    assert found.copy_words() in memorisation_card(found)
    return found


def test_one_held_out_picture_neither_sets_the_scale_nor_tells_of_membership():
    pictures = digits()
    found = check(pictures[:30], pictures[30:100], pictures[100:101])
    assert found.left_out == "training pictures against the other training pictures"
    assert found.membership.worst is None
    assert "could not be measured: 1 held-out pictures, at least 8 are needed" in found.membership_words()


def test_fewer_pictures_than_neighbours_are_enough():
    pictures = digits()
    found = check(pictures[[0, 50]], pictures[[50, 51, 52]])
    assert found.copies == Rate.of(1, 2)
    assert len(found.pairs) == 2


def test_of_equal_pictures_all_over_nothing_can_be_told():
    same = digits()[:1].repeat(20, axis=0)
    found = check(same, same, same)
    assert found.finding == "unknown"
    assert found.copies.hits == found.real_copies.hits == 0
    assert "cannot be told" in found.copy_words()


def test_two_training_pictures_are_too_few_to_tell():
    pictures = digits()
    assert check(pictures[:10], pictures[10:12]).finding == "unknown"


def test_plain_pictures_all_over_are_too_alike_to_tell():
    plain = np.arange(0, 200, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 16, 16), np.uint8)
    assert check(plain[::2], plain[1::2]).finding == "unknown"


def test_the_interval_of_a_rate_is_wilsons():
    assert Rate.of(0, 10).low == 0
    assert Rate.of(0, 10).high == pytest.approx(0.2775, abs=1e-4)
    half = Rate.of(50, 100)
    assert (half.low, half.high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert Rate.of(3, 3).high == 1


def test_a_share_exceeds_another_by_more_than_chance_or_not():
    assert not Rate.of(14, 400).exceeds(Rate.of(19, 497))
    assert not Rate.of(24, 380).exceeds(Rate.of(28, 740))
    assert Rate.of(32, 400).exceeds(Rate.of(19, 497))
    assert not Rate.of(19, 497).exceeds(Rate.of(32, 400))


def test_chance_makes_equal_shares_exceed_each_other_in_one_case_of_a_hundred():
    rng = np.random.default_rng(0)
    pairs = rng.binomial(500, 0.04, (3000, 2)).tolist()
    assert sum(Rate.of(mine, 500).exceeds(Rate.of(theirs, 500)) for mine, theirs in pairs) / len(pairs) <= 0.012
