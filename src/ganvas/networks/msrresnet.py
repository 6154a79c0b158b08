"""MSRResNet: SRResNet without BatchNorm as ESRGAN was compared with it (Wang et al., 2018; published in BasicSR).

A 3x3 convolution, residual blocks of 3x3, ReLU, 3x3, sub-pixel convolutions, a 3x3 convolution at the full size, a 3x3
convolution to what is added to the bilinear enlargement; LeakyReLU 0.1 between them. It sees colours in [0, 1], which
is not the same as [-1, 1] where convolutions pad with zeros.

It is here for published weights: `srresnet` starts from the better bicubic picture and takes less time. 64 wide,
16 blocks, RGB: 1,517,571 parameters at scale 4. Scales 2, 3, 4 are published.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.enlarging import (
    SubPixel,
    checked_channels,
    from_unit,
    in_channels_of_output,
    initialise_icnr,
    steps_to,
    to_unit,
)
from ganvas.networks.sizes import Size
from ganvas.networks.srresnet import ResidualBlock

SLOPE = 0.1


class MsrresnetPainter(Painter):
    """[N, in_channels, H, W], labels [N] or None -> [N, out_channels, scale*H, scale*W] about [-1, 1].

    resolution: not needed, any size will do. width: of every map.
    """

    def __init__(
        self,
        resolution: Size,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        classes: int = 0,
        scale: int = 4,
        blocks: int = 16,
    ) -> None:
        super().__init__()
        checked_channels(in_channels, out_channels)
        steps = steps_to(scale)
        self.in_channels, self.out_channels, self.classes, self.scale = in_channels, out_channels, classes, scale
        self.reach = 1 + 2 * blocks + 1 + 2  # 3x3 each; those behind the first step lie on a finer grid
        self.input = LabelledPictures(in_channels, classes)
        self.first = nn.Conv2d(self.input.channels, width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.up = nn.ModuleList(SubPixel(width, width, step) for step in steps)
        self.fine = nn.Conv2d(width, width, 3, padding=1)
        self.picture = nn.Conv2d(width, out_channels, 3, padding=1)
        for up in self.up:
            assert isinstance(up, SubPixel)
            initialise_icnr(up)
        nn.init.zeros_(self.picture.weight)  # begins as the bilinear enlargement
        assert self.picture.bias is not None
        nn.init.zeros_(self.picture.bias)

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        unit = to_unit(images)
        x = self.body(F.leaky_relu(self.first(self.input(unit, labels)), SLOPE))
        for up in self.up:
            x = F.leaky_relu(up(x), SLOPE)
        residual: Tensor = self.picture(F.leaky_relu(self.fine(x), SLOPE))
        base = in_channels_of_output(unit, self.out_channels).float()
        return from_unit(F.interpolate(base, scale_factor=float(self.scale), mode="bilinear") + residual)
