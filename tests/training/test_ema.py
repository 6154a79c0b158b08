"""The average covers parameters and buffers, from the first step on."""

import pytest
import torch
from torch import nn

from ganvas.training.ema import ema_beta, ema_update


def test_beta_rises_from_near_zero_to_the_half_life():
    assert ema_beta(images_seen=32, batch=32, half_life=1000) == pytest.approx(2 / 11)
    late = ema_beta(images_seen=10**7, batch=32, half_life=1000)
    assert late ** (1000 / 32) == pytest.approx(0.5)


def test_the_average_moves_by_one_minus_beta_in_parameters_and_buffers():
    average, current = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    nn.init.constant_(average.weight, 0.0)
    nn.init.constant_(current.weight, 1.0)
    average.running_mean.fill_(0.0), current.running_mean.fill_(10.0)
    current.num_batches_tracked.fill_(7)
    ema_update(average, current, beta=0.75)
    assert average.weight.item() == pytest.approx(0.25)
    assert average.running_mean.item() == pytest.approx(2.5)
    assert average.num_batches_tracked.item() == 7


def test_networks_of_other_layers_are_not_averaged():
    with pytest.raises(AssertionError, match="differ"):
        ema_update(nn.Sequential(nn.Linear(1, 1)), nn.Linear(1, 1), 0.5)


def test_the_average_of_a_constant_is_that_constant():
    average, current = nn.Linear(2, 2), nn.Linear(2, 2)
    for step in range(200):
        ema_update(average, current, ema_beta((step + 1) * 10, 10, 20))
    torch.testing.assert_close(average.weight, current.weight)
