"""Penalties that keep a discriminator smooth. Each gives one value per image; the game weighs and averages them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def input_gradient(images: Tensor, logits: Tensor) -> Tensor:
    """dD/dx of every picture, itself differentiable: [N, C, H, W], [N] -> [N, C, H, W].

    `images` must require a gradient and `logits` must come from them, picture by picture (no BatchNorm in D).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient


def r1_penalty(real: Tensor, real_logits: Tensor) -> Tensor:
    """Squared length of dD/dx on real pictures: [N, C, H, W], [N] -> [N] (Mescheder et al., 2018, eq. 9)."""
    return input_gradient(real, real_logits).square().sum(dim=(1, 2, 3))


def r2_penalty(fake: Tensor, fake_logits: Tensor) -> Tensor:
    """Squared length of dD/dx on generated pictures: [N, C, H, W], [N] -> [N] (Mescheder et al., 2018, eq. 10)."""
    return r1_penalty(fake, fake_logits)


def gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """(length of dD/dx - 1)^2: [N, C, H, W], [N] -> [N] (WGAN-GP, Gulrajani et al., 2017, eq. 3).

    `images` are meant to lie on lines between real and generated pictures: see `interpolate`.
    """
    squares = input_gradient(images, logits).square().sum(dim=(1, 2, 3))
    length = (squares + 1e-12).sqrt()  # a flat D has length 0, where the root has no gradient
    return (length - 1).square()


def interpolate(real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    """A point on the line from each fake to each real, for `gradient_penalty`: [N, C, H, W], weights [N] in [0, 1]."""
    weights = weights.view(-1, 1, 1, 1)
    return (weights * real + (1 - weights) * fake).detach().requires_grad_(True)


@torch.no_grad()
def clip_weights(D: nn.Module, limit: float) -> None:
    """Every parameter of D into [-limit, limit], in place (WGAN, Arjovsky et al., 2017, algorithm 1)."""
    torch._foreach_clamp_min_(list(D.parameters()), -limit)
    torch._foreach_clamp_max_(list(D.parameters()), limit)
