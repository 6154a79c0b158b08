"""Consistency of logits under augmentation, against closed forms."""

import torch

from ganvas.objectives.consistency import consistency_penalty


def test_it_is_the_squared_difference_of_the_logits():
    penalty = consistency_penalty(torch.tensor([1.0, -2.0]), torch.tensor([1.0, 1.0]))
    assert penalty.tolist() == [0.0, 9.0]


def test_of_several_logits_on_a_picture_it_is_the_mean():
    logits = torch.tensor([[1.0, 2.0]])
    assert consistency_penalty(logits, torch.zeros(1, 2)).tolist() == [(1 + 4) / 2]


def test_it_pulls_both_logits_together():
    logits, augmented = torch.tensor([2.0], requires_grad=True), torch.tensor([-1.0], requires_grad=True)
    consistency_penalty(logits, augmented).sum().backward()
    assert (logits.grad.item(), augmented.grad.item()) == (6.0, -6.0)
