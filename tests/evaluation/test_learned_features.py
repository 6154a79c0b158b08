"""Features are learned from the pictures themselves, the same each time, and kept beside the store."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from bars import PictureStore, bar_store, bars

from ganvas.errors import GanvasError
from ganvas.evaluation import features as features_module
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.feature_training import contrastive_loss, set_input_range, shifted, view
from ganvas.evaluation.features import learn_features


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def no_training(*_: object) -> None:
    raise AssertionError("trained although saved features were there")


def test_labelled_pictures_give_a_classifier_that_is_named_by_what_it_gets_right(tmp_path):
    learned = learn_features(bar_store(tmp_path, train=300, held_out=150), pictures=5000)
    assert learned.kind == "classifier"
    assert learned.accuracy is not None
    assert learned.accuracy > 0.9
    assert learned.name == (
        f"classifier trained on these pictures ({100 * learned.accuracy:.1f} % right on held-out pictures)"
    )
    images, _ = bars(30, seed=5)
    assert learned.extract(images).shape == (30, 128)
    assert learned.extract(images).dtype == torch.float32
    probabilities = learned.probabilities(images)
    assert probabilities is not None
    torch.testing.assert_close(probabilities.sum(1), torch.ones(30))


def test_unlabelled_pictures_give_features_in_which_their_kinds_lie_apart(tmp_path):
    learned = learn_features(bar_store(tmp_path, train=300, labelled=False), pictures=4000)
    assert (learned.kind, learned.accuracy) == ("self-supervised", None)
    assert learned.name == "self-supervised network trained on these pictures"
    images, labels = bars(150, seed=5)
    assert learned.probabilities(images) is None
    distances = torch.cdist(learned.extract(images), learned.extract(images)).fill_diagonal_(torch.inf)
    same_kind = (labels[distances.argmin(1).numpy()] == labels).mean()
    assert same_kind > 0.6, "the nearest in features is of the same kind in a third of cases by chance"


def test_without_held_out_pictures_every_tenth_is_never_shown_to_the_classifier(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        features_module, "train_classifier", lambda net, images, labels, among, *rest: shown.append(among)
    )
    learned = learn_features(bar_store(tmp_path, train=300))
    assert len(shown[0]) == 270
    assert 9 not in shown[0]
    assert "right on pictures set aside" in learned.name


def test_the_same_pictures_give_the_same_features_and_the_global_random_state_is_left_alone(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    torch.manual_seed(1)
    first = learn_features(bar_store(tmp_path / "a"), pictures=300)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = learn_features(bar_store(tmp_path / "b"), pictures=300)
    assert first.hash == second.hash
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pictures_features_do_not_depend_on_its_batch(tmp_path):
    learned = learn_features(bar_store(tmp_path), pictures=300)
    images, _ = bars(20, seed=5)
    torch.testing.assert_close(learned.extract(images, batch=1), learned.extract(images, batch=20))
    assert learned.extract(images[:0]).shape == (0, 128)


def test_features_are_saved_beside_the_store_and_used_again(tmp_path, monkeypatch):
    store = bar_store(tmp_path)
    first = learn_features(store, pictures=300)
    monkeypatch.setattr(features_module, "train_classifier", no_training)
    again = learn_features(store, pictures=300)
    assert (again.hash, again.name) == (first.hash, first.name)
    torch.testing.assert_close(again.extract(store.images[:5]), first.extract(store.images[:5]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["features-1-300"]


def test_features_of_other_pictures_are_not_used(tmp_path):
    store = bar_store(tmp_path)
    first = learn_features(store, pictures=300)
    other = learn_features(replace(store, images=255 - store.images, fingerprint="negatives"), pictures=300)
    assert other.hash != first.hash


@pytest.mark.parametrize("damage", ["cut", "flip", "no passport"])
def test_damaged_features_are_learned_again(tmp_path, damage):
    store = bar_store(tmp_path)
    first = learn_features(store, pictures=300)
    weights = tmp_path / "features-1-300" / "features.safetensors"
    whole = weights.read_bytes()
    if damage == "cut":
        weights.write_bytes(whole[: len(whole) // 2])
    elif damage == "flip":
        weights.write_bytes(whole[:-5] + bytes([whole[-5] ^ 0xFF]) + whole[-4:])
    else:
        (tmp_path / "features-1-300" / "features.json").write_text("[]")
    assert learn_features(store, pictures=300).hash == first.hash
    assert weights.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_only_the_saving(tmp_path):
    learned = learn_features(bar_store(tmp_path / "gone"), pictures=300)
    assert learned.kind == "classifier"
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 8, 8), np.uint8),
        ((3, 28, 20), np.uint8),
        ((4, 40, 24), np.uint8),
        ((1, 9, 100), np.uint16),
        ((3, 130, 70), np.uint8),
    ],
)
def test_any_size_channels_and_depth_from_eight_pictures_up(tmp_path, shape, dtype):
    images = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (8, *shape), dtype=dtype)
    learned = learn_features(PictureStore(tmp_path, images, None, 8), pictures=16)
    extracted = learned.extract(images)
    assert extracted.shape == (8, 128)
    assert bool(torch.isfinite(extracted).all())
    assert extracted.std() > 0


def test_pictures_above_64_pixels_are_averaged_down_with_their_aspect():
    net = FeatureNet(1, 256, 128, outputs=2, generator=generator())
    assert (net.height, net.width) == (64, 32)
    checks = torch.ones(1, 1, 256, 128)
    checks[:, :, ::2] = -1  # averages to 0
    torch.testing.assert_close(net.reduce(checks), torch.zeros(1, 1, 64, 32))


def test_a_narrow_range_of_grey_levels_is_stretched_for_the_network():
    images = np.random.default_rng(0).integers(0, 4096, (64, 1, 8, 8)).astype(np.uint16)  # 12 bits in 16
    net = FeatureNet(1, 8, 8, outputs=2, generator=generator())
    set_input_range(net, images)
    assert net.mean.item() == pytest.approx(2 * 2047.5 / 65535 - 1, abs=0.002)
    assert net.std.item() == pytest.approx(2 * 4096 / 65535 / math.sqrt(12), rel=0.05)


def test_shifts_move_a_picture_by_up_to_two_pixels():
    dot = torch.zeros(200, 1, 17, 17)
    dot[:, :, 8, 8] = 1
    moved = shifted(dot, generator())
    assert moved.shape == dot.shape
    assert moved.sum((1, 2, 3)).tolist() == [1] * 200
    places = moved.sum((0, 1)).nonzero()
    assert (places.min().item(), places.max().item()) == (6, 10)


def test_views_keep_the_shape_and_differ_from_each_other():
    x = torch.rand(4, 3, 10, 14, generator=generator()) * 2 - 1
    random = generator()
    one, two = view(x, random), view(x, random)
    assert one.shape == x.shape
    assert not torch.allclose(one, two)


def test_the_contrastive_loss_of_views_that_all_look_alike_is_that_of_guessing():
    alike = torch.ones(6, 5)
    assert contrastive_loss(alike).item() == pytest.approx(math.log(5))


def test_the_contrastive_loss_is_small_when_only_the_partners_agree():
    apart = torch.eye(3).repeat(2, 1)  # rows i and i + 3 are equal, all others orthogonal
    assert contrastive_loss(apart).item() == pytest.approx(math.log(1 + 4 * math.exp(-1 / 0.2)))


def test_seven_pictures_are_too_few(tmp_path):
    with pytest.raises(GanvasError, match="7 training pictures are too few to learn features: at least 8"):
        learn_features(bar_store(tmp_path, train=7))


def test_pictures_of_another_shape_are_refused(tmp_path):
    learned = learn_features(bar_store(tmp_path), pictures=128)
    with pytest.raises(GanvasError, match=r"shape \[2, 3, 12, 12\] .* expected \[N, 1, 12, 12\] uint8 or uint16"):
        learned.extract(np.zeros((2, 3, 12, 12), np.uint8))
    with pytest.raises(GanvasError, match=r"expected \[N, 1, 12, 12\]"):
        learned.extract(np.zeros((2, 1, 16, 16), np.uint8))


def test_progress_is_told_in_words(tmp_path):
    lines: list[str] = []
    learn_features(bar_store(tmp_path), pictures=640, progress=lines.append)
    assert lines[0] == "learning features: 0 of 640 pictures"
