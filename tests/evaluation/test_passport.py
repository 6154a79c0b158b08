"""A number carries how it came about; unlike ones are not compared."""

from dataclasses import replace

import pytest

from ganvas.errors import UsageError
from ganvas.evaluation.passport import UNKNOWN, Drawn, Passport, check_comparable, differences
from ganvas.evaluation.verdict import Metric

ONE = Passport(
    metric="frechet_distance",
    features="classifier trained on these pictures",
    features_hash="0123456789ab",
    resize="none",
    value_range="[-1, 1]",
    reference="training pictures",
    reference_fingerprint="f" * 64,
    reference_samples=60_000,
    samples=10_000,
    drawn=Drawn("1000000-1009999", 1.0, "averaged", "aa"),
    versions={"torch": "2.13.0"},
)


def test_two_models_by_one_protocol_compare():
    other = replace(ONE, drawn=Drawn("0-9999", 1.0, "not averaged", "bb"), versions={"torch": "2.10.0"})
    assert differences(ONE, other) == []
    check_comparable([("runs/a", ONE), ("runs/b", other)])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"metric": "kernel_distance"}, "metric"),
        ({"features_hash": "ba9876543210"}, "features hash"),
        ({"resize": "bilinear to 299x299"}, "resize"),
        ({"value_range": "[0, 1]"}, "value range"),
        ({"reference": "held-out pictures"}, "reference"),
        ({"reference_fingerprint": "e" * 64}, "reference fingerprint"),
        ({"reference_samples": 10_000}, "reference samples"),
        ({"samples": 5_000}, "samples"),
        ({"drawn": Drawn("1000000-1009999", 0.7)}, "trunc"),
    ],
)
def test_what_makes_the_protocol_must_be_equal(changed, field):
    with pytest.raises(UsageError) as refused:
        check_comparable([("runs/a", ONE), ("runs/b", replace(ONE, **changed))])
    assert f"cannot be compared: {field} is" in str(refused.value)
    assert "runs/b" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_words_for_a_network_do_not_matter_where_its_weights_are_the_same():
    assert differences(ONE, replace(ONE, features="the same one, described otherwise")) == []
    pixels = replace(ONE, features_hash="", features="pixels, averaged to at most 32 a side")
    assert differences(pixels, replace(pixels, features="pixels, averaged to at most 64 a side"))


def test_pictures_that_no_model_drew_stand_beside_untruncated_ones():
    assert differences(ONE, replace(ONE, drawn=Drawn(what="fingerprint"))) == []


def test_a_number_comes_back_from_its_json():
    metric = Metric(2.5, ONE, "lower", "how far", (2.4, 2.6), 1.9, "held-out pictures against training ones")
    row = metric.to_json()
    assert (row["metric"], row["value"], row["samples"], row["seeds"]) == (
        "frechet_distance",
        2.5,
        10_000,
        "1000000-1009999",
    )
    assert Metric.from_json(row) == metric


def test_what_was_not_written_down_is_unlike_what_was():
    row = {k: v for k, v in ONE.to_json().items() if k != "resize"}
    old = Passport.from_json(row)
    assert old.resize == UNKNOWN
    assert differences(ONE, old) == [("resize", "none", UNKNOWN)]
    assert differences(old, old) == [("resize", UNKNOWN, UNKNOWN)]


def test_the_short_form_names_counts_network_and_seeds():
    short = ONE.short()
    for part in ("10000", "60000 training pictures", "ffffffffffff", "0123456789ab", "1000000-1009999", "averaged"):
        assert part in short
    assert "trunc" not in short
    assert "trunc 0.7" in replace(ONE, drawn=Drawn(trunc=0.7)).short()
