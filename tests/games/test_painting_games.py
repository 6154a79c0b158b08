"""Pictures from pictures: parts, processes, precision and resuming give the same training, as for generation."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from painting import KINDS, make_state, play, seen, stored, tensors

from ganvas.games.noise import Draws, Rows
from ganvas.games.pool import Pool


# Without "holes": BatchNorm in a part sees only the part, as in generation.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "holes"])
def test_a_batch_in_parts_gives_the_update_of_the_whole(kind):
    whole, parts = make_state(kind), make_state(kind, micro_batch=3)
    play(whole, 1)
    play(parts, 1)
    for name, player in whole.game.players.items():
        pairs = list(zip(player.parameters(), parts.game.players[name].parameters(), strict=True))
        largest = max(float(p.grad.abs().max()) for p, _ in pairs if p.grad is not None)
        for p, q in pairs:
            if p.grad is not None:
                torch.testing.assert_close(q.grad, p.grad, rtol=1e-3, atol=1e-5 * largest)
    stats, in_parts = play(whole, 2, first=1), play(parts, 2, first=1)
    assert stats.keys() == in_parts.keys()
    for name, value in stats.items():
        torch.testing.assert_close(in_parts[name], value, rtol=2e-3, atol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
    same(parts, whole)


def same(a, b):
    """Both make the same of the same pictures."""
    found, expected = seen(a), seen(b)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_was_saved_goes_on_bit_by_bit(kind):
    straight, stopped, resumed = (make_state(kind) for _ in range(3))
    play(straight, 4)
    play(stopped, 2)
    resumed.restore(stopped.to_checkpoint())
    play(resumed, 2, first=2)
    found, expected = tensors(resumed), tensors(straight)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert resumed.to_checkpoint().counters == straight.to_checkpoint().counters


@pytest.mark.parametrize("kind", ["pix2pix", "esrgan", "held to a network of others", "cyclegan", "cut", "holes"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_and_stays_finite(kind, precision):
    state = make_state(kind, precision=precision)
    before = {name: tensor.clone() for name, tensor in state.game.G.state_dict().items()}
    for first in range(0, 20, 4):  # the first scale of fp16 is far too large: steps that overflow are left out
        play(state, 4, first)
        if any(not torch.equal(before[name], tensor) for name, tensor in state.game.G.state_dict().items()):
            break
    else:
        pytest.fail("G has not moved")
    assert state.is_finite()


@pytest.mark.parametrize("kind", ["pix2pix", "cyclegan", "cut", "larger"])
def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_trains_the_same(kind, monkeypatch):
    whole, said = make_state(kind), []
    play(whole, 2)
    small = make_state(kind, on_problem=said.append)
    painters = [m for m in small.game.G.modules() if type(m).__name__.endswith("Painter")]
    for painter in painters:
        monkeypatch.setattr(painter, "forward", greedy(painter.forward, most=2))
    play(small, 2)
    assert small.game.parts.size == 2
    assert len(said) == 1
    monkeypatch.undo()
    same(small, whole)


def greedy(forward, most):
    """A forward pass for more than `most` pictures of which there is no memory."""

    def call(images, *more):
        if len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(images, *more)

    return call


@pytest.mark.parametrize("kind", ["pix2pix", "pix2pix of classes", "esrgan", "cyclegan", "cut", "distortion"])
def test_two_processes_train_the_model_of_one(tmp_path, kind):
    script = Path(__file__).with_name("two_processes_painting.py")
    single = subprocess.run([sys.executable, script, kind, tmp_path / "one.pt"], capture_output=True, text=True)
    assert single.returncode == 0, single.stderr
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    both = subprocess.run([*launcher, script, kind, tmp_path / "two.pt"], capture_output=True, text=True)
    assert both.returncode == 0, both.stderr
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("kind", ["pix2pix", "cyclegan", "cut"])
def test_a_turn_moves_its_own_player_alone(kind):
    state = make_state(kind, pool=0) if kind == "cyclegan" else make_state(kind)
    game = state.game
    frozen_d = {name: tensor.clone() for name, tensor in game.D.state_dict().items()}
    game._update = lambda stats, *players: stats  # gradients are left where they are
    game.step([(stored(state, 0), None)], Draws("cpu", (0, 0), Rows(4)), 0.0)
    assert all(p.grad is not None for p in game.G.parameters())
    assert all(p.grad is not None for p in game.D.parameters())
    assert all(torch.equal(frozen_d[name], tensor) for name, tensor in game.D.state_dict().items())
    before = [p.grad.clone() for p in game.D.parameters()]
    game.step([(stored(state, 0), None)], Draws("cpu", (0, 0), Rows(4)), 0.0)
    for gradient, p in zip(before, game.D.parameters(), strict=True):  # the G turn added nothing to D's
        torch.testing.assert_close(p.grad, gradient, rtol=1e-4, atol=1e-7)


def test_g_learns_to_paint_the_negative():
    state = make_state("pix2pix", g_lr=2e-3, d_lr=2e-4, width=8, l1_weight=100.0)
    for step in range(60):
        pictures = stored(state, step)
        pictures[:, 3:] = -pictures[:, :3]
        state.game.step([(pictures, None)], Draws("cpu", (0, step), Rows(4)), 0.0)
    state.game.G.eval()
    with torch.no_grad():
        fresh = stored(state, 1000)[:, :3]
        assert (state.game.G(fresh) + fresh).abs().mean() < 0.35 * fresh.abs().mean()


def test_patches_learn_to_find_the_place_they_were_painted_from():
    state = make_state("cut", width=8, g_lr=2e-3)
    stats = play(state, 30)
    chance = sum(math.log(places) for places in (256, 64, 16, 16)) / 4  # 3.8, of its four maps
    assert stats["contrast"] < 0.7 * chance
    assert stats["identity"] < 0.7 * chance


def test_a_pool_fills_up_and_then_gives_back_old_pictures_half_of_the_time():
    pool = Pool(4, (1, 1, 1), torch.device("cpu"))
    numbers = torch.arange(400.0).view(100, 4, 1, 1, 1)
    first = pool.exchange(numbers[0], Draws("cpu", (0,)))
    assert torch.equal(first, numbers[0])
    assert pool.filled == 4
    old = 0
    for step in range(1, 100):
        shown = pool.exchange(numbers[step], Draws("cpu", (step,)))
        old += int((shown != numbers[step]).sum())
        assert len(set(pool.pictures.flatten().tolist())) == 4
    assert 140 < old < 256


def test_no_pool_shows_what_was_painted_just_now():
    pool = Pool(0, (1, 1, 1), torch.device("cpu"))
    assert torch.equal(pool.exchange(torch.ones(2, 1, 1, 1), Draws("cpu", (0,))), torch.ones(2, 1, 1, 1))


def test_one_painter_learns_to_paint_each_class_its_own_way():
    state = make_state("pix2pix of classes", g_lr=2e-3, d_lr=2e-4, width=8, l1_weight=100.0, r1_gamma=0.0)
    sign = torch.tensor([1.0, -1.0, 0.0])
    for step in range(80):
        pictures, classes = stored(state, step), torch.tensor([0, 1, 0, 1])
        pictures[:, 3:] = pictures[:, :3] * sign[classes][:, None, None, None]
        state.game.step([(pictures, classes)], Draws("cpu", (0, step), Rows(4)), 0.0)
    state.game.G.eval()
    fresh = stored(state, 1000)[:, :3]
    with torch.no_grad():  # who does not hear the class can do no better than 1
        same, negative = (state.game.G(fresh, torch.full((4,), name)) for name in (0, 1))
    assert (same - fresh).abs().mean() < 0.75 * fresh.abs().mean()
    assert (negative + fresh).abs().mean() < 0.75 * fresh.abs().mean()


def test_features_are_matched_of_pictures_that_are_augmented_alike():
    state = make_state("features matched", augment="colour,translation,cutout")
    pictures = stored(state, 0)
    _, matching = state.game.critic.of_painted(pictures, pictures, Draws("cpu", (0, 1)))
    assert float(matching.detach()) == 0
    _, moved = state.game.critic.of_painted(pictures, pictures.roll(4, 3), Draws("cpu", (0, 1)))
    assert float(moved.detach()) > 0
