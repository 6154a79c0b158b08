"""A batch taken in parts, or shared out among processes, trains the model that the whole batch would."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.games.engine import Engine
from ganvas.games.generation import GenerationGame
from ganvas.games.noise import Draws, Rows
from ganvas.networks.contract import Discriminator
from ganvas.networks.mlp import MlpDiscriminator, MlpGenerator
from ganvas.settings import build_settings

KINDS = {
    "alternating": {},
    "two D turns, gradient penalty": {"n_critic": 2, "objective": "wasserstein", "gp_weight": 10.0},
    "simultaneous, R1 and R2": {"turns": "simultaneous", "r1_gamma": 1.0, "r2_gamma": 0.5, "penalty_every": 2},
    "relativistic, augmented": {"objective": "relativistic", "augment": "colour,translation,cutout"},
}


def make_game(settings, **more):
    torch.manual_seed(0)
    G, D = MlpGenerator((8, 8), 1, 8, 8, 0), MlpDiscriminator((8, 8), 1, 8, 0)
    return GenerationGame(G, D, settings, **more)


def batch(step, n):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(step)) * 2 - 1, None


def played(game, steps=4, n=8):
    for step in range(steps):
        game.step(
            [batch(10 * step + i, n) for i in range(game.settings.n_critic)], Draws("cpu", (0, step), Rows(n)), 0.0
        )
    return {**game.G.state_dict(), **{f"D.{k}": v for k, v in game.D.state_dict().items()}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("micro_batch", [1, 3, 4])
def test_a_batch_in_parts_gives_the_update_of_the_whole(kind, micro_batch):
    cells = {"network": "mlp", "z_dim": 8, "width": 8, "batch": 8, "optimizer": "rmsprop", **KINDS[kind]}
    whole = played(make_game(build_settings(cells)))
    parts = played(make_game(build_settings({**cells, "micro_batch": micro_batch})))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-3, atol=1e-5)


class Greedy(Discriminator):
    """A discriminator for more than `most` pictures of which there is no memory."""

    def __init__(self, inner, most):
        super().__init__()
        self.inner, self.most = inner, most

    def forward(self, images, labels=None):
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.inner(images, labels)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_trains_the_same(kind):
    settings = build_settings({"network": "mlp", "z_dim": 8, "width": 8, "batch": 8, **KINDS[kind]})
    said = []
    game = make_game(settings, on_problem=said.append)
    whole = played(copy.deepcopy(game))
    small = GenerationGame(game.G, Greedy(game.D, 3), settings, on_problem=said.append)
    parts = played(small)
    assert small.parts.size == 2
    assert [text.split("parts of ")[1][:1] for text in said] == ["4", "2"]
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name.replace("D.", "D.inner.")], tensor, rtol=1e-3, atol=1e-5)


def test_one_picture_that_does_not_fit_is_an_error():
    settings = build_settings({"network": "mlp", "z_dim": 8, "width": 8, "batch": 8})
    game = make_game(settings, on_problem=lambda text: None)
    with pytest.raises(torch.OutOfMemoryError):
        played(GenerationGame(game.G, Greedy(game.D, 0), settings, on_problem=lambda text: None))


def test_several_processes_are_told_the_size_that_may_fit():
    settings = build_settings({"network": "mlp", "z_dim": 8, "width": 8, "batch": 8})
    game = make_game(settings)
    engine = Engine(torch.device("cpu"), rank=1, world=2)
    with pytest.raises(GanvasError, match="process 1 has no memory for 4 pictures at once: give --micro-batch 2,"):
        played(GenerationGame(game.G, Greedy(game.D, 3), settings, engine), n=4)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    class Broken(Greedy):
        def forward(self, images, labels=None):
            raise RuntimeError("shapes do not match")

    game = make_game(build_settings({"network": "mlp", "z_dim": 8, "width": 8, "batch": 8}))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        played(GenerationGame(game.G, Broken(game.D, 0), game.settings))


@pytest.mark.parametrize("turns", ["alternating", "simultaneous"])
def test_half_precision_with_scaling_trains_and_keeps_its_scale(turns):
    settings = build_settings(
        {"network": "mlp", "z_dim": 8, "width": 8, "batch": 8, "precision": "fp16", "turns": turns, "r1_gamma": 1.0}
    )
    game = make_game(settings)
    before = copy.deepcopy(game.G.state_dict())
    # The first scale is far too large; steps that overflow are left out and the scale falls.
    weights = played(game, steps=25)
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert any(not torch.equal(before[name], weights[name]) for name in before)
    assert game.scaler.state_dict()["scale"] <= 65536.0


def test_compiling_that_fails_falls_back_and_says_so_once(monkeypatch):
    def never(network):
        def call(*inputs):
            raise RuntimeError("no compiler\nand more")

        return call

    monkeypatch.setattr(torch, "compile", never)
    said = []
    cells = {"network": "mlp", "z_dim": 8, "width": 8, "batch": 8}
    plain = played(make_game(build_settings(cells)))
    fallen = played(make_game(build_settings({**cells, "compile": True}), on_problem=said.append))
    assert said == [
        "MlpGenerator cannot be compiled and goes on as it is (no compiler)",
        "MlpDiscriminator cannot be compiled and goes on as it is (no compiler)",
    ]
    assert all(torch.equal(plain[name], fallen[name]) for name in plain)


@pytest.mark.parametrize("turns", ["alternating", "simultaneous"])
def test_a_compiled_backward_pass_that_fails_is_played_again_without_compiling(monkeypatch, turns):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("modified by an inplace operation")

    monkeypatch.setattr(torch, "compile", lambda network: lambda *inputs: Fails.apply(network(*inputs)))
    said = []
    cells = {"network": "mlp", "z_dim": 8, "width": 8, "batch": 8, "turns": turns}
    plain = played(make_game(build_settings(cells)))
    fallen = played(make_game(build_settings({**cells, "compile": True}), on_problem=said.append))
    assert said == [
        "MlpGenerator cannot be compiled and goes on as it is (modified by an inplace operation)",
        "MlpDiscriminator cannot be compiled and goes on as it is (modified by an inplace operation)",
    ]
    assert all(torch.equal(plain[name], fallen[name]) for name in plain)


def test_rows_are_those_of_the_whole_batch():
    whole = Draws("cpu", (1, 2))
    part = Draws("cpu", (1, 2), Rows(8, 4))
    assert torch.equal(whole.normal(8, 3)[4:7], part.normal(3, 3))
    assert torch.equal(whole.uniform(8, 1)[4:7], part.uniform(3, 1))
    assert torch.equal(whole.integers(9, 8)[4:7], part.integers(9, 3))
    again = Draws("cpu", (1,), Rows(8, 2)).at(2, offset=2)
    assert torch.equal(Draws("cpu", (1, 2)).normal(8)[4:], again.normal(4))


def test_a_batch_is_shared_out_evenly_or_not_at_all():
    engine = Engine(torch.device("cpu"), rank=1, world=3)
    assert engine.rows(12) == Rows(12, 4)
    assert engine.share_of(12) == 4
    with pytest.raises(Exception, match="--batch 10 cannot be shared out among 3 processes"):
        engine.rows(10)


@pytest.mark.parametrize("network", ["mlp", "fast", "dcgan"])
def test_two_processes_train_the_model_of_one(tmp_path, network):
    script = Path(__file__).with_name("two_processes.py")
    single = subprocess.run([sys.executable, script, network, tmp_path / "one.pt"], capture_output=True, text=True)
    assert single.returncode == 0, single.stderr
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    both = subprocess.run([*launcher, script, network, tmp_path / "two.pt"], capture_output=True, text=True)
    assert both.returncode == 0, both.stderr
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    for name, tensor in one.items():
        torch.testing.assert_close(
            two[name], tensor, rtol=2e-3, atol=2e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
