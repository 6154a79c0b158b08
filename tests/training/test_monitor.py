"""What is measured of a run: known numbers for made-up generators, and a state that is left as it was."""

import copy

import pytest
import torch
from torch import nn

from example_pictures import bars
from ganvas.data.batches import Batches
from ganvas.errors import GanvasError
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.features import Features, Learning
from ganvas.images import to_float
from ganvas.model import ModelConfig
from ganvas.recipes import RECIPES
from ganvas.settings import build_settings
from ganvas.training.diagnosis import Diagnostician
from ganvas.training.measurement import MEANINGS, Measurement, inspection_interval
from ganvas.training.monitor import Monitor
from ganvas.training.play import train_step
from ganvas.training.random_features import RandomFeatures
from ganvas.training.state import TrainState

CPU = torch.device("cpu")


def reals(n=64, seed=0):
    images, labels = bars(n, seed=seed)
    return to_float(torch.from_numpy(images[:, None])), torch.from_numpy(labels)


def state_of(recipe="fast", classes=2, **cells):
    settings = build_settings({**RECIPES[recipe].cells, "width": 8, "z_dim": 8, "batch": 8, "images": 1000, **cells})
    names = tuple("01"[:classes])
    config = ModelConfig(
        network=settings.network,
        resolution=(12, 12),
        channels=1,
        bits=8,
        z_dim=8,
        width=8,
        class_names=names,
        class_shares=(0.5,) * classes,
    )
    return TrainState.create(settings, config, CPU)


class Shows(nn.Module):
    """A generator of given pictures, whatever the noise."""

    def __init__(self, pictures):
        super().__init__()
        self.pictures = pictures
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, z, labels=None):
        return self.pictures[: len(z)]


class Brightness(nn.Module):
    """A discriminator whose logit is the mean of the pixels."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images, labels=None):
        return self.weight * images.mean(dim=(1, 2, 3))


def inspect(monitor, averaged, raw=None, D=None):
    state = state_of()
    state.G_ema, state.game.G = Shows(averaged), Shows(averaged if raw is None else raw)
    state.game.D = Brightness() if D is None else D
    return monitor.inspect(state).numbers


def test_a_generator_of_the_reals_themselves_is_diverse_near_and_copies_all():
    pictures, labels = reals()
    numbers = inspect(Monitor(pictures, labels, seed=0), pictures)
    assert numbers["spread"] == pytest.approx(1)
    assert numbers["spread_within"] == pytest.approx(1)
    assert numbers["pixel_spread"] == pytest.approx(1)
    assert numbers["far"] == pytest.approx(0, abs=1e-6)
    assert (numbers["coverage"], numbers["copy_share"], numbers["ema_raw"]) == (1, 1, 0)
    assert numbers["saturation"] == numbers["real_saturation"]
    assert numbers["twin_share"] == numbers["real_twin_share"]
    assert numbers["d_right"] == 0.5  # the same pictures: half of the pairs, or ties


def test_a_generator_of_one_picture_has_no_spread_and_only_twins():
    pictures, labels = reals()
    numbers = inspect(Monitor(pictures, labels, seed=0), pictures[:1].expand(64, -1, -1, -1))
    assert numbers["spread"] == pytest.approx(0, abs=1e-6)
    assert numbers["spread_within"] == pytest.approx(0, abs=1e-6)
    assert numbers["twin_share"] == 1
    assert numbers["coverage"] < 0.5


def test_a_generator_of_one_picture_per_class_is_found_out_inside_the_classes():
    pictures, labels = reals()
    numbers = inspect(Monitor(pictures, labels, seed=0), pictures[labels])  # picture 0 is of class 0, 1 of class 1
    assert numbers["spread"] > 0.1
    assert numbers["spread_within"] == pytest.approx(0, abs=1e-6)
    assert numbers["twin_share"] == 1


def test_other_pictures_of_the_same_kind_are_no_copies():
    pictures, labels = reals(512)
    numbers = inspect(Monitor(pictures[:256], labels[:256], seed=0), reals(64, seed=1)[0])
    assert numbers["spread"] == pytest.approx(1, abs=0.3)
    assert numbers["far"] < 0.1
    assert numbers["coverage"] > 0.8


def test_saturated_values_are_counted():
    pictures, _ = reals()
    black = torch.full_like(pictures, -0.995)
    black[:, :, 6:] = 0.5
    assert inspect(Monitor(pictures, seed=0), black)["saturation"] == 0.5


def test_d_is_right_about_all_pairs_when_every_real_is_rated_above_every_fake():
    pictures, labels = reals()
    numbers = inspect(Monitor(pictures, labels, seed=0), torch.full_like(pictures, -1.0))
    assert numbers["d_right"] == 1
    assert numbers["margin"] == pytest.approx(float(pictures.mean()) + 1, abs=1e-5)
    assert numbers["logit_size"] == pytest.approx(1)


def test_held_out_reals_that_d_rates_like_fakes_are_the_whole_gap():
    pictures, labels = reals()
    fakes = torch.full_like(pictures, -1.0)
    noise = 1e-3 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    alike = inspect(Monitor(pictures, labels, pictures, labels, seed=0), fakes)
    unlike = inspect(Monitor(pictures, labels, fakes + noise, labels, seed=0), fakes)
    assert (alike["held_gap"], alike["held_sigmas"]) == (0, 0)
    assert unlike["held_gap"] == pytest.approx(1, abs=1e-3)
    assert unlike["held_sigmas"] > 3
    assert "held_gap" not in inspect(Monitor(pictures, labels, seed=0), fakes)


def test_gradients_and_the_way_g_moved_are_lengths():
    state = state_of()
    state.G_ema, state.game.G, state.game.D = Shows(reals()[0]), Shows(reals()[0]), Brightness()
    monitor = Monitor(*reals(), seed=0)
    assert "g_grad" not in monitor.inspect(state).numbers  # no step was played yet
    state.game.G.weight.grad, state.game.D.weight.grad = torch.tensor([-3.0]), torch.tensor([4.0])
    with torch.no_grad():
        state.game.G.weight.fill_(2.0)
    numbers = monitor.inspect(state).numbers
    assert (numbers["g_grad"], numbers["d_grad"], numbers["grad_ratio"]) == (3, 4, 0.75)
    assert numbers["moving"] == pytest.approx(0.5)  # |1 - 2| / |2|


@pytest.mark.parametrize(("recipe", "cells"), [("dcgan", {}), ("hinge-sn", {}), ("fast", {})])
def test_an_inspection_changes_nothing_and_gives_the_same_again(recipe, cells):
    state = state_of(recipe, **cells)
    images, labels = bars(64)
    batches = Batches(images[:, None], labels, 8, 0, CPU)
    for _ in range(2):
        train_step(state, batches, 0.0)
    networks = (state.game.G, state.game.D, state.G_ema)
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    random = torch.random.get_rng_state()
    monitor = Monitor(*reals(), *reals(seed=1), seed=0)
    first, second = monitor.inspect(state, {"d_loss": 1.5}), monitor.inspect(state, {"d_loss": 1.5})
    assert first == second
    assert first.numbers["d_loss"] == 1.5
    assert set(first.numbers) <= {*MEANINGS, "d_loss"}
    assert torch.equal(random, torch.random.get_rng_state())
    for network, kept in zip(networks, before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert [network.training for network in networks] == [True, True, False]


def test_a_judge_that_is_a_classifier_counts_the_classes_it_finds():
    pictures, labels = reals()
    net = FeatureNet(1, 12, 12, 2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.copy_(torch.tensor([1.0, 0.0]))  # takes everything for class 0
    judge = Features(net, Learning(1, "classifier", "", 0, None, "", 2, "0" * 64))
    numbers = inspect(Monitor(pictures, labels, seed=0, judge=judge), pictures)
    assert numbers["class_coverage"] == 1  # the one class that it finds among the reals
    assert numbers["class_agreement"] == 0.5  # half of the pictures are bars of class 0
    assert numbers["spread"] == pytest.approx(1)


def test_it_works_without_labels_with_few_reals_and_in_small_parts():
    state = state_of(classes=0)
    few, _ = reals(8)
    whole = Monitor(few, seed=0).inspect(state).numbers
    assert "spread_within" not in whole
    parts = Monitor(few, seed=0, batch=4).inspect(state).numbers
    # G_ema's pictures do not depend on their company; G's, in training mode, do.
    assert parts["spread"] == pytest.approx(whole["spread"], rel=1e-4)


def test_numbers_that_are_not_finite_are_counted_and_left_out():
    pictures, labels = reals()
    numbers = inspect(Monitor(pictures, labels, seed=0), torch.full_like(pictures, float("nan")))
    assert numbers["not_finite"] >= 5
    assert "spread" not in numbers
    measured = Measurement.of(10, {"a": float("inf"), "b": 1.0})
    assert measured.numbers == {"b": 1.0, "not_finite": 1.0}
    assert measured.plus(distance=float("nan"), far=2.0).numbers == {"b": 1.0, "far": 2.0, "not_finite": 2.0}


def test_fewer_than_eight_reals_are_refused():
    with pytest.raises(GanvasError, match="5 real pictures are too few to watch a run by: give at least 8"):
        Monitor(reals(5)[0], seed=0)


def test_inspections_are_rare_enough_to_be_cheap_and_to_let_the_game_move():
    assert inspection_interval(1_000_000, 32) == 15_000  # 1.5 %
    assert inspection_interval(40_000, 32) == 3_200  # not dearer
    assert inspection_interval(10**9, 64) == 50_000
    assert inspection_interval(40_000, 320) == 8_000  # 25 steps
    assert inspection_interval(None, 64) == 10_000


def test_random_features_are_the_same_every_time_and_small_for_large_pictures():
    pictures = torch.rand(8, 3, 100, 70, generator=torch.Generator().manual_seed(1)) * 2 - 1
    first, second = RandomFeatures(pictures)(pictures), RandomFeatures(pictures)(pictures)
    assert torch.equal(first, second)
    assert first.shape[1] <= 512
    assert float(first.var(0).sum()) > 0


def silence(state):
    """The noise is never heard: its weights in G's first layer are zero."""
    with torch.no_grad():
        for network in (state.game.G, state.G_ema):
            network.dense.weight[:, :8] = 0


@pytest.mark.parametrize("deaf", [False, True])
def test_a_short_real_run_whose_g_ignores_its_noise_is_told_so_and_one_that_hears_it_is_not(deaf):
    images, labels = bars(96)
    state, batches = state_of(), Batches(images[:, None], labels, 8, 0, CPU)
    monitor = Monitor(*reals(), seed=0)
    diagnostician, said = Diagnostician(1_280, objective="non_saturating", classes=2, pictures=96), []
    while state.images < 1_280:
        if deaf:
            silence(state)
        train_step(state, batches, state.images / 1_280)
        if state.step % 20 == 0:
            if deaf:
                silence(state)
            said += diagnostician.look(monitor.inspect(state))
    assert [(news.kind, news.since) for news in said] == ([("full_collapse", 160)] if deaf else [])
    if deaf:
        assert "the pictures of each class are the same whatever the noise" in said[0].text
