"""Adam as the players learn by it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganvas.games.optimizers import FusedAdam, as_it_lies

ORDERS = [torch.contiguous_format, torch.channels_last]


def learned(adam: type[torch.optim.Adam], order: torch.memory_format) -> tuple[list[torch.Tensor], torch.optim.Adam]:
    """The weights after three steps, and the optimiser."""
    random = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(3, 4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(4, 3, 2, 2, generator=random))
    layer.to(memory_format=order)
    optimizer = adam(layer.parameters(), lr=0.1, fused=adam is FusedAdam)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(2, 3, 4, 4, generator=random)).square().sum().backward()
        optimizer.step()
    return [layer.weight.detach()], optimizer


@pytest.mark.parametrize("order", ORDERS)
def test_the_steps_are_those_of_plain_adam_in_either_order_of_memory(order):
    ours, optimizer = learned(FusedAdam, order)
    plain, _ = learned(torch.optim.Adam, order)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
    (state,) = optimizer.state.values()
    assert state["exp_avg"].shape == (4, 3, 2, 2)  # as a checkpoint holds it


def test_a_gradient_that_lies_channels_last_is_not_copied():
    weight = nn.Parameter(torch.ones(4, 3, 2, 2).to(memory_format=torch.channels_last))
    weight.grad = torch.ones_like(weight)
    optimizer = FusedAdam([weight], lr=0.1, fused=True)
    optimizer.step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.step()
    assert "aten::clone" not in {event.key for event in profile.key_averages()}


def test_a_tensor_as_it_lies_shares_its_memory():
    lies = torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last)
    assert as_it_lies(lies).is_contiguous()
    assert as_it_lies(lies).data_ptr() == lies.data_ptr()
    plain = torch.zeros(1, 2, 3, 4)
    assert as_it_lies(plain) is plain
