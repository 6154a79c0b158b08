"""The residual painter of Johnson et al. (2016) and CycleGAN (Zhu et al., 2017, appendix 7.2), which CUT takes apart.

c7s1-64, d128, d256, nine residual blocks (six for pictures below 256 pixels), u128, u64, c7s1-3: a 7x7 convolution, two
3x3 convolutions of stride 2, blocks of two 3x3 convolutions, two transposed 3x3 ones, a 7x7 one and tanh. Edges are
mirrored before the 7x7 convolutions and inside the blocks, instance norm without gain and bias follows each
convolution but the last, weights are N(0, 0.02).

`encode` gives the maps in which CUT (Park et al., 2020, "Contrastive Learning for Unpaired Image-to-Image Translation",
appendix C.1) compares patches: the picture, what the two convolutions of stride 2 give, the first and the fifth block.

RGB to RGB, 64 wide, nine blocks: 11,378,179 parameters (published code reports 11.378 M).

`antialias` halves and doubles as CUT's code does: the convolutions have no stride, and maps are blurred by (1, 2, 1)
before every second place is dropped and by (1, 3, 3, 1) after places are put between (Zhang, 2019, "Making
Convolutional Networks Shift-Invariant Again").

With `add`, which is ours, what the last convolution gives is added to the input instead of going through tanh, and is
zero at the start: the painter begins by leaving pictures as they are, where the published one spends its first hours on
learning to repeat them.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.enlarging import base_of, checked_channels
from ganvas.networks.filters import binomial_kernel, downsampled, upsampled
from ganvas.networks.instance_norm import InstanceNorm
from ganvas.networks.norms import initialise_dcgan
from ganvas.networks.padding import mirrored, with_edges
from ganvas.networks.sizes import Size

HALVINGS = 2
FEW_BLOCKS, MANY_BLOCKS, MANY_FROM = 6, 9, 256  # blocks below and from so many pixels on
COMPARED_BLOCKS = (1, 5)  # of those that are there


class ResnetPainter(Painter):
    """[N, in_channels, H, W], labels [N] or None -> [N, out_channels, H, W] in [-1, 1].

    width: of the first map; it doubles with each of the two halvings. blocks: 0 leaves their number to the resolution.
    antialias: see above. affine: whether norms have a learned gain and bias. add: whether to add to the input; the
    result is then about [-1, 1]. Raises ValueError where the input has too few channels for that.
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
        antialias: bool = False,
        affine: bool = False,
        add: bool = False,
    ) -> None:
        super().__init__()
        if add:
            checked_channels(in_channels, out_channels)
        self.in_channels, self.out_channels, self.classes = in_channels, out_channels, classes
        self.input = LabelledPictures(in_channels, classes)
        widths = [width * 2**i for i in range(HALVINGS + 1)]
        self.first = EdgeConvolution(self.input.channels, width, 7)
        self.norm = InstanceNorm(width, affine)
        self.down = nn.ModuleList(Down(before, after, affine, antialias) for before, after in pairwise(widths))
        count = blocks or (MANY_BLOCKS if min(resolution) >= MANY_FROM else FEW_BLOCKS)
        self.blocks = nn.ModuleList(ResidualBlock(widths[-1], affine) for _ in range(count))
        self.up = nn.ModuleList(Up(before, after, affine, antialias) for before, after in pairwise(reversed(widths)))
        self.picture = EdgeConvolution(width, out_channels, 7)
        initialise_dcgan(self)
        self.add = add
        if add:
            nn.init.zeros_(self.picture.convolution.weight)

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        height, width = images.shape[2:]
        x = self._first(images, labels)
        for stage in (*self.down, *self.blocks, *self.up):
            x = stage(x)
        pictures: Tensor = self.picture(x)[:, :, :height, :width]
        return base_of(images, self.out_channels, scale=1) + pictures if self.add else pictures.tanh()

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
        return F.relu(self.norm(self.first(x)))


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

    def __init__(self, features: int, affine: bool = False) -> None:
        super().__init__()
        self.convolution1 = EdgeConvolution(features, features, 3)
        self.norm1 = InstanceNorm(features, affine)
        self.convolution2 = EdgeConvolution(features, features, 3)
        self.norm2 = InstanceNorm(features, affine)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm2(self.convolution2(F.relu(self.norm1(self.convolution1(x)))))
        return x + y


class Down(nn.Module):
    """3x3 of stride 2, or 3x3 and a blur of stride 2 behind; norm, ReLU: [N, C, h, w] -> [N, C', h / 2, w / 2]."""

    kernel: Tensor

    def __init__(self, before: int, after: int, affine: bool = False, antialias: bool = False) -> None:
        super().__init__()
        self.antialias = antialias
        taps = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(taps, taps) if antialias else None, persistent=False)
        self.convolution = nn.Conv2d(before, after, 3, stride=1 if antialias else 2, padding=1)
        self.norm = InstanceNorm(after, affine)

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.convolution(x))

    def rest(self, x: Tensor) -> Tensor:
        """What follows the convolution."""
        x = F.relu(self.norm(x))
        return downsampled(with_edges(x, 1), self.kernel, stride=(2, 2)) if self.antialias else x


class Up(nn.Module):
    """Transposed 3x3 of stride 2, or a blur of places put between and 3x3; norm, ReLU.

    [N, C, h, w] -> [N, C', 2h, 2w].
    """

    kernel: Tensor

    def __init__(self, before: int, after: int, affine: bool = False, antialias: bool = False) -> None:
        super().__init__()
        self.antialias = antialias
        self.register_buffer("kernel", 4 * binomial_kernel() if antialias else None, persistent=False)
        self.convolution: nn.Conv2d | nn.ConvTranspose2d = (
            nn.Conv2d(before, after, 3, padding=1)
            if antialias
            else nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
        )
        self.norm = InstanceNorm(after, affine)

    def forward(self, x: Tensor) -> Tensor:
        if self.antialias:
            edged = F.pad(x, (1, 1, 1, 1), mode="replicate")
            x = upsampled(edged, self.kernel, (2, 2), (2, 2))[:, :, 1:-1, 1:-1]
        return F.relu(self.norm(self.convolution(x)))
