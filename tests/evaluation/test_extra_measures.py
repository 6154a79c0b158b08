"""What can be asked for besides the verdict: each number in its passport, and refused where it has no meaning."""

import numpy as np
import pytest
import torch
from bars import bar_store, bars

from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation import extra_measures
from ganvas.evaluation.extra_measures import EXTRAS, Walkable, find_extras
from ganvas.evaluation.features import learn_features
from ganvas.evaluation.judge import judge
from ganvas.evaluation.presets import PRESETS, find_preset


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return bar_store(tmp_path_factory.mktemp("store"), train=400, held_out=500)


@pytest.fixture(scope="module")
def own(store):
    return learn_features(store, pictures=5000)


def linear(z):
    """A generator whose pictures follow z."""
    return z.view(-1, 1, 1, 1).expand(-1, 1, 12, 12) / 4


@pytest.fixture(scope="module")
def verdict(store, own):
    pictures, labels = bars(600, seed=9)
    extras = [name for name in EXTRAS if name not in ("kid", "inception_score", "path_length_w")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extra_measures, "SEEDS", (0, 1))
        patch.setattr(extra_measures, "PATHS", 200)
        return judge(pictures, labels, store, own, own=own, extras=extras, generator=Walkable(1, linear))


def test_new_pictures_of_the_same_kind_get_about_what_real_ones_get(verdict):
    for name in ("ms_ssim", "feature_diversity"):
        assert verdict[name].value == pytest.approx(verdict[name].real_value, rel=0.2)
    assert verdict["spectrum_distance"].value < 1  # decibel
    assert verdict["classification_score"].value > 0.9
    assert verdict["classification_score"].real_value > 0.9
    assert verdict["frechet_distance_at_infinity"].value < verdict["frechet_distance"].value


def test_each_number_says_what_it_was_measured_in(verdict, own):
    assert verdict["sliced_wasserstein"].features == "pixels"
    assert verdict["sliced_wasserstein"].passport.features_hash == ""
    assert verdict["path_length_z"].passport.features_hash == own.hash
    assert verdict["classification_score"].features.startswith("classifiers")
    assert all(verdict[name].meaning for name in EXTRAS if name in {m.metric for m in verdict.metrics})


def test_what_the_measures_should_find_they_find(store, own):
    pictures, labels = bars(600, seed=9)
    noisy = np.clip(pictures + np.random.default_rng(0).normal(0, 30, pictures.shape), 0, 255).astype(np.uint8)
    one_class, swapped = pictures[labels == 0], (labels + 1) % 3
    asked = ("sliced_wasserstein", "spectrum_distance", "ms_ssim", "intra_class_distance", "feature_diversity")
    good = judge(pictures, labels, store, own, own=own, extras=asked)
    bad = judge(noisy, labels, store, own, own=own, extras=asked)
    assert bad["sliced_wasserstein"].value > 1.5 * good["sliced_wasserstein"].value
    assert bad["spectrum_distance"].value > 5 * good["spectrum_distance"].value
    alike = judge(one_class[:1].repeat(100, 0), None, store, own, own=own, extras=("ms_ssim", "feature_diversity"))
    assert alike["ms_ssim"].value == pytest.approx(1)
    assert alike["feature_diversity"].value == pytest.approx(0, abs=1e-6)
    wrong = judge(pictures, swapped, store, own, own=own, extras=("intra_class_distance",))
    assert wrong["intra_class_distance"].value > 5 * good["intra_class_distance"].value


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ("inception_score", "add --features inception"),
        ("kid", "add --features inception"),
        ("path_length_z", "it needs a generator"),
        ("path_length_w", "a mapping to w"),
        ("classification_score", "samples and training pictures with classes"),
        ("intra_class_distance", "classes on both sides"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_what_it_needs(store, own, extra, why):
    with pytest.raises(GanvasError) as refused:
        judge(bars(100, seed=9)[0], None, store, own, own=own, extras=(extra,))
    assert str(refused.value).startswith(f"{extra} cannot be measured here: ")
    assert why in str(refused.value)


class Looking:
    """A backbone of that name, which sees the mean of each quarter of a picture."""

    hash, features, resize, value_range = "0" * 12, 4, "none", "[0, 255]"

    def __init__(self, name):
        self.name = name

    def extract(self, images, batch=64, rows=None):
        rows = np.arange(len(images)) if rows is None else rows
        pictures = torch.from_numpy(np.ascontiguousarray(images[rows])).float() / 100
        return torch.nn.functional.adaptive_avg_pool2d(pictures, 2).flatten(1)

    def probabilities(self, images, batch=64, rows=None):
        return self.probabilities_of(self.extract(images, batch, rows))

    def probabilities_of(self, features):
        return (5 * features).softmax(1)


def test_scores_of_inception_are_measured_in_inception_alone(store, own):
    pictures, labels = bars(300, seed=9)
    asked = ("kid", "inception_score")
    found = judge(pictures, labels, store, Looking("inception-v3-fid"), own=own, extras=asked)
    assert 1 <= found["inception_score"].value <= 4
    assert abs(found["kid"].value) < 1
    assert found["frechet_distance"].passport.features_hash == "0" * 12
    assert "sure_share" not in {m.metric for m in found.metrics}, "its classes are not those of the data"
    for name in asked:
        with pytest.raises(GanvasError, match="add --features inception"):
            judge(pictures, labels, store, Looking("mine.inception:net"), own=own, extras=(name,))


def test_a_walk_in_w_needs_a_mapping_and_has_a_length(store, own):
    walked = Walkable(2, linear, mapping=lambda z: z[:, :1], synthesis=linear)
    asked = judge(bars(100, seed=9)[0], None, store, own, own=own, extras=("path_length_w",), generator=walked)
    assert torch.tensor(asked["path_length_w"].value).isfinite()
    assert asked["path_length_w"].interval is not None


def test_names_are_found_or_the_nearest_is_told():
    assert find_extras("all") == tuple(EXTRAS)
    assert find_extras("MS-SSIM, kid") == ("ms_ssim", "kid")
    with pytest.raises(UsageError, match="did you mean 'sliced_wasserstein'"):
        find_extras("sliced_wasserstien")
    assert find_preset("fid50k-full") is PRESETS["fid50k_full"]
    with pytest.raises(UsageError, match="did you mean 'is50k'"):
        find_preset("is5k")
