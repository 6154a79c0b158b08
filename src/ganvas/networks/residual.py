"""Residual blocks that double or halve a map, of SNGAN, SAGAN and BigGAN (Miyato et al., 2018, appendix B.4).

A doubling followed by a 3x3 convolution sees each place four times over, and so does a 3x3 convolution whose outputs
are averaged by fours. Both are one 4x4 convolution of stride 2 with sums of the same weights, which takes 16 products
where 36 were: the same function, in 0.4 to 0.8 of the time on a CPU, but for maps of a few pixels.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import ConditionalBatchNorm2d
from ganvas.networks.sizes import Size


def doubled_convolution(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """The 3x3 convolution (padding 1) of a map doubled to the nearest: [N, C, H, W] -> [N, C', 2H, 2W]."""
    weight = _spread(convolution.weight.flip(2, 3)).transpose(0, 1)
    return F.conv_transpose2d(x, weight, convolution.bias, stride=2, padding=1)


def halved_convolution(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """The means of 2x2 places of a 3x3 convolution (padding 1): [N, C, H, W] -> [N, C', H // 2, W // 2]."""
    return F.conv2d(x, _spread(convolution.weight) / 4, convolution.bias, stride=2, padding=1)


def _spread(weight: Tensor) -> Tensor:
    """Each 3x3 kernel laid four times over itself, moved by 0 or 1 each way: [O, I, 3, 3] -> [O, I, 4, 4]."""
    tall = F.pad(weight, (0, 0, 1, 0)) + F.pad(weight, (0, 0, 0, 1))
    return F.pad(tall, (1, 0)) + F.pad(tall, (0, 1))


class UpBlock(nn.Module):
    """BatchNorm, ReLU, doubling, 3x3, BatchNorm, ReLU, 3x3, plus a 1x1 of the doubled map.

    [N, before, h, w], condition -> [N, after, *size]; a size of 2h - 1 or 2w - 1 crops the last row or column.
    """

    def __init__(
        self, before: int, after: int, size: Size, norm1: ConditionalBatchNorm2d, norm2: ConditionalBatchNorm2d
    ) -> None:
        super().__init__()
        self.size = size
        self.norm1, self.norm2 = norm1, norm2
        self.convolution1 = nn.Conv2d(before, after, 3, padding=1)
        self.convolution2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        height, width = self.size
        y: Tensor = doubled_convolution(F.relu(self.norm1(x, condition)), self.convolution1)[:, :, :height, :width]
        y = self.convolution2(F.relu(self.norm2(y, condition)))
        # A 1x1 convolution and a doubling give the same in any order; the small map is the cheaper one.
        shortcut = F.interpolate(self.shortcut(x), scale_factor=2.0, mode="nearest")
        return y + shortcut[:, :, :height, :width]


class DownBlock(nn.Module):
    """ReLU, 3x3, ReLU, 3x3 and, if `halving`, means of 2x2 places; plus the same of a 1x1 convolution, or x itself.

    [N, before, H, W] -> [N, after, H // 2, W // 2], or at full size. `hidden` features lie between. The first block of
    a network sees the picture, which no ReLU may cut. x itself is added where neither size nor width changes.
    """

    def __init__(self, before: int, after: int, hidden: int, *, halving: bool, first: bool = False) -> None:
        super().__init__()
        self.halving, self.first = halving, first
        self.convolution1 = nn.Conv2d(before, hidden, 3, padding=1)
        self.convolution2 = nn.Conv2d(hidden, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1) if halving or before != after else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.convolution1(x if self.first else F.relu(x)))
        y = halved_convolution(y, self.convolution2) if self.halving else self.convolution2(y)
        if self.halving:
            x = F.avg_pool2d(x, 2)  # before the 1x1 convolution: the same in either order
        return y + (x if self.shortcut is None else self.shortcut(x))


def halvings_of_residual(resolution: Size) -> tuple[int, int]:
    """How many blocks of D halve and how many follow that do not.

    2 and 2 for pictures of up to 32 pixels (Miyato et al., 2018, table 4); else down to 4 pixels or fewer, and 1
    (tables 5 and 6). The shorter side counts.
    """
    side = min(resolution)
    if side <= 32:
        return 2, 2
    stages = 0
    while side >> stages > 4:
        stages += 1
    return stages, 1


def down_blocks(
    resolution: Size, channels: int, width: int, max_width: int, *, wide: bool
) -> tuple[list[DownBlock], list[Size], int]:
    """The blocks of D, the size of the map that each gives, and the features of the last.

    The first gives `width` features, each further one twice as many up to `max_width`. Between its two convolutions
    a block has as many as it takes, or as many as it gives if `wide`.
    """
    halving, flat = halvings_of_residual(resolution)
    widths = [channels, *(min(width * 2**i, max_width) for i in range(halving + flat))]
    height, breadth = resolution
    blocks: list[DownBlock] = []
    sizes: list[Size] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        hidden = after if wide or not number else before
        blocks.append(DownBlock(before, after, hidden, halving=number < halving, first=not number))
        if number < halving:
            height, breadth = height // 2, breadth // 2
        sizes.append((height, breadth))
    return blocks, sizes, widths[-1]


def initialise_glorot(network: nn.Module) -> None:
    """Glorot-uniform weights, larger by the root of 2 for the 3x3 convolutions of blocks; biases 0; in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for block in network.modules():
        if isinstance(block, UpBlock | DownBlock):
            nn.init.xavier_uniform_(block.convolution1.weight, math.sqrt(2))
            nn.init.xavier_uniform_(block.convolution2.weight, math.sqrt(2))


def initialise_orthogonal(network: nn.Module) -> None:
    """Orthogonal weights (Saxe et al., 2014), of embeddings too; biases 0; in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
            nn.init.orthogonal_(layer.weight)
            if not isinstance(layer, nn.Embedding) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
