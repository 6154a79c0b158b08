"""Each term by one setting: on networks that offer what it needs, kept in a checkpoint, the same in parts."""

import copy

import pytest
import torch

from ganvas.errors import UsageError
from ganvas.games.noise import Draws, Rows
from ganvas.model import ModelConfig
from ganvas.settings import build_settings
from ganvas.training.state import TrainState

SIDE = 16


def make_state(network="dcgan", classes=0, batch=8, **cells):
    cells = {"network": network, "z_dim": 16, "width": 8, "batch": batch, "d_norm": "none", **cells}
    settings = build_settings(cells)
    names = tuple(map(str, range(classes)))
    config = ModelConfig(
        network=network, resolution=(SIDE, SIDE), channels=1, z_dim=16, width=8, max_width=settings.max_width,
        class_names=names, class_shares=tuple(1 / classes for _ in names),
    )  # fmt: skip
    return TrainState.create(settings, config, torch.device("cpu"))


def play(state, steps=1, first=0):
    settings, stats = state.game.settings, {}
    for step in range(first, first + steps):
        generator = torch.Generator().manual_seed(step)
        n, classes = settings.batch, state.config.classes
        reals = []
        for _ in range(settings.n_critic):
            labels = torch.randint(classes, (n,), generator=generator) if classes else None
            reals.append((torch.rand(n, 1, SIDE, SIDE, generator=generator) * 2 - 1, labels))
        stats = state.game.step(reals, Draws("cpu", (0, step), Rows(n)), step / 20)
        state.average(n * settings.n_critic)
    return stats


def tensors(state):
    return state.to_checkpoint().tensors


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# A weight, the network it is tried on, its classes, and the numbers that it adds to a step's stats.
TERMS = {
    "class_weight": ("acgan", 3, {"d_class", "g_class"}),
    "info_weight": ("infogan", 0, {"d_info", "g_info"}),
    "reconstruct_weight": ("fastgan", 0, {"d_reconstruction"}),
    "consistency_weight": ("dcgan", 0, {"consistency"}),
    "lecam_weight": ("dcgan", 0, {"lecam"}),
    "dragan_weight": ("dcgan", 0, {"dragan"}),
    "feature_matching_weight": ("dcgan", 0, {"feature_matching"}),
    "orthogonal_weight": ("dcgan", 0, {"orthogonal"}),
    "path_length_weight": ("stylegan2", 0, {"path_length", "path_length_penalty"}),
}


def state_with(name, weight=1.0, **more):
    network, classes, _ = TERMS[name]
    norm = {"fastgan": "spectral"}.get(network, "none")
    return make_state(network, classes, **{"d_norm": norm, name: weight, **more})


@pytest.mark.parametrize("name", TERMS)
def test_a_weight_adds_its_term_and_changes_what_is_learned(name):
    plain, weighed = state_with(name, 0.0), state_with(name, 1.0)
    added = play(weighed).keys() - play(plain).keys()
    assert added == TERMS[name][2]
    play(plain, 2, first=1)
    stats = play(weighed, 2, first=1)
    assert all(torch.isfinite(value) for value in stats.values())
    assert not equal(tensors(plain), {k: v for k, v in tensors(weighed).items() if not k.startswith("means.")})


@pytest.mark.parametrize("name", ["class_weight", "info_weight", "reconstruct_weight", "path_length_weight"])
def test_a_term_that_the_network_does_not_offer_is_refused_with_one_that_does(name):
    with pytest.raises(UsageError, match=rf"--{name.replace('_', '-')} needs .*'dcgan' does not have: use --network"):
        make_state("dcgan", **{name: 1.0})


@pytest.mark.parametrize("name", TERMS)
def test_simultaneous_turns_refuse_what_needs_turns_of_its_own(name):
    with pytest.raises(UsageError, match=rf"--{name.replace('_', '-')} needs turns of their own"):
        build_settings({"network": "fast", "d_norm": "none", "turns": "simultaneous", name: 1.0})


EVERYTHING = {
    "lecam_weight": 0.1, "consistency_weight": 1.0, "top_k": 0.5, "ada": "blit,colour", "ada_images": 200,
    "apa": True, "r1_gamma": 0.1, "burn_in": 0.5, "gamma_final": 0.1, "beta2_final": 0.99, "lr_final": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(("network", "more"), [("dcgan", EVERYTHING), ("stylegan2", {"path_length_weight": 2.0})])
def test_what_is_remembered_between_steps_is_in_a_checkpoint(network, more):
    straight = make_state(network, **more)
    play(straight, 12)
    first, second = make_state(network, **more), make_state(network, **more)
    play(first, 5)
    second.restore(copy.deepcopy(first.to_checkpoint()))
    play(second, 7, first=5)
    assert equal(tensors(straight), tensors(second))
    assert straight.game.augmenter.state() == second.game.augmenter.state()


@pytest.mark.parametrize("name", ["class_weight", "info_weight", "lecam_weight", "consistency_weight", "dragan_weight"])
def test_terms_of_single_pictures_are_the_same_in_parts(name):
    # Networks with BatchNorm see their part only, so G's is switched off.
    whole, parts = state_with(name), state_with(name, micro_batch=2)
    for state in (whole, parts):
        for module in state.game.G.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
    play(whole, 2), play(parts, 2)
    for key, value in tensors(whole).items():
        torch.testing.assert_close(tensors(parts)[key], value, rtol=2e-3, atol=2e-5, msg=key)


def test_the_strength_of_ada_rises_on_a_d_that_knows_the_reals_and_falls_on_a_blind_one():
    state = make_state(ada="blit", ada_images=64)
    augmenter = state.game.augmenter
    for _ in range(4):
        augmenter.learn({"d_sign": torch.tensor(1.0)}, 8)
    assert augmenter.p == pytest.approx(0.5)  # 32 of 64 images
    for _ in range(8):
        told = augmenter.learn({"d_sign": torch.tensor(0.0)}, 8)
    assert augmenter.p == told["augment_p"] == 0


def test_a_fixed_probability_is_reached_over_the_burn_in():
    state = make_state(ada="blit", ada_p=0.4, burn_in=0.5)
    found = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        state.game.augmenter.set_progress(progress)
        found.append(state.game.augmenter.p)
    assert found == pytest.approx([0.0, 0.2, 0.4, 0.4])


def test_rates_and_beta2_go_by_half_a_cosine_over_the_burn_in():
    state = make_state(g_lr=1e-3, lr_final=0.2, burn_in=0.5, beta2=0.9, beta2_final=0.99)
    found = []
    for step, progress in enumerate((0.0, 0.25, 0.5, 1.0)):
        reals = [(torch.zeros(8, 1, SIDE, SIDE), None)]
        state.game.step(reals, Draws("cpu", (0, step), Rows(8)), progress)
        group = state.game.g_optimizer.param_groups[0]
        found.append((group["lr"], group["betas"][1]))
    assert found == [pytest.approx(pair) for pair in ((1e-3, 0.9), (6e-4, 0.945), (2e-4, 0.99), (2e-4, 0.99))]


def test_settings_that_only_a_burn_in_reaches_ask_for_one():
    with pytest.raises(UsageError, match="give --burn-in"):
        build_settings({"gamma_final": 0.1})
    with pytest.raises(UsageError, match="give one of them"):
        build_settings({"burn_in": 0.1, "lr_decay_from": 0.5})


def test_simultaneous_turns_need_one_logit_per_picture():
    state = make_state("fastgan", d_norm="spectral", turns="simultaneous")
    play(state)  # one for the whole of a small picture
    state.game._judge = lambda images, labels: state.game.D(images, labels).unsqueeze(1).expand(-1, 25)
    with pytest.raises(UsageError, match="needs one logit per picture, and the D of 'fastgan' gives 25"):
        play(state)
