"""The verdict tells good pictures from bad, diverse from collapsed and new from copied, and says by what measure."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bars import PictureStore, bar_store, bars

from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.features import Features, learn_features
from ganvas.evaluation.judge import judge


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> PictureStore:
    return bar_store(tmp_path_factory.mktemp("store"), train=400, held_out=500)


@pytest.fixture(scope="module")
def features(store) -> Features:
    return learn_features(store, pictures=5000)


NEW, NEW_LABELS = bars(300, seed=9)


def test_new_pictures_of_the_same_kind_are_as_near_as_real_ones(store, features):
    verdict = judge(NEW, NEW_LABELS, store, features)
    distance = verdict["frechet_distance"]
    assert distance.real_value is not None
    assert distance.value < 2 * distance.real_value
    assert verdict["coverage"].value > 0.8
    assert verdict["class_coverage"].value == 1
    assert verdict["class_agreement"].value > 0.9
    assert verdict["nearest_copy_share"].value < 0.05
    assert "No class is missing" in verdict.words
    assert "No sign of copying" in verdict.words


def test_noise_is_far_from_everything(store, features):
    noise = np.random.default_rng(0).integers(0, 256, NEW.shape, dtype=np.uint8)
    good, bad = judge(NEW, None, store, features), judge(noise, None, store, features)
    assert bad["frechet_distance"].value > 20 * good["frechet_distance"].value
    assert bad["kernel_distance"].value > 20 * abs(good["kernel_distance"].value)
    assert bad["coverage"].value < 0.1
    assert "leave out most of what real pictures show" in bad.words


def test_a_collapsed_generator_is_named_with_the_classes_it_misses(store, features):
    noise = np.random.default_rng(0).integers(0, 9, NEW.shape)
    one = np.clip(store.images[0].astype(int) + noise, 0, 255).astype(np.uint8)  # "across", again and again
    verdict = judge(one, None, store, features)
    assert verdict["recall"].value < 0.1
    assert verdict["class_coverage"].value == pytest.approx(1 / 3)
    assert "Missing or hardly there: down, both" in verdict.words


def test_training_pictures_given_as_samples_are_found_out(store, features):
    verdict = judge(store.train.images[:100], None, store, features)
    assert verdict["nearest_copy_share"].value == 1
    assert "Beware of copies" in verdict.words
    assert all(pair.sample == pair.train == pair.train_by_features for pair in verdict.memorisation.pairs)
    assert verdict.memorisation.copy_words() in verdict.words


def test_every_number_carries_its_passport(store, features):
    verdict = judge(NEW, NEW_LABELS, store, features)
    names = [m.metric for m in verdict.metrics]
    assert names == [
        "frechet_distance",
        "kernel_distance",
        "precision",
        "recall",
        "density",
        "coverage",
        "class_coverage",
        "class_divergence",
        "sure_share",
        "class_agreement",
        "nearest_copy_share",
    ]
    assert verdict["frechet_distance"].features == features.name
    for metric in verdict.metrics:
        assert metric.samples == 300
        assert metric.meaning
        assert metric.real_value is not None
        assert "FID" not in metric.meaning + metric.features
    assert "from 300 samples, and under 10 000 it comes out too high" in verdict.words
    with pytest.raises(KeyError):
        verdict["inception_score"]


def test_the_reference_is_the_held_out_pictures_if_there_are_at_least_500(store, features):
    assert judge(NEW, None, store, features)["recall"].reference == "held-out pictures"
    fewer = PictureStore(store.path, store.images[:899], store.labels[:899], 400, store.class_names)
    automatic = judge(NEW, None, fewer, features)["recall"]
    assert (automatic.reference, automatic.reference_samples) == ("training pictures", 400)
    assert automatic.real_pair == "held-out pictures against training ones"
    asked = judge(NEW, None, fewer, features, reference="held_out")["recall"]
    assert (asked.reference, asked.reference_samples) == ("held-out pictures", 499)


def test_without_held_out_pictures_one_half_of_the_training_set_is_the_floor(store, features):
    alone = PictureStore(store.path, store.images[:400], store.labels[:400], 400, store.class_names)
    assert judge(NEW, None, alone, features)["density"].real_pair == (
        "one half of the training pictures against the other"
    )
    with pytest.raises(UsageError, match="the data have 0 held-out pictures"):
        judge(NEW, None, alone, features, reference="held_out")


def test_the_floor_of_halves_is_that_of_as_many_pictures_as_were_judged(tmp_path, features):
    images, labels = bars(800, seed=0)
    alone = PictureStore(tmp_path, images, labels, 800, ("across", "down", "both"))
    distance = judge(bars(800, seed=9)[0], None, alone, features)["frechet_distance"]
    assert distance.real_value == pytest.approx(distance.value, rel=0.5), "not twice as high, as halves have it"
    assert distance.real_pair == "one half of the training pictures against the other, scaled to as many pictures"


def test_wrong_labels_show_in_the_agreement_alone(store, features):
    right = judge(NEW, NEW_LABELS, store, features)
    wrong = judge(NEW, (NEW_LABELS + 1) % 3, store, features)
    assert wrong["class_agreement"].value < 0.1
    assert wrong["frechet_distance"] == right["frechet_distance"]


def test_unlabelled_data_are_judged_without_classes_even_when_there_are_only_eight(tmp_path):
    tiny = bar_store(tmp_path, train=8, labelled=False)
    verdict = judge(NEW[:8], None, tiny, learn_features(tiny, pictures=32))
    names = {m.metric for m in verdict.metrics}
    assert "sure_share" not in names
    assert {"frechet_distance", "precision", "coverage", "nearest_copy_share"} <= names
    assert verdict["coverage"].real_value is None, "halves of four pictures are too few for five neighbours"
    assert "8 pictures for 128 features it is a rough guess" in verdict.words


def test_the_same_pictures_get_the_same_verdict(store, features):
    assert judge(NEW, NEW_LABELS, store, features) == judge(NEW, NEW_LABELS, store, features)


def test_the_json_document_has_a_schema_and_plain_numbers(store, features):
    document = json.loads(json.dumps(judge(NEW, NEW_LABELS, store, features).to_json(), allow_nan=False))
    assert document["schema"] == 1
    first = document["metrics"][0]
    assert first["metric"] == "frechet_distance"
    assert set(first) == {
        "metric",
        "value",
        "features",
        "samples",
        "reference",
        "reference_samples",
        "better",
        "input_value",
        "meaning",
        "real_value",
        "real_pair",
        "interval",
        "features_hash",
        "resize",
        "value_range",
        "reference_fingerprint",
        "seeds",
        "trunc",
        "weights",
        "what",
        "versions",
    }
    assert document["words"]
    assert document["memorisation"]["copies"]["total"] == 300
    assert document["memorisation"]["finding"] == "none"


def test_other_peoples_pictures_are_judged_by_the_same_numbers_in_fitting_words(store, features):
    theirs = judge(NEW, NEW_LABELS, store, features, what="pictures")
    assert theirs.metrics == judge(NEW, NEW_LABELS, store, features).metrics
    assert theirs.words.startswith("The pictures are")


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        (np.zeros((9, 3, 12, 12), np.uint8), None, r"the samples are \[3, 12, 12\] .* the data are \[1, 12, 12\]"),
        (np.zeros((9, 1, 12, 12), np.uint16), None, "uint16, but the data are"),
        (np.zeros((7, 1, 12, 12), np.uint8), None, "7 samples are too few to judge: give at least 8"),
        (np.zeros((9, 1, 12, 12), np.uint8), np.zeros(8, np.int64), "8 labels for 9 samples"),
    ],
)
def test_pictures_that_cannot_be_compared_are_refused(store, features, pictures, labels, message):
    with pytest.raises(GanvasError, match=message):
        judge(pictures, labels, store, features)
