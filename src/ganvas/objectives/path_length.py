"""Path length regularisation: a step in w should change the picture by the same amount, whatever w and the direction.

Karras et al., 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 3.2 and equation 4: the expected
value of (|J^T y| - a)^2, where J is the derivative of the picture by w, y a picture of N(0, 1) noise, and a the running
mean of those lengths. Here the noise is divided by the square root of the number of pixels, and squares are averaged
over the layers, so that the weight is 2 at every resolution: the paper's ln 2 / (r^2 (ln r - ln 2)) is that, divided by
r^2 pixels and 2 log2(r) - 2 layers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TARGET_DECAY = 0.99


def path_lengths(images: Tensor, ws: Tensor, noise: Tensor) -> Tensor:
    """|J^T y| of every picture, itself differentiable: [N, C, H, W], [N, layers, w_dim], [N, C, H, W] -> [N].

    ws: one w per layer, which must require a gradient and which `images` must come from, picture by picture. noise:
    N(0, 1), as large as the pictures. Squares are summed over w and averaged over the layers.
    """
    height, width = images.shape[2:]
    along = (images * noise).sum() / math.sqrt(height * width)
    (gradient,) = torch.autograd.grad(along, ws, create_graph=True)  # [N, layers, w_dim]
    squares = gradient.square().sum(dim=2).mean(dim=1)
    return (squares + 1e-12).sqrt()  # a length of 0 has no gradient at the root


def path_length_penalty(lengths: Tensor, target: Tensor) -> Tensor:
    """(length - target)^2: [N], a scalar without gradient -> [N]; the target is the updated one."""
    return (lengths - target).square()


def updated_target(target: Tensor, lengths: Tensor) -> Tensor:
    """The running mean of lengths after one more batch: a scalar, [N] -> a scalar without gradient."""
    return torch.lerp(target, lengths.detach().mean().to(target.dtype), 1 - TARGET_DECAY)
