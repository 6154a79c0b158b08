"""pix2pixHD (Wang et al., 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs").

The global generator G1 (section 3.2, appendix) is the residual painter of Johnson et al. with four halvings: c7s1-64,
d128, d256, d512, d1024, nine blocks, u512, u256, u128, u64, c7s1-3. A local enhancer works at twice the size around it:
c7s1-32, d64, then G1's last map (of the picture at half the size) is added, three blocks, u32, c7s1-3. Each further
enhancer doubles the size again at half the width. As in `resnet_painter`: instance norm, mirrored edges, tanh.

The paper trains G1 alone first and then both together; here they are trained together from the start, for which the
adding of maps needs nothing new. Left out: instance boundary maps and the feature encoder, which need annotations of
objects; label maps come as one-hot channels like any other input.

Without enhancers, 64 wide: 182,443,267 parameters from RGB to RGB, 182,546,755 from the 36 channels of a street scene's
label map. Any size; the paper's is 1024x512 for G1.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.instance_norm import instance_norm
from ganvas.networks.norms import initialise_dcgan
from ganvas.networks.padding import mirrored
from ganvas.networks.resnet_painter import Down, EdgeConvolution, ResidualBlock, Up
from ganvas.networks.sizes import Size

HALVINGS = 4
ENHANCER_BLOCKS = 3


class Pix2pixhdPainter(Painter):
    """[N, in_channels, H, W], labels [N] or None -> [N, out_channels, H, W] in [-1, 1].

    width: of G1's first map; it doubles with each halving up to max_width, and each of the `enhancers` is half as wide
    as what it encloses. blocks: those of G1.
    """

    reach = -1  # each instance norm sees the whole map

    def __init__(
        self,
        resolution: Size,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        classes: int = 0,
        max_width: int = 1024,
        blocks: int = 9,
        enhancers: int = 0,
    ) -> None:
        super().__init__()
        if width % 2**enhancers:
            raise ValueError(f"a width of {width} cannot be halved for {enhancers} enhancers: give a multiple of it")
        self.in_channels, self.out_channels, self.classes = in_channels, out_channels, classes
        self.multiple = 2 ** (HALVINGS + enhancers)
        self.input = LabelledPictures(in_channels, classes)
        self.core = _Global(self.input.channels, width, max_width, blocks)
        widths = [width // 2**i for i in range(enhancers + 1)]
        self.enhancers = nn.ModuleList(
            _Enhancer(self.input.channels, inner, outer) for inner, outer in pairwise(widths)
        )
        self.picture = EdgeConvolution(widths[-1], out_channels, 7)
        initialise_dcgan(self)

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        height, width = images.shape[2:]
        x = mirrored(self.input(images, labels), self.multiple, at_least=2 * self.multiple)  # norms need 2 places
        sizes = [x]  # the picture, half of it, a quarter, ...
        for _ in self.enhancers:
            sizes.append(halved(sizes[-1]))
        x = self.core(sizes.pop())
        for enhancer in self.enhancers:
            x = enhancer(sizes.pop(), x)
        pictures: Tensor = self.picture(x).tanh()
        return pictures[:, :, :height, :width]


def halved(x: Tensor) -> Tensor:
    """Means of 3x3 places at every second one, as in the paper's pyramids: [N, C, H, W] -> halves, rounded up."""
    return F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


class _Global(nn.Module):
    """G1 without its last convolution: [N, C, H, W] -> [N, width, H, W]."""

    def __init__(self, channels: int, width: int, max_width: int, blocks: int) -> None:
        super().__init__()
        widths = [min(width * 2**i, max_width) for i in range(HALVINGS + 1)]
        self.first = EdgeConvolution(channels, width, 7)
        self.stages = nn.Sequential(
            *(Down(before, after) for before, after in pairwise(widths)),
            *(ResidualBlock(widths[-1]) for _ in range(blocks)),
            *(Up(before, after) for before, after in pairwise(reversed(widths))),
        )

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.stages(F.relu(instance_norm(self.first(images))))
        return x


class _Enhancer(nn.Module):
    """G2 without its last convolution: [N, C, H, W], [N, inner, H/2, W/2] -> [N, outer, H, W]."""

    def __init__(self, channels: int, inner: int, outer: int) -> None:
        super().__init__()
        self.first = EdgeConvolution(channels, outer, 7)
        self.down = Down(outer, inner)
        self.stages = nn.Sequential(*(ResidualBlock(inner) for _ in range(ENHANCER_BLOCKS)), Up(inner, outer))

    def forward(self, images: Tensor, below: Tensor) -> Tensor:
        x = self.down(F.relu(instance_norm(self.first(images))))
        y: Tensor = self.stages(x + below)
        return y
