"""The exponential moving average of a generator: what is sampled, judged and saved."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ema_beta(images_seen: int, batch: int, half_life: int) -> float:
    """Weight of the old average. Starts near 0 and rises, so that the random start is forgotten from the first step on.

    After t updates (1 + t) / (10 + t), until that reaches the beta whose half-life is `half_life` images.
    """
    updates = images_seen / batch
    return float(min(0.5 ** (batch / half_life), (1 + updates) / (10 + updates)))


@torch.no_grad()
def ema_update(average: nn.Module, current: nn.Module, beta: float) -> None:
    """average <- beta * average + (1 - beta) * current, in place, for parameters and floating buffers.

    Buffers count: an average with BatchNorm statistics of another network paints grey. Integer buffers are copied.
    """
    old: list[Tensor] = []
    new: list[Tensor] = []
    for (name, a), (name_b, b) in zip(_tensors(average), _tensors(current), strict=True):
        assert name == name_b, f"the average and the network differ: {name} against {name_b}"
        if a.is_floating_point():
            old.append(a)
            new.append(b)
        else:
            a.copy_(b)
    torch._foreach_lerp_(old, new, 1 - beta)


def _tensors(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [*network.named_parameters(), *network.named_buffers()]
