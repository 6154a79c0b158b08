"""Feature matching against closed forms."""

import torch

from ganvas.objectives.feature_matching import feature_matching_loss


def test_it_is_the_squared_distance_of_the_mean_features():
    real = torch.tensor([[1.0, 0.0], [3.0, 0.0]])  # mean (2, 0)
    fake = torch.tensor([[0.0, 4.0], [0.0, 0.0], [-3.0, 8.0]])  # mean (-1, 4)
    assert feature_matching_loss(real, fake).item() == 25.0


def test_it_asks_for_nothing_but_the_mean():
    real = torch.tensor([[1.0], [-1.0]])
    assert feature_matching_loss(real, torch.zeros(5, 1)).item() == 0.0


def test_every_fake_is_moved_alike():
    fake = torch.tensor([[1.0], [3.0]], requires_grad=True)
    feature_matching_loss(torch.zeros(4, 1), fake).backward()
    assert fake.grad.flatten().tolist() == [2.0, 2.0]  # 2 (mean - 0) / N
