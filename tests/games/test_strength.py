"""The strength of augmentation follows from how far D overfits, and survives a checkpoint."""

import json

import pytest
import torch

from ganvas.games.strength import Strength


def test_it_rises_while_d_overfits_and_falls_while_d_is_blind():
    strength = Strength(p=0.5, images=1000)
    for _ in range(4):
        strength.update(0.9, 10)
    assert strength.p == pytest.approx(0.54)  # 40 images of 1000
    for _ in range(8):
        strength.update(0.0, 10)
    assert strength.p == pytest.approx(0.46)


def test_it_stays_where_the_mean_sign_is_on_target():
    strength = Strength(p=0.5, target=0.5, images=1000)
    for _ in range(8):
        strength.update(0.5, 10)
    assert strength.p == 0.5


def test_it_moves_by_the_mean_of_four_updates():
    strength = Strength(p=0.5, images=1000)
    moves = []
    for sign in (1.0, 1.0, -1.0, -1.0):  # 0 on average
        strength.update(sign, 10)
        moves.append(strength.p)
    assert moves == [0.5, 0.5, 0.5, pytest.approx(0.46)]


def test_it_takes_half_a_million_images_from_0_to_1_and_stays_in_between():
    strength = Strength()
    for _ in range(500_000 // 64 // 4 * 4):
        strength.update(1.0, 64)
    assert strength.p == pytest.approx(1.0, abs=1e-3)
    for _ in range(8):
        strength.update(1.0, 64)
    assert strength.p == 1.0
    weak = Strength()
    for _ in range(8):
        weak.update(-1.0, 64)
    assert weak.p == 0.0


@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_resumed_from_json_in_the_middle_it_equals_one_that_was_never_stopped(kind):
    torch.manual_seed(0)
    signs = (torch.rand(40) * 2 - 1).tolist()
    unbroken, first = (Strength(p=0.5, target=0.0, images=997) for _ in range(2))
    for sign in signs:
        unbroken.update(kind(sign), 7)
    for sign in signs[:18]:
        first.update(kind(sign), 7)
    resumed = Strength()
    resumed.target, resumed.images = 0.0, 997
    resumed.restore(json.loads(json.dumps(first.state())))
    for sign in signs[18:]:
        resumed.update(kind(sign), 7)
    assert resumed.state() == unbroken.state()


def test_a_d_that_learns_few_pictures_by_heart_raises_it_and_one_that_cannot_tell_does_not():
    torch.manual_seed(0)
    images = torch.randn(16, 32)
    for scale, rises in ((1.0, True), (0.0, False)):  # scale 0: D sees nothing
        D = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
        optimizer = torch.optim.Adam(D.parameters(), 1e-2)
        strength = Strength(p=0.2, images=10_000)
        for _ in range(60):
            real, fake = (D(scale * x)[:, 0] for x in (images, torch.randn(16, 32)))
            loss = (torch.nn.functional.softplus(-real) + torch.nn.functional.softplus(fake)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            strength.update(real.detach().sign().mean(), 16)
        assert (strength.p > 0.2) == rises
