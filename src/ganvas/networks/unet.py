"""The U-Net of pix2pix (Isola et al., 2017, "Image-to-Image Translation with Conditional Adversarial Networks").

The picture is halved by 4x4 convolutions of stride 2 until its shorter side is a pixel or two, and doubled again by
transposed ones; each map on the way up also gets the map of its size from the way down, so that edges need not go
through the narrow middle (section 3.2.1 and appendix 6.1.1). Widths C64-C128-C256-C512-... and back; LeakyReLU 0.2 on
the way down, ReLU on the way up, tanh at the end; weights N(0, 0.02).

Normalisation is by instance, with a learned gain and bias. The paper's is BatchNorm with the statistics of the batch at
test time too, which for its batches of one is the same thing (section 3.3); by instance a picture is painted alike in
every batch. The narrowest map has none: it may be a single pixel.

Dropout of a half stands behind the first three maps of the way up (fewer in a shallow network), and only while
training, with numbers from `random`. The paper keeps it at test time as its only noise, but found that it changes
little (section 3.1); here the same picture is always painted the same.

Trained with L1 of weight 100 beside the adversarial loss, Adam of 2e-4 with betas (0.5, 0.999), batches of 1. At 256
pixels, RGB to RGB, 64 wide: 54,413,955 parameters (the paper's own code reports 54.414 M).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.instance_norm import InstanceNorm
from ganvas.networks.norms import initialise_dcgan
from ganvas.networks.padding import mirrored
from ganvas.networks.sizes import Size

DEEPEST = 8  # halvings: 256 pixels to one
WIDEST = 8  # times the width of the first map
DROPOUTS = 3


class UnetPainter(Painter):
    """[N, in_channels, H, W], labels [N] or None -> [N, out_channels, H, W] in [-1, 1].

    resolution: of the pictures it is trained on, which decides how often they are halved. width: of the first map; it
    doubles with each halving up to 8 times as much. bias: whether the first and the last halving, which no norm
    follows, have one.
    """

    uses_random = True
    reach = -1  # each instance norm sees the whole map

    def __init__(
        self,
        resolution: Size,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        classes: int = 0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.classes = in_channels, out_channels, classes
        self.depth = max(1, min(DEEPEST, int(math.log2(min(resolution)))))
        self.multiple = 2**self.depth
        self.dropouts = max(0, min(DROPOUTS, self.depth - 4))  # from the middle on
        self.input = LabelledPictures(in_channels, classes)
        widths = [self.input.channels, *(width * min(2**i, WIDEST) for i in range(self.depth))]
        self.down = nn.ModuleList(
            _Down(before, after, first=i == 0, normalised=0 < i < self.depth - 1, bias=bias)
            for i, (before, after) in enumerate(pairwise(widths))
        )
        ups = []
        for i in reversed(range(1, self.depth)):
            from_below = widths[i + 1] if i == self.depth - 1 else 2 * widths[i + 1]
            ups.append(_Up(from_below, widths[i]))
        self.up = nn.ModuleList(ups)
        self.picture = nn.ConvTranspose2d(widths[1] * (2 if ups else 1), out_channels, 4, stride=2, padding=1)
        initialise_dcgan(self)

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        height, width = images.shape[2:]
        x = self.input(images, labels)
        if min(height, width) < self.multiple:  # too small to be halved so often
            x = mirrored(x, self.multiple)
        size = x.shape[2:]
        skips = []
        for down in self.down:
            x = down(x)  # [N, width * 2^i, about H / 2^(i + 1), W / 2^(i + 1)]
            skips.append(x)
        skips.pop()
        for i, up in enumerate(self.up):
            skip = skips.pop()
            x = up(x)[:, :, : skip.shape[2], : skip.shape[3]]
            if random is not None and self.training and i < self.dropouts:
                x = x * (2 * (random.uniform(*x.shape) >= 0.5).to(x.dtype))
            x = torch.cat([x, skip], dim=1)
        pictures: Tensor = self.picture(F.relu(x))[:, :, : size[0], : size[1]].tanh()
        return pictures[:, :, :height, :width]


class _Down(nn.Module):
    """LeakyReLU (but for the picture itself), 4x4 of stride 2, instance norm: [N, C, h, w] -> halves, rounded up."""

    def __init__(self, before: int, after: int, *, first: bool, normalised: bool, bias: bool) -> None:
        super().__init__()
        self.first = first
        self.convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=bias and not normalised)
        self.norm = InstanceNorm(after) if normalised else None

    def forward(self, x: Tensor) -> Tensor:
        x = mirrored(x, 2)
        y: Tensor = self.convolution(x if self.first else F.leaky_relu(x, 0.2))
        return y if self.norm is None else self.norm(y)


class _Up(nn.Module):
    """ReLU, transposed 4x4 of stride 2, instance norm: [N, C, h, w] -> [N, C', 2h, 2w]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
        self.norm = InstanceNorm(after)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.convolution(F.relu(x)))
        return y
