"""From answers to words, on answers made by hand."""

from __future__ import annotations

import pytest
from made_up_studies import study

from ganvas.rating.passport import passport, to_json
from ganvas.rating.results import guessing_passes, results_of, table_of, words_of
from ganvas.rating.storage import Judgement, Rater
from ganvas.rating.study import Study, schedule


def answers(of: Study, rater: int, chooses, misses: int = 0) -> list[Judgement]:
    """All answers of a rater: `chooses(screen)` says whether it is the truth; the first `misses` checks are missed."""
    other = {"left": "right", "right": "left", "real": "generated", "generated": "real"}
    given = []
    for position, screen in enumerate(schedule(of, rater)):
        true = chooses(screen)
        if screen.kind == "check":
            true, misses = misses <= 0, misses - 1
        answer = screen.truth if true else other[screen.truth]
        given.append(
            Judgement(rater, position, screen.kind, screen.item, screen.truth, answer, 1000 * (1 + position % 3), 256)
        )
    return given


def raters(count: int) -> list[Rater]:
    return [Rater(number, f"name{number}" if number % 2 else None, f"key{number}") for number in range(1, count + 1)]


def test_a_side_that_always_wins_wins_and_the_interval_is_wilsons():
    asked = study(20)
    results = results_of(asked, raters(1), answers(asked, 1, lambda s: True))
    assert (results.share.value, results.share.high, results.judgements) == (1.0, 1.0, 20)
    assert results.share.low == pytest.approx(0.8389, abs=1e-4)
    assert "A was taken for the more real one in 100%" in words_of(results)
    assert "A wins." in words_of(results)
    assert "one rater spoke" in words_of(results)


def test_b_wins_when_a_loses_and_a_preference_is_called_one():
    asked = study(20, question="prefer")
    results = results_of(asked, raters(1), answers(asked, 1, lambda s: s.item == 0))
    assert results.share.value == 0.05
    assert words_of(results).startswith("A was preferred in 5%")
    assert "B wins." in words_of(results)


def test_half_and_half_is_within_the_noise_and_says_so():
    asked = study(20)
    judgements = [j for r in (1, 2) for j in answers(asked, r, lambda s: s.item < 11)]
    words = words_of(results_of(asked, raters(2), judgements))
    assert "within the noise" in words
    assert "wins" not in words
    assert "2 raters spoke" in words


def test_two_raters_on_the_same_pictures_are_no_more_certain_than_one_who_agrees():
    asked = study(20)
    one = results_of(asked, raters(1), answers(asked, 1, lambda s: s.item < 13)).share
    judgements = [j for r in (1, 2) for j in answers(asked, r, lambda s: s.item < 13)]
    both = results_of(asked, raters(2), judgements)
    assert (both.share.low, both.share.high) == pytest.approx((one.low, one.high), abs=0.01)
    assert (both.share.answers, both.agreement.share, both.agreement.items) == (40, 1.0, 20)


def test_a_rater_who_misses_more_than_a_fifth_of_the_checks_is_left_out_and_named():
    asked = study(20)
    careful, careless = answers(asked, 1, lambda s: True, misses=1), answers(asked, 2, lambda s: False, misses=2)
    results = results_of(asked, raters(2), careful + careless)
    assert [r.left_out for r in results.raters] == ["", "missed 2 of 5 attention checks"]
    assert (results.counted, results.judgements, results.share.value) == (1, 20, 1.0)
    assert "Left out: rater 2 missed 2 of 5 attention checks." in words_of(results)


def test_who_has_met_no_check_yet_does_not_count_yet():
    asked = study(20)
    first = next(i for i, s in enumerate(schedule(asked, 3)) if s.kind == "check")
    begun = answers(asked, 3, lambda s: True)
    without = results_of(asked, raters(3), begun[:first])
    assert without.share is None
    assert words_of(without).startswith("Nobody's answers count yet.")
    assert results_of(asked, raters(3), begun[: first + 2]).share.answers == first + 1


def test_guessing_passes_five_checks_three_times_of_sixteen():
    assert guessing_passes(5) == 6 / 32  # none or one of five missed
    assert guessing_passes(8) == 9 / 256


def test_the_error_rate_is_split_into_generated_and_real():
    asked = study(20, single=True)  # items 0 to 9 are generated, 10 to 19 real
    results = results_of(asked, raters(1), answers(asked, 1, lambda s: s.item not in (0, 1, 2, 3, 10)))
    assert (results.share.value, results.on_generated.value, results.on_real.value) == (0.25, 0.4, 0.1)
    words = words_of(results)
    assert "25%" in words
    assert "40% of those on generated pictures, 10% of those on real ones" in words
    assert "People can tell" in words


def test_guessers_are_within_the_noise_of_guessing():
    asked = study(20, single=True)
    words = words_of(results_of(asked, raters(1), answers(asked, 1, lambda s: s.item % 2 == 0)))
    assert "within the noise of guessing" in words


def test_more_than_guessing_is_told_from_guessing():
    asked = study(40, single=True)
    words = words_of(results_of(asked, raters(1), answers(asked, 1, lambda s: s.item % 8 == 0)))
    assert "pass for real more than the real ones do" in words


def test_a_rater_who_calls_everything_generated_passes_the_checks_but_is_pointed_out():
    asked = study(20, single=True)
    results = results_of(asked, raters(1), answers(asked, 1, lambda s: s.truth == "generated"))
    assert results.share.value == 0.5
    assert "Always the same answer: name1 (generated)." in words_of(results)


def test_seconds_are_the_middle_and_checks_are_no_judgements():
    asked = study(20)
    results = results_of(asked, raters(1), answers(asked, 1, lambda s: True))
    assert results.seconds == 2.0
    assert results.raters[0].judgements == 20
    assert results.raters[0].checks == 5


def test_the_table_names_everyone_with_their_checks():
    asked = study(20)
    judgements = answers(asked, 1, lambda s: True) + answers(asked, 2, lambda s: True, misses=5)
    table = dict(table_of(results_of(asked, raters(2), judgements)))
    assert table["name1"].startswith("A chosen 100%")
    assert table["rater 2"].endswith("5 of 5 checks missed, left out")


def test_the_passport_says_all_that_the_number_needs():
    asked = study(20, single=True)
    judgements = [j for r in (1, 2) for j in answers(asked, r, lambda s: s.item < 15, misses=2 * (r - 1))]
    results = results_of(asked, raters(2), judgements)
    found = passport(results)
    assert found["metric"] == "human_error_rate"
    assert found["value"] == results.share.value == 0.25
    assert found["interval"] == [results.share.low, results.share.high]
    assert found["a"]["sha256"] == "a" * 64
    assert found["b"] is None
    assert found["raters"] == {"joined": 2, "counted": 1, "left_out": 1}
    assert found["shown"]["width_on_screens"] == [256, 256]
    assert "more than 20%" in found["attention"]["rule"]
    document = to_json(results, judgements, {})
    assert len(document["judgements"]) == 50
    assert document["results"]["error_rate"]["value"] == 0.25
    assert document["results"]["error_rate_on_real"]["value"] == 0.5


def test_the_passport_of_a_study_without_answers_has_no_number():
    assert passport(results_of(study(), [], []))["value"] is None
