"""The optimisers of both players, and how their rates and memories go over a run."""

from __future__ import annotations

import torch
from torch import nn

from ganvas.games.schedules import cosine
from ganvas.settings import TrainSettings


def make_optimizer(network: nn.Module, lr: float, settings: TrainSettings) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015) or RMSprop over all parameters of a network that learn."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr)
    return torch.optim.Adam(parameters, lr=lr, betas=(settings.beta1, settings.beta2), fused=True)


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
