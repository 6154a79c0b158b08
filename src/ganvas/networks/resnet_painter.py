"""The residual painter of Johnson et al. (2016) and CycleGAN (Zhu et al., 2017, appendix 7.2), which CUT takes apart.

c7s1-64, d128, d256, nine residual blocks (six for pictures below 256 pixels), u128, u64, c7s1-3: a 7x7 convolution, two
3x3 convolutions of stride 2, blocks of two 3x3 convolutions, two transposed 3x3 ones, a 7x7 one and tanh. Edges are
mirrored before the 7x7 convolutions and inside the blocks, instance norm without gain and bias follows each
convolution but the last, weights are N(0, 0.02).

`encode` gives the maps in which CUT (Park et al., 2020, "Contrastive Learning for Unpaired Image-to-Image Translation",
appendix C.1) compares patches: the picture, what the two convolutions of stride 2 give, the first and the fifth block.

`bilinear` doubles as CUT does: maps are enlarged smoothly and then go through a 3x3 convolution. Transposed ones leave
a grid of every other pixel (Odena et al., 2016, "Deconvolution and Checkerboard Artifacts"); as many parameters.

RGB to RGB, 64 wide, nine blocks: 11,378,179 parameters (published code reports 11.378 M). Left out: CUT's blurred
halvings.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.instance_norm import instance_norm
from ganvas.networks.norms import initialise_dcgan
from ganvas.networks.padding import mirrored, with_edges
from ganvas.networks.sizes import Size

HALVINGS = 2
FEW_BLOCKS, MANY_BLOCKS, MANY_FROM = 6, 9, 256  # blocks below and from so many pixels on
COMPARED_BLOCKS = (1, 5)  # of those that are there


class ResnetPainter(Painter):
    """[N, in_channels, H, W], labels [N] or None -> [N, out_channels, H, W] in [-1, 1].

    width: of the first map; it doubles with each of the two halvings. blocks: 0 leaves their number to the resolution.
    bilinear: no transposed convolutions.
    """

    multiple = 2**HALVINGS
    reach = -1  # each instance norm sees the whole map

    def __init__(
        self,
        resolution: Size,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        classes: int = 0,
        blocks: int = 0,
        bilinear: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.classes = in_channels, out_channels, classes
        self.input = LabelledPictures(in_channels, classes)
        widths = [width * 2**i for i in range(HALVINGS + 1)]
        self.first = EdgeConvolution(self.input.channels, width, 7)
        self.down = nn.ModuleList(Down(before, after) for before, after in pairwise(widths))
        count = blocks or (MANY_BLOCKS if min(resolution) >= MANY_FROM else FEW_BLOCKS)
        self.blocks = nn.ModuleList(ResidualBlock(widths[-1]) for _ in range(count))
        Doubling = SmoothUp if bilinear else Up
        self.up = nn.ModuleList(Doubling(before, after) for before, after in pairwise(reversed(widths)))
        self.picture = EdgeConvolution(width, out_channels, 7)
        initialise_dcgan(self)

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        height, width = images.shape[2:]
        x = self._first(images, labels)
        for stage in (*self.down, *self.blocks, *self.up):
            x = stage(x)
        pictures: Tensor = self.picture(x).tanh()
        return pictures[:, :, :height, :width]

    def encode(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """[N, in_channels, H, W] -> the picture itself, [N, 2w, H/2, W/2], [N, 4w, H/4, W/4] and the blocks' maps.

        Of the convolutions what they give before the norm: the norm would take away how bright and how contrasted a
        picture is as a whole.
        """
        x = self._first(images, labels)
        maps = [images]
        for stage in self.down:
            assert isinstance(stage, Down)
            maps.append(stage.convolution(x))
            x = stage.rest(maps[-1])
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in COMPARED_BLOCKS:
                maps.append(x)
            if number == COMPARED_BLOCKS[-1]:
                break
        return maps

    def _first(self, images: Tensor, labels: Tensor | None) -> Tensor:
        x = mirrored(self.input(images, labels), self.multiple, at_least=2 * self.multiple)  # norms need 2 places
        return F.relu(instance_norm(self.first(x)))


class EdgeConvolution(nn.Module):
    """A convolution of a map with mirrored edges: [N, C, h, w] -> [N, C', h, w]."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.padding = kernel // 2
        self.convolution = nn.Conv2d(before, after, kernel)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convolution(with_edges(x, self.padding))
        return y


class ResidualBlock(nn.Module):
    """3x3, norm, ReLU, 3x3, norm, plus what came in: [N, C, h, w] -> the same."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.convolution1 = EdgeConvolution(features, features, 3)
        self.convolution2 = EdgeConvolution(features, features, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(instance_norm(self.convolution1(x)))
        return x + instance_norm(self.convolution2(y))


class Down(nn.Module):
    """3x3 of stride 2, norm, ReLU: [N, C, h, w] -> [N, C', h / 2, w / 2]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.convolution(x))

    def rest(self, x: Tensor) -> Tensor:
        """What follows the convolution."""
        return F.relu(instance_norm(x))


class Up(nn.Module):
    """Transposed 3x3 of stride 2, norm, ReLU: [N, C, h, w] -> [N, C', 2h, 2w]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(instance_norm(self.convolution(x)))


class SmoothUp(nn.Module):
    """Twice as large by bilinear interpolation, 3x3, norm, ReLU: [N, C, h, w] -> [N, C', 2h, 2w]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = EdgeConvolution(before, after, 3)

    def forward(self, x: Tensor) -> Tensor:
        larger = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return F.relu(instance_norm(self.convolution(larger)))
