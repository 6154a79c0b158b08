"""Instance norm whose gradient is right for a single picture too.

PyTorch's own (2.13, on a CPU) gives a wrong gradient for a batch of one if what arrives is in channels_last order: it
takes the batch for a BatchNorm's and reads it in the wrong order. A gradient in plain order is read rightly, so it is
brought to that. A batch of one is what pix2pix and CycleGAN were published with.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Each channel of each picture to mean 0 and variance 1, then gain and bias: [N, C, H, W] -> the same."""
    y = F.instance_norm(x, weight=weight, bias=bias)
    if len(x) == 1 and y.requires_grad:
        y.register_hook(Tensor.contiguous)  # type: ignore[no-untyped-call]
    return y


class InstanceNorm(nn.InstanceNorm2d):
    """The same as a layer, with a learned gain and bias or none."""

    def __init__(self, features: int, affine: bool = True) -> None:
        super().__init__(features, affine=affine)

    def forward(self, input: Tensor) -> Tensor:
        return instance_norm(input, self.weight, self.bias)
