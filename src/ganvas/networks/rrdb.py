"""RRDB, the generator of ESRGAN (Wang et al., 2018, "Enhanced Super-Resolution Generative Adversarial Networks").

Residual-in-residual dense blocks (section 3.1): three dense blocks of five 3x3 convolutions, each of which sees all
before it, with LeakyReLU 0.2 and residuals scaled by 0.2. A 3x3 convolution before the blocks and one behind them,
plus what the first gave; then nearest-pixel doublings, each with a 3x3 convolution, and two at the full size.

As in `srresnet` the result is added to the bicubic enlargement and the last convolution starts at zero, so that an
untrained network gives the bicubic picture. The paper starts from a tenth of He's weights (its "smaller
initialization"), which is taken over, and trains the adversarial stage from a network trained for PSNR.

`plain` is the network as it was published: no bicubic picture, and colours in [0, 1] between its first and its last
convolution, which pad with zeros and so with another colour than in [-1, 1]. `unshuffle` first folds blocks of pixels
into channels, so that smaller scales are done by the same doublings (Wang et al., 2021, "Real-ESRGAN", section 3.3).

64 wide, 23 blocks, 32 growing: 16,697,987 parameters at scale 4 (16.7 M as published). Scales 1, 2, 4, 8.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.enlarging import base_of, checked_channels, from_unit, steps_to, to_unit
from ganvas.networks.padding import mirrored
from ganvas.networks.residual import doubled_convolution
from ganvas.networks.sizes import Size

RESIDUAL_SCALE = 0.2
SMALLER = 0.1  # times He's weights
DENSE_LAYERS, DENSE_BLOCKS = 5, 3


class RrdbPainter(Painter):
    """[N, in_channels, H, W], labels [N] or None -> [N, out_channels, scale*H, scale*W] about [-1, 1].

    blocks: RRDBs. growth: maps that each layer of a dense block adds; 0 stands for half the width. plain, unshuffle:
    see above; 1, 2 or 4 pixels a side are folded.
    """

    def __init__(
        self,
        resolution: Size,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        classes: int = 0,
        scale: int = 4,
        blocks: int = 23,
        growth: int = 0,
        plain: bool = False,
        unshuffle: int = 1,
    ) -> None:
        super().__init__()
        checked_channels(in_channels, out_channels)
        if unshuffle not in (1, 2, 4):
            raise ValueError(f"blocks of {unshuffle} pixels a side cannot be folded: choose unshuffle=1, 2 or 4")
        steps = steps_to(scale * unshuffle)
        if any(step != 2 for step in steps):
            raise ValueError(f"scale {scale} cannot be done by doublings: choose 1, 2, 4 or 8")
        self.plain, self.unshuffle, self.multiple = plain, unshuffle, unshuffle
        self.in_channels, self.out_channels, self.classes, self.scale = in_channels, out_channels, classes, scale
        # 3x3 each: the first, 15 a block, the last of the body; those behind lie on a finer grid.
        self.reach = 2 + DENSE_LAYERS * DENSE_BLOCKS * blocks + 3
        if unshuffle > 1:  # from the farther side of one block to that of another
            self.reach = unshuffle * (self.reach + 1)
        self.input = LabelledPictures(in_channels, classes)
        self.first = nn.Conv2d(self.input.channels * unshuffle**2, width, 3, padding=1)
        self.body = nn.Sequential(*(_Rrdb(width, growth or width // 2) for _ in range(blocks)))
        self.behind = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in steps)
        self.fine = nn.Conv2d(width, width, 3, padding=1)
        self.picture = nn.Conv2d(width, out_channels, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        with torch.no_grad():
            for layer in self.body.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.weight.mul_(SMALLER)
        nn.init.zeros_(self.picture.weight)

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        height, width = images.shape[2:]
        given = mirrored(to_unit(images) if self.plain else images, self.unshuffle)
        first = self.first(F.pixel_unshuffle(self.input(given, labels), self.unshuffle))
        x = first + self.behind(self.body(first))
        for up in self.up:
            assert isinstance(up, nn.Conv2d)
            x = F.leaky_relu(doubled_convolution(x, up), 0.2)
        residual: Tensor = self.picture(F.leaky_relu(self.fine(x), 0.2))
        residual = residual[:, :, : self.scale * height, : self.scale * width]
        if self.plain:
            return from_unit(residual)
        return base_of(images, self.out_channels, self.scale) + residual


class _Dense(nn.Module):
    """Five convolutions, each on all maps before it: [N, C, h, w] -> the same."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width + i * growth, growth if i + 1 < DENSE_LAYERS else width, 3, padding=1)
            for i in range(DENSE_LAYERS)
        )

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for convolution in self.convolutions:
            maps.append(convolution(torch.cat(maps, dim=1)))
            if len(maps) <= DENSE_LAYERS:
                maps[-1] = F.leaky_relu(maps[-1], 0.2)
        return x + RESIDUAL_SCALE * maps[-1]


class _Rrdb(nn.Module):
    """Three dense blocks in a residual: [N, C, h, w] -> the same."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(_Dense(width, growth) for _ in range(DENSE_BLOCKS)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dense(x)
        return x + RESIDUAL_SCALE * y
