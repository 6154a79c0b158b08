"""What a turn may touch, and that both ways of playing a step are the same algorithm where they claim to be."""

import copy

import pytest
import torch
from torch import nn

from ganvas.games.generation import D_TURN, NOISE, GenerationGame, frozen
from ganvas.games.noise import Draws, Rows
from ganvas.games.optimizers import learning_rate_scale
from ganvas.networks.fast import FastDiscriminator, FastGenerator
from ganvas.settings import build_settings


def make_game(classes=0, **cells):
    torch.manual_seed(0)
    cells = {"network": "fast", "d_norm": "none", "z_dim": 8, "width": 8, "batch": 4, **cells}
    settings = build_settings(cells)
    G = FastGenerator((8, 8), 1, 8, 8, classes)
    return GenerationGame(G, FastDiscriminator((8, 8), 1, 8, classes), settings)


def reals(n=4, classes=0, turns=1):
    torch.manual_seed(1)
    labels = torch.arange(n) % classes if classes else None
    return [(torch.rand(n, 1, 8, 8) * 2 - 1, labels) for _ in range(turns)]


def random(step=0, n=4):
    return Draws("cpu", (0, step), Rows(n))


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_after_a_d_turn_g_has_no_gradient_and_has_not_moved():
    game = make_game()
    before = weights(game.G)
    ((real, _),) = reals()
    with torch.no_grad():
        fake = game.draw(None, 4, random())
    statistics_moved = weights(game.G)
    game.discriminator_turn(real, fake, None, random())
    assert all(p.grad is None for p in game.G.parameters())
    assert same(statistics_moved, game.G.state_dict())
    assert all(torch.equal(before[n], p) for n, p in game.G.named_parameters())


def test_a_d_turn_refuses_fakes_that_are_not_detached():
    game = make_game()
    ((real, _),) = reals()
    with pytest.raises(AssertionError, match="detach"):
        game.discriminator_turn(real, game.draw(None, 4, random()), None, random())


def test_after_a_g_turn_d_has_no_gradient_and_has_not_moved():
    game = make_game()
    before = weights(game.D)
    ((real, _),) = reals()
    game.generator_turn(real, game.draw(None, 4, random()), None, random())
    assert all(p.grad is None for p in game.D.parameters())
    assert same(before, game.D.state_dict())
    assert all(p.grad is not None for p in game.G.parameters())


@pytest.mark.parametrize("objective", ["non_saturating", "relativistic"])
@pytest.mark.parametrize("penalty", [{}, {"r1_gamma": 2.0, "r2_gamma": 1.0}])
def test_simultaneous_turns_give_d_and_g_the_gradients_of_the_formulas(objective, penalty):
    game = make_game(objective=objective, turns="simultaneous", **penalty)
    other = copy.deepcopy(game)
    ((real, _),) = reals()
    game.step([(real, None)], random(), 0.0)

    # The same by the definition: two separate backward passes against the old weights.
    fake = other.draw(None, 4, random().at(NOISE, 0))
    with frozen(other.D):
        g_loss = other.objective.g_loss(other.D(real), other.D(fake)).mean()
    expected_g = torch.autograd.grad(g_loss, list(other.G.parameters()))
    other.discriminator_turn(real.clone(), fake.detach(), None, random().at(D_TURN, 0))
    for parameter, gradient in zip(game.G.parameters(), expected_g, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)
    for parameter, twin in zip(game.D.parameters(), other.D.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, twin.grad, rtol=1e-4, atol=1e-7)


def test_a_lazy_penalty_weighs_as_much_over_time():
    totals = {}
    for every in (1, 4):
        game = make_game(r1_gamma=1.0, penalty_every=every, d_lr=1e-12, g_lr=1e-12)
        total = 0.0
        for step in range(4):
            ((real, _),) = reals()
            fake = game.draw(None, 4, random(step)).detach()
            game.d_optimizer.zero_grad(set_to_none=True)
            due = game._penalty_is_due()
            if due:
                real.requires_grad_(True)
                penalty, _ = game._penalties(real, game.D(real), fake, game.D(fake), None, random())
                total += penalty.item()
        totals[every] = total
    assert totals[4] == pytest.approx(totals[1], rel=1e-5)


def test_a_step_is_the_same_whenever_it_is_played():
    results = []
    for _ in range(2):
        game = make_game(classes=2, augment="colour,translation,cutout", r1_gamma=1.0)
        for step in range(3):
            game.step(reals(classes=2), random(step), 0.0)
        results.append(weights(game.G))
    assert same(*results)


def test_n_critic_plays_that_many_d_turns_on_batches_of_their_own():
    game = make_game(n_critic=3)
    turns = []
    original = game.discriminator_turn
    game.discriminator_turn = lambda real, *rest: turns.append(real) or original(real, *rest)
    game.step(reals(turns=3), random(), 0.0)
    assert len(turns) == 3


def test_wgan_clips_d_after_every_turn():
    game = make_game(objective="wasserstein", clip=0.01, optimizer="rmsprop", g_lr=5e-5, d_lr=5e-5)
    game.step(reals(), random(), 0.0)
    assert max(p.abs().max() for p in game.D.parameters()) <= 0.01


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_every_step_reports_finite_scalars(precision):
    game = make_game(precision=precision, r1_gamma=1.0, r2_gamma=1.0)
    stats = game.step(reals(), random(), 0.0)
    assert {"d_loss", "g_loss", "real_logit", "fake_logit", "d_accuracy", "r1", "r2"} <= set(stats)
    assert all(torch.isfinite(v) and v.dim() == 0 and not v.requires_grad for v in stats.values())


def test_penalties_are_computed_in_float32_whatever_the_precision():
    penalties = []
    for precision in ("float32", "bf16"):
        game = make_game(precision=precision, r1_gamma=1.0)
        ((real, _),) = reals()
        stats = game.discriminator_turn(real, torch.zeros(4, 1, 8, 8), None, random())
        penalties.append(stats["r1"].item())
    assert penalties[0] == penalties[1] > 0


def test_learning_rates_fall_in_a_line_after_their_share_of_the_run():
    falling = build_settings({"lr_decay_from": 0.5, "lr_final": 0.2})
    assert [learning_rate_scale(p, falling) for p in (0, 0.5, 0.75, 1.0)] == pytest.approx([1, 1, 0.6, 0.2])
    assert learning_rate_scale(1.0, build_settings({})) == 1.0
    game = make_game(lr_decay_from=0.5, lr_final=0.0, g_lr=1e-3)
    game.step(reals(), random(), 0.75)
    assert game.g_optimizer.param_groups[0]["lr"] == pytest.approx(5e-4)


def test_g_learns_to_match_a_constant_picture():
    game = make_game(r1_gamma=1.0, g_lr=2e-3, d_lr=2e-3, batch=8)
    grey = torch.full((8, 1, 8, 8), 0.5)
    for step in range(150):
        game.step([(grey.clone(), None)], random(step, n=8), 0.0)
    game.G.eval()
    with torch.no_grad():
        assert (game.G(torch.randn(8, 8)) - 0.5).abs().mean() < 0.2


def test_frozen_gives_back_what_was_trainable_and_nothing_else():
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    with frozen(layer):
        assert not layer.weight.requires_grad
    assert layer.weight.requires_grad
    assert not layer.bias.requires_grad
