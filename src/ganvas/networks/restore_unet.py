"""A U-Net for restoration: it paints what is to be added to its input, and starts by adding nothing.

The shape is that of the single-stage networks of today (Chen et al., 2022, "Simple Baselines for Image Restoration",
section 3.1): a 3x3 convolution; on the way down at each size some residual blocks, then a 2x2 convolution of stride 2
to twice the width; blocks in the middle; on the way up a 1x1 convolution to sub-pixels, plus the map of that size from
the way down, and blocks; a 3x3 convolution whose result is added to the picture, as DnCNN does (Zhang et al., 2017).

The blocks are 3x3, ReLU, 3x3 plus what came in, without any normalisation, which would take from a picture how bright
and how noisy it is. NAFNet's own blocks (LayerNorm, depthwise convolutions, gates) have half as many parameters, but a
training step took 1.6 times as long (32 wide, one block at each size, 64x64 pixels, one CPU core: 38 instead of 23 ms a
picture); which of the two is better after minutes was not measured. One block is the default because it learns sooner:
after 20 s of one core 27.2 dB against 25.3 with two, from noise of 25 levels at 20.6 (photographs, one seed).

The last convolution starts at zero: untrained, the network gives its input. `reach` is finite and exact tiles are
possible, as nothing looks at the whole picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.enlarging import base_of, checked_channels
from ganvas.networks.padding import mirrored
from ganvas.networks.sizes import Size
from ganvas.networks.srresnet import ResidualBlock

SMALLER = 0.1  # times He's weights: of the second convolution of each block


class RestoreUnetPainter(Painter):
    """[N, in_channels, H, W], labels [N] or None -> [N, out_channels, H, W] about [-1, 1].

    width: of the first maps; it doubles with each of `halvings`. blocks: residual blocks at each size, on either way.
    """

    def __init__(
        self,
        resolution: Size,
        in_channels: int,
        out_channels: int,
        width: int = 32,
        classes: int = 0,
        halvings: int = 2,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        checked_channels(in_channels, out_channels)
        self.in_channels, self.out_channels, self.classes = in_channels, out_channels, classes
        self.multiple = 2**halvings
        self.reach = _reach(halvings, blocks)
        self.input = LabelledPictures(in_channels, classes)
        widths = [width * 2**i for i in range(halvings + 1)]
        self.first = nn.Conv2d(self.input.channels, width, 3, padding=1)
        self.down_blocks = nn.ModuleList(_blocks(one, blocks) for one in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(one, 2 * one, 2, stride=2) for one in widths[:-1])
        self.middle = _blocks(widths[-1], blocks)
        self.up = nn.ModuleList(nn.Conv2d(2 * one, 4 * one, 1) for one in reversed(widths[:-1]))
        self.up_blocks = nn.ModuleList(_blocks(one, blocks) for one in reversed(widths[:-1]))
        self.picture = nn.Conv2d(width, out_channels, 3, padding=1)
        self._initialise()

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        height, width = images.shape[2:]
        x = self.first(mirrored(self.input(images, labels), self.multiple))
        skips = []
        for block, down in zip(self.down_blocks, self.down, strict=True):
            x = block(x)
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for up, block in zip(self.up, self.up_blocks, strict=True):
            x = block(F.pixel_shuffle(up(x), 2) + skips.pop())
        change: Tensor = self.picture(x)[:, :, :height, :width]
        return base_of(images, self.out_channels, scale=1) + change

    @torch.no_grad()
    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        for layer in self.modules():
            if isinstance(layer, ResidualBlock):
                layer.convolution2.weight.mul_(SMALLER)
        nn.init.zeros_(self.picture.weight)


def _reach(halvings: int, blocks: int) -> int:
    """Pixels: each block reaches two of its map's places far on either side, the first and the last layer one.

    A map of h halvings has places of 2^h pixels, of which an output pixel lies anywhere in one.
    """
    place: int = 2**halvings
    ways = 4 * blocks * (place - 1)  # 2 ways, 2 places a block, 1 + 2 + 4 + ... pixels
    return 2 + ways + 2 * blocks * place + place - 1


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
