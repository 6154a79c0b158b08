"""LeCam regularisation against closed forms."""

import pytest
import torch

from ganvas.objectives.lecam import lecam_penalty, running_mean


def test_logits_are_drawn_to_what_was_lately_said_of_the_other_kind():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 0.0])
    penalty = lecam_penalty(real, fake, real_mean=torch.tensor(2.0), fake_mean=torch.tensor(-1.0))
    assert penalty.tolist() == [2.0**2 + 3.0**2, 4.0**2 + 2.0**2]


def test_of_several_logits_on_a_picture_it_is_the_mean():
    zero = torch.zeros(())
    assert lecam_penalty(torch.tensor([[1.0, 3.0]]), torch.zeros(1, 2), zero, zero).tolist() == [5.0]


def test_it_is_0_for_a_blind_d():
    logits = torch.full((3,), 0.4)
    assert lecam_penalty(logits, logits, torch.tensor(0.4), torch.tensor(0.4)).abs().max() == 0


def test_with_a_wasserstein_loss_the_best_logits_are_bounded_by_the_weight():
    """-r + weight r^2 is least at r = 1 / (2 weight)."""
    weight = 0.25
    real, fake = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([real, fake], lr=0.1)
    mean = torch.zeros(())  # of both
    for _ in range(400):
        loss = fake - real + weight * lecam_penalty(real, fake, mean, mean)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    assert real.item() == pytest.approx(1 / (2 * weight), abs=1e-3)
    assert fake.item() == pytest.approx(-1 / (2 * weight), abs=1e-3)


def test_the_means_get_no_gradient():
    mean = torch.zeros((), requires_grad=True)
    assert not lecam_penalty(torch.ones(2), torch.ones(2), mean, mean).requires_grad


def test_a_running_mean_forgets_half_in_69_updates_of_decay_0_99():
    mean = torch.tensor(1.0)
    for _ in range(69):
        mean = running_mean(mean, torch.tensor([1.0, -1.0], requires_grad=True))
    assert mean.item() == pytest.approx(0.5, abs=1e-3)
    assert not mean.requires_grad
