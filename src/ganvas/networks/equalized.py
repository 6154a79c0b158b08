"""Layers of the families that grow and style: equalised learning rate, pixel norm, minibatch standard deviation.

Karras et al., 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation", sections 3 and 4.
Equalised learning rate (4.1): weights are drawn from N(0, 1) and scaled at every use by the constant of He et al.,
2015. Adam moves every weight by about its learning rate, so all layers then learn at the same relative speed.

A leaky ReLU of positive slope commutes with a positive factor, so its gain of sqrt(2) stands in the layer before it,
where it costs nothing: `gain` multiplies weights and bias.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAKY_GAIN = math.sqrt(2)  # keeps a variance of one through a leaky ReLU of slope 0.2, nearly: sqrt(2 / 1.04) would


def leaky(x: Tensor) -> Tensor:
    """The leaky ReLU of slope 0.2 that all of these families use."""
    return F.leaky_relu(x, 0.2)


class EqualizedLinear(nn.Module):
    """[N, inputs] -> [N, outputs], of variance gain^2 for inputs of variance one.

    rate: learning rate relative to the other layers. start: the first value of every bias.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        gain: float = 1,
        rate: float = 1,
        start: float = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), start / (rate * gain))) if bias else None
        self.scale, self.bias_scale = gain * rate / math.sqrt(inputs), gain * rate

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.bias_scale
        return F.linear(x, self.weight * self.scale, bias)


class EqualizedConv2d(nn.Module):
    """[N, inputs, H, W] -> [N, outputs, H', W'], of variance gain^2 for inputs of variance one."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        gain: float = 1,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale, self.gain = gain / math.sqrt(inputs * kernel**2), gain
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.gain
        return F.conv2d(x, self.weight * self.scale, bias, self.stride, self.padding)


def pixel_norm(x: Tensor) -> Tensor:
    """Every vector over the channels divided by its root mean square: [N, C, ...] -> the same (section 4.2)."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(dim=1, keepdim=True) + 1e-8)).to(x.dtype)


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """How much the pictures of a group differ, as one more channel: [N, C, H, W] -> [N, 1, H, W] (section 3).

    The standard deviation of every value over the `group` neighbouring pictures, averaged into one number for each
    group. So D sees a lack of variety. Neighbours form groups, so that a batch shared out in multiples of `group` has
    those of the whole batch; where the batch is no multiple, the last group is filled up with the first pictures.
    """
    n, group = len(x), min(group, len(x))
    groups = -(-n // group)
    wide = x.float()
    if groups * group != n:
        wide = wide[torch.arange(groups * group, device=x.device) % n]
    grouped = wide.reshape(groups, group, *wide.shape[1:])  # [groups, group, C, H, W]
    # torch.var over a middle dimension is ten times as slow on a CPU.
    variance = (grouped - grouped.mean(dim=1, keepdim=True)).square().mean(dim=1)
    deviation = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3))  # a group of equal pictures has no gradient at the root
    rows = deviation.repeat_interleave(group)[:n].to(x.dtype)
    return rows.view(n, 1, 1, 1).expand(n, 1, *x.shape[2:])
