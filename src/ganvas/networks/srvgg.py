"""SRVGGNetCompact, the small network of Real-ESRGAN for videos and general pictures (Wang et al., 2021; its release).

3x3 convolutions with PReLU on the small picture, the last of which gives scale^2 pixels at once, added to the nearest
pixels. It sees colours in [0, 1], which is not the same as [-1, 1] where convolutions pad with zeros.

64 wide, 16 convolutions between the first and the last, RGB, scale 4: 621,424 parameters (the one for anime videos;
that for general pictures has 32 convolutions).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.enlarging import SubPixel, checked_channels, from_unit, in_channels_of_output, steps_to, to_unit
from ganvas.networks.sizes import Size


class SrvggPainter(Painter):
    """[N, in_channels, H, W], labels [N] or None -> [N, out_channels, scale*H, scale*W] about [-1, 1].

    resolution: not needed, any size will do. width: of every map. convolutions: between the first and the last.
    """

    def __init__(
        self,
        resolution: Size,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        classes: int = 0,
        scale: int = 4,
        convolutions: int = 16,
    ) -> None:
        super().__init__()
        checked_channels(in_channels, out_channels)
        steps_to(scale)
        self.in_channels, self.out_channels, self.classes, self.scale = in_channels, out_channels, classes, scale
        self.reach = convolutions + 2
        self.input = LabelledPictures(in_channels, classes)
        layers: list[nn.Module] = []
        for before in (self.input.channels, *(width for _ in range(convolutions))):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)  # where PReLU begins
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        self.picture = SubPixel(width, out_channels, scale)
        nn.init.zeros_(self.picture.convolution.weight)  # begins as the nearest pixels
        assert self.picture.convolution.bias is not None
        nn.init.zeros_(self.picture.convolution.bias)

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        unit = to_unit(images)
        residual: Tensor = self.picture(self.body(self.input(unit, labels)))
        base = in_channels_of_output(unit, self.out_channels)
        return from_unit(F.interpolate(base, scale_factor=float(self.scale), mode="nearest") + residual)
