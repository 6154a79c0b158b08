"""The optimisers of both players, and how their rates and memories go over a run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganvas.games.schedules import cosine
from ganvas.settings import TrainSettings


def make_optimizer(network: nn.Module, lr: float, settings: TrainSettings) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015) or RMSprop over all parameters of a network that learn."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr)
    return FusedAdam(parameters, lr=lr, betas=(settings.beta1, settings.beta2), fused=True)


class FusedAdam(torch.optim.Adam):
    """PyTorch's own in one kernel, which on a CPU copies every gradient whose order in memory is channels last.

    It goes through all numbers one by one, so it is shown them in the order in which they lie: of 7 million weights in
    batches of 4 pairs the copies took a tenth of the step.
    """

    def _init_group(self, group: dict[str, Any], *tensors: list[Tensor]) -> bool:
        has_complex: bool = super()._init_group(group, *tensors)  # type: ignore[no-untyped-call]
        for some in tensors[:4]:  # parameters, gradients, and the two memories
            some[:] = [as_it_lies(tensor) for tensor in some]
        return has_complex


def as_it_lies(tensor: Tensor) -> Tensor:
    """The same memory in plain order: [N, C, H, W], channels last on a CPU -> [N, H, W, C]; others as they are."""
    if tensor.device.type != "cpu" or tensor.is_contiguous() or tensor.dim() != 4:
        return tensor
    return tensor.permute(0, 2, 3, 1)


def set_rates(optimizer: torch.optim.Optimizer, lr: float, progress: float, settings: TrainSettings) -> None:
    """The learning rate, and Adam's second memory, of this moment of the run."""
    scale = learning_rate_scale(progress, settings)
    for group in optimizer.param_groups:
        group["lr"] = lr * scale
        if settings.beta2_final is not None and "betas" in group:
            beta2 = cosine(settings.beta2, settings.beta2_final, progress, settings.burn_in)
            group["betas"] = (settings.beta1, beta2)


def learning_rate_scale(progress: float, settings: TrainSettings) -> float:
    """Half a cosine from 1 to `lr_final` over the burn-in; or 1 until `lr_decay_from`, then in a line to `lr_final`."""
    if settings.burn_in:
        return cosine(1.0, settings.lr_final, progress, settings.burn_in)
    if progress <= settings.lr_decay_from or settings.lr_decay_from >= 1:
        return 1.0
    return 1 + (settings.lr_final - 1) * min(1.0, (progress - settings.lr_decay_from) / (1 - settings.lr_decay_from))
