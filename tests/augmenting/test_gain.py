"""The gain where it is known: fresh real pictures help, noise and what is there already do not, and it is said."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_generators import NAMES, bar, bars, made, model_of, origin_of

from ganvas.evaluation.metrics.labelled import Labelled
from ganvas.synthetic import gain as gain_module
from ganvas.synthetic.gain import difference, measure_gain
from ganvas.synthetic.real_pictures import RealPictures, part_of, repeated
from ganvas.synthetic.words import gain_words

FEW, TEST = Labelled(*bars((4, 4, 4), seed=5)), Labelled(*bars((40, 40, 40), seed=6))
REAL = RealPictures(FEW, TEST, set_aside=False)


def measured(generated, **more):
    return measure_gain(REAL, generated, NAMES, [0, 1, 2], **{"seeds": 3, "real_share": 1, "steps": 20, **more})


@pytest.fixture
def origin(store, features):
    return origin_of(model_of(bar), store, features)


def test_fresh_real_pictures_are_a_gain_where_real_ones_are_few(origin):
    gain = measured(Labelled(*bars((100, 100, 100), seed=7)))
    (found,) = gain.comparisons
    assert found.all.difference.effect == "gain"
    assert found.all.difference.mean > 0.1
    assert gain.alone.mean > found.all.without.mean
    assert (found.real_pictures, gain.test_pictures, gain.steps) == (12, 120, 20)
    words = gain_words(gain, origin)
    assert words[0].startswith("With all 12 real pictures: a gain of ")
    assert "classification accuracy score" in words[1]
    assert "held-out pictures that the generator and the filters have not learned from" in words[-1]
    assert found.short is None  # all classes are short: there is nothing beside them
    assert [one.classes for one in found.each] == [("across",), ("down",), ("both",)]


def test_noise_with_labels_at_random_is_none(origin):
    rng = np.random.default_rng(8)
    noise = Labelled(rng.integers(0, 256, (300, 1, 12, 12)).astype(np.uint8), rng.integers(0, 3, 300))
    gain = measured(noise)
    (found,) = gain.comparisons
    assert found.all.difference.effect in ("none", "loss")
    assert "a gain" not in gain_words(gain, origin)[0]
    assert "no gain" in gain_words(gain, origin)[0] or "a loss" in gain_words(gain, origin)[0]
    assert gain.alone.mean < 0.6


def test_the_same_pictures_again_are_no_gain(origin):
    gain = measured(FEW)
    assert gain.comparisons[0].all.difference.effect == "none"
    words = gain_words(gain, origin)[0]
    assert "no gain" in words
    assert "lies within the noise of" in words


def test_what_repeating_real_pictures_does_as_well_is_no_gain(origin):
    real = RealPictures(Labelled(*bars((120, 120, 4), seed=11)), TEST, set_aside=False)
    copies = part_of(real.learned, 1).images[np.arange(240, 244)]
    copied = Labelled(np.tile(copies, (29, 1, 1, 1)), np.full(116, 2))  # the four of the short class again and again
    gain = measure_gain(real, copied, NAMES, [2], seeds=3, real_share=1, steps=20)
    (found,) = gain.comparisons
    assert found.all.with_generated.mean > found.all.as_they_are.mean + 0.05  # evening out helps, by any means
    assert found.all.without == found.all.repeated
    assert found.all.difference.effect == "none"
    words = gain_words(gain, origin)[0]
    assert "without them when real ones of the short classes are repeated as often" in words
    assert f"({100 * found.all.as_they_are.mean:.1f} % from the real ones as they are)" in words


def test_real_pictures_are_repeated_only_where_that_changes_the_shares():
    real = Labelled(*bars((6, 2, 0), seed=0))
    again = repeated(real, Labelled(*bars((0, 5, 3), seed=1)))
    assert np.bincount(again.labels).tolist() == [6, 7]  # of the third there is nothing to repeat
    rows = again.images[np.arange(len(again))]
    assert {row.tobytes() for row in rows} == {row.tobytes() for row in real.images}
    assert repeated(real, Labelled(*bars((3, 1, 0), seed=1))) is None


def test_a_part_of_the_real_pictures_and_the_short_classes_are_measured_apart(origin):
    real = RealPictures(Labelled(*bars((40, 40, 40), seed=9)), TEST, set_aside=True)
    generated = Labelled(*bars((0, 30, 0), seed=10))
    gain = measure_gain(real, generated, NAMES, [1], seeds=2, real_share=0.1, steps=5)
    assert [(c.real_share, c.real_pictures) for c in gain.comparisons] == [(1.0, 120), (0.1, 12)]
    assert gain.alone is None  # it would know one class of three
    short = gain.comparisons[0].short
    assert (short.classes, short.difference.test_pictures) == (("down",), 40)
    words = gain_words(gain, origin)
    assert words[1].startswith("Of the short classes (down; 40 test pictures): ")
    assert any(sentence.startswith("This flatters: no pictures are held out") for sentence in words)
    assert "carries what was learned from all of them" in words[-1]


def test_too_few_test_pictures_are_said():
    few = RealPictures(FEW, FEW, set_aside=True)
    assert (
        measure_gain(few, FEW, NAMES, [0], seeds=2, real_share=1)
        == "12 test pictures are too few, at least 20 are needed: hold more out"
    )


def test_classifiers_of_an_earlier_call_are_not_trained_again():
    told = {}
    first = measured(FEW, seeds=2, steps=2, on_trained=lambda what, seed, right: told.__setitem__((what, seed), right))
    assert sorted(told) == [(what, seed) for what in ("generated", "joined 1", "real 1") for seed in (0, 1)]

    def never(_what, _seed, _right):
        raise AssertionError("trained again")

    assert measured(FEW, seeds=2, steps=2, trained=told, on_trained=never) == first


def test_a_difference_counts_seeds_and_test_pictures():
    before = np.zeros((2, 100), bool)
    after = before.copy()
    after[:, :20] = True  # the same 20 pictures for both seeds: no noise between the seeds
    found = difference(before, after)
    assert found.mean == pytest.approx(0.2)
    assert (found.over_seeds.low, found.over_seeds.high) == pytest.approx((0.2, 0.2))
    # Agresti and Min: 20 + 0.5 of 102 changed for the better, 0.5 for the worse.
    spread = 21 / 102 - (20 / 102) ** 2
    assert found.noise == pytest.approx(1.96 * np.sqrt(spread / 102) * 102 / 100, rel=1e-4)
    assert found.effect == "gain"
    assert difference(after, before).effect == "loss"
    after[1] = False  # only one seed of two
    assert difference(before, after).effect == "none"
    assert difference(before[:, :1], ~before[:, :1]).effect == "none"  # one picture proves nothing


def test_a_part_keeps_every_class():
    whole = Labelled(*bars((50, 10, 3), seed=0))
    assert np.bincount(part_of(whole, 0.1).labels).tolist() == [5, 1, 1]


def test_a_set_says_what_it_brings_and_its_card_holds_the_table(store, features, tmp_path, monkeypatch):
    monkeypatch.setattr(gain_module, "default_pictures", lambda _net, _count: 256)
    found = made(tmp_path / "set", bar, store, features, per_class=20, seeds=2)
    card = (found.path / "CARD.md").read_text()
    assert found.words in card or all(sentence in card for sentence in gain_words(found.gain, found.origin))
    assert "| both | 40 | 20 | 20 |" in card
    assert "| class both (30) | 190 |" in card
    assert "Every picture here was drawn by a neural network." in card
