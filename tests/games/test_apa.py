"""Adaptive pseudo augmentation: fakes among the reals."""

import torch

from ganvas.games.apa import pseudo_reals
from ganvas.games.noise import Draws, Rows

REAL, FAKE = torch.ones(1000, 1, 2, 2), torch.zeros(1000, 1, 2, 2, requires_grad=True)


def test_a_share_p_of_the_reals_are_whole_fakes():
    out = pseudo_reals(REAL, FAKE, 0.3, Draws("cpu", (0,)))
    per_picture = out.flatten(1)
    assert ((per_picture == 0).all(dim=1) | (per_picture == 1).all(dim=1)).all()
    assert abs((per_picture[:, 0] == 0).float().mean() - 0.3) < 0.05


def test_at_p_0_all_are_real_and_at_p_1_none_is():
    assert pseudo_reals(REAL, FAKE, 0.0, Draws("cpu", (0,))) is REAL
    assert torch.equal(pseudo_reals(REAL, FAKE, torch.tensor(0.0), Draws("cpu", (0,))), REAL)
    assert torch.equal(pseudo_reals(REAL, FAKE, 1.0, Draws("cpu", (0,))), FAKE.detach())


def test_no_gradient_reaches_g():
    assert not pseudo_reals(REAL, FAKE, 0.5, Draws("cpu", (0,))).requires_grad


def test_a_part_of_a_batch_gets_what_the_whole_would():
    whole = pseudo_reals(REAL, FAKE, 0.5, Draws("cpu", (0,), Rows(1000)))
    part = pseudo_reals(REAL[400:], FAKE[400:], 0.5, Draws("cpu", (0,), Rows(1000, 400)))
    assert torch.equal(part, whole[400:])
