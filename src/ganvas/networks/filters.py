"""Fixed low-pass filters before pixels are dropped and after pixels are put between: in pure PyTorch.

Both directions are depthwise convolutions, each the other's adjoint, which is how their gradients are computed here.
PyTorch's own second derivative of a depthwise convolution goes channel by channel: with 64 channels of 35x35 pixels,
a gradient penalty through a 4x4 filter takes 109 ms by that and 29 ms by this, on one CPU core.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Pair = tuple[int, int]  # along the height, along the width


def binomial_kernel() -> Tensor:
    """The 4x4 filter (1, 3, 3, 1) x (1, 3, 3, 1), of sum one: the blur of StyleGAN2."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64


def kaiser_taps(taps: int, cutoff: float, half_width: float, rate: float) -> Tensor:
    """A low-pass filter of sum one: sinc under a Kaiser window, [taps].

    cutoff: the middle of the transition band; half_width: of that band; rate: of the sampling; all in cycles per the
    same unit. How deep the stop band can be with so many taps decides the window's shape (Kaiser, 1974: the formulas
    that StyleGAN3's appendix C quotes).
    """
    depth = 2.285 * (taps - 1) * math.pi * 4 * half_width / rate + 7.95  # dB
    above = max(depth - 21, 0)
    beta = 0.1102 * (depth - 8.7) if depth > 50 else 0.5842 * above**0.4 + 0.07886 * above
    places = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate
    window = torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)
    response = torch.sinc(2 * cutoff * places) * window
    return (response / response.sum()).float()


def downsampled(x: Tensor, kernel: Tensor, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Tensor:
    """Every channel correlated with `kernel` [h, w], of which every stride-th value is computed: as `F.conv2d`."""
    if not torch.is_grad_enabled():
        return _downsample(x, kernel, stride, padding)
    result: Tensor = _Downsample.apply(x, kernel, stride, padding)  # type: ignore[no-untyped-call]
    return result


def upsampled(x: Tensor, kernel: Tensor, stride: Pair, padding: Pair = (0, 0), extra: Pair = (0, 0)) -> Tensor:
    """Zeros put between the values, then filtered: the adjoint of `downsampled`, as `F.conv_transpose2d`.

    The kernel should sum to the product of the strides, so that a flat picture stays as bright. extra: rows and
    columns more at the end.
    """
    if not torch.is_grad_enabled():
        return _upsample(x, kernel, stride, padding, extra)
    result: Tensor = _Upsample.apply(x, kernel, stride, padding, extra)  # type: ignore[no-untyped-call]
    return result


def _downsample(x: Tensor, kernel: Tensor, stride: Pair, padding: Pair) -> Tensor:
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv2d(x, weight, stride=stride, padding=padding, groups=channels)


def _upsample(x: Tensor, kernel: Tensor, stride: Pair, padding: Pair, extra: Pair) -> Tensor:
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv_transpose2d(x, weight, stride=stride, padding=padding, output_padding=extra, groups=channels)


class _Downsample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.stride, ctx.padding, ctx.size = stride, padding, x.shape[2:]
        return _downsample(x, kernel, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (kernel,) = ctx.saved_tensors
        (gradient,) = gradients
        # What the last step of the stride left over.
        shapes = zip(ctx.size, gradient.shape[2:], kernel.shape, ctx.stride, ctx.padding, strict=True)
        rows, columns = (size - ((out - 1) * s + taps - 2 * p) for size, out, taps, s, p in shapes)
        return upsampled(gradient, kernel, ctx.stride, ctx.padding, (rows, columns)), None, None, None


class _Upsample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: Pair, padding: Pair, extra: Pair) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.stride, ctx.padding = stride, padding
        return _upsample(x, kernel, stride, padding, extra)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (kernel,) = ctx.saved_tensors
        (gradient,) = gradients
        return downsampled(gradient, kernel, ctx.stride, ctx.padding), None, None, None, None
