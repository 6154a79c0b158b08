"""A small convolutional network of fixed random weights: cheap features that need no learning.

Random convolutions keep apart what looks different (Saxe et al., 2011), which is all that is asked of them here. They
say nothing about quality: that is the judge's part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGEST_SIDE = 32
WIDTHS = (16, 32)
GRID = 4


class RandomFeatures(nn.Module):
    """[N, C, H, W] in [-1, 1] -> [N, F], F at most 512, standardised by the pixels of the given reals."""

    mean: Tensor
    std: Tensor

    def __init__(self, reals: Tensor) -> None:
        """`reals`: [N, C, H, W], whose channels and device it takes. The weights are the same every time."""
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        before = reals.shape[1]
        for i, width in enumerate(WIDTHS):
            weight = torch.randn((width, before, 3, 3), generator=generator) * (2 / (9 * before)) ** 0.5
            self.register_buffer(f"weight{i}", weight.to(reals.device))
            before = width
        self.register_buffer("mean", reals.mean(dim=(0, 2, 3), keepdim=True))
        self.register_buffer("std", reals.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-3))

    def forward(self, x: Tensor) -> Tensor:
        x = _averaged(x, LARGEST_SIDE)
        x = (x - self.mean) / self.std
        for i in range(len(WIDTHS)):
            x = F.relu(F.conv2d(x, self.get_buffer(f"weight{i}"), stride=2, padding=1))
        return _averaged(x, GRID).flatten(1)


def _averaged(x: Tensor, side: int) -> Tensor:
    """Means over equal boxes, so that no side is longer than `side`."""
    box = -(-max(x.shape[2:]) // side)
    return x if box == 1 else F.avg_pool2d(x, box, ceil_mode=True)
