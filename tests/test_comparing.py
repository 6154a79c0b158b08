"""Runs are ranked where their numbers may be compared, and only as far as chance allows."""

import json
from dataclasses import replace

import pytest

from ganvas.comparing import compare, stored_verdict, within_noise
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.passport import Drawn, Passport
from ganvas.evaluation.verdict import Metric

PROTOCOL = Passport(
    metric="frechet_distance",
    features="classifier",
    features_hash="0123456789ab",
    resize="none",
    value_range="[-1, 1]",
    reference="training pictures",
    reference_fingerprint="f" * 64,
    reference_samples=1000,
    samples=1000,
    drawn=Drawn("0-999", 1.0, "averaged"),
)


def number(value, half=0.1, *, better="lower", metric="frechet_distance", real=None, **passport):
    interval = None if half is None else (value - half, value + half)
    return Metric(value, replace(PROTOCOL, metric=metric, **passport), better, "", interval, real)


def compared(**runs):
    return compare(list(runs), judge=lambda path: runs[str(path)])


def test_a_lead_larger_than_the_noise_is_a_lead():
    line = compared(a=[number(3.0)], b=[number(2.0)]).lines[0]
    assert line.ranks == (2, 1)
    assert line.words == "b is ahead by more than the noise (frechet_distance 2 against 3 of a)."


def test_numbers_that_chance_could_have_swapped_share_a_rank():
    found = compared(a=[number(2.1)], b=[number(2.0)], c=[number(9.0)])
    assert found.lines[0].ranks == (1, 1, 3)
    assert "b and a lie within the noise of each other" in found.words


def test_the_noise_of_a_difference_is_that_of_both_numbers():
    assert within_noise(number(2.0, 0.3), number(2.49, 0.4)) is True  # sqrt(0.3^2 + 0.4^2) = 0.5
    assert within_noise(number(2.0, 0.3), number(2.51, 0.4)) is False
    assert within_noise(number(2.0, None), number(2.0)) is None


def test_without_intervals_the_words_do_not_speak_of_chance():
    found = compared(a=[number(3.0, None)], b=[number(2.0, None)])
    assert found.lines[0].ranks == (2, 1)
    assert "how much of that is chance was not measured" in found.words


def test_higher_and_target_metrics_are_ranked_their_own_way():
    coverage = [number(v, 0.01, better="higher", metric="coverage") for v in (0.9, 0.5)]
    density = [number(v, 0.01, better="target", metric="density", real=1.0) for v in (1.6, 0.8)]
    found = compared(a=[coverage[0], density[0]], b=[coverage[1], density[1]])
    assert [line.ranks for line in found.lines] == [(1, 2), (2, 1)]


def test_unlike_numbers_are_not_ranked_and_the_field_is_named():
    found = compared(a=[number(3.0)], b=[number(2.0, reference_fingerprint="e" * 64)])
    assert found.lines[0].ranks == (None, None)
    assert (
        "Not ranked: frechet_distance (reference fingerprint differs: ffffffffffff... and eeeeeeeeeeee...)"
        in found.words
    )


def test_a_metric_that_one_run_lacks_is_left_open():
    found = compared(a=[number(3.0), number(0.9, metric="sure_share", better="higher")], b=[number(2.0)])
    assert found.lines[1].numbers[1] is None
    assert found.lines[1].ranks == (None, None)
    assert found.lines[1].words == "Only a has a sure_share."


def test_one_run_or_the_same_run_twice_is_refused():
    with pytest.raises(UsageError, match="at least 2 are compared"):
        compared(a=[number(1.0)])
    with pytest.raises(UsageError, match="given twice"):
        compare(["a", "./a"], judge=lambda _: [number(1.0)])


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(GanvasError, match="is no run folder"):
        stored_verdict(tmp_path)


def test_the_table_is_plain_json():
    document = json.loads(json.dumps(compared(a=[number(3.0)], b=[number(2.0)]).to_json(), allow_nan=False))
    assert document["schema"] == 1
    assert document["lines"][0]["ranks"] == [2, 1]
    assert document["lines"][0]["numbers"][0]["samples"] == 1000
