"""R3GAN (Huang et al., 2024, "The GAN is dead; long live the GAN! A modern baseline GAN"): plain residual networks.

G and D are mirror images, each a chain of stages, one per doubling of the size. A stage is a resampling followed by
residual blocks; a block is an inverted bottleneck: a 1x1 convolution to twice the channels, a grouped 3x3 convolution
there, a 1x1 convolution back, leaky ReLUs between. There is no normalisation layer, no noise, no style and no
statistic of the batch: the objective (relativistic pairing with R1 and R2 on every step) is to do without them.
A fix-up initialisation takes their place: a block starts as the identity, so a fresh network is the linear path of its
resamplings.

The published networks, as parameters of G and D in millions (all with z_dim 64 and two blocks a stage):

    CIFAR-10, 10 classes         32x32    width=768                                    20.78   21.28
    FFHQ                         64x64    width=384                                    22.43   22.38
    FFHQ                         256x256  width=96                                     23.06   23.01
    ImageNet, 1000 classes       32x32    width=1536, max_width=1536, group_width=32   82.91   86.55
    ImageNet, 1000 classes       64x64    width=1536, max_width=1536, group_width=32  103.57  107.21

Which layers have a bias, how wide the label's embedding is and how many channels share a group were worked out from
these counts. Left open by the paper and chosen here: the scale of D's label embedding, and what happens at odd sizes
(G crops a row or a column after a doubling, D averages what is left at an edge). G ends without a tanh, as in the
paper: pictures reach a little beyond [-1, 1]. No side may be smaller than 8 pixels; there is no largest one but memory.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.sizes import Size, doublings

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)

START = 4  # the side of the smallest map
EXPANSION = 2  # channels within a block against those between blocks
SLOPE = 0.2  # of the leaky ReLU
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # undoes what a leaky ReLU takes from the mean square (He et al., 2015)


def groups_of(channels: int, group_width: int) -> int:
    """How many groups a 3x3 convolution has: of `group_width` channels, or of the next larger size that divides them.

    1536 channels in groups of 16 give 96; 64 give 4; 20, which 16 does not divide, stay together in 1.
    """
    return next(n for n in range(max(1, channels // group_width), 0, -1) if channels % n == 0)


class _Convolution(torch.autograd.Function):
    """A convolution of stride 1 whose gradient with respect to its input is a transposed convolution in the graph.

    A penalty differentiates that gradient again. PyTorch's own second derivative of a convolution copies its operands
    and takes a grouped one group by group; the first derivative of a transposed convolution does neither.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, groups: int) -> Tensor:
        return F.conv2d(x, weight, bias, padding=padding, groups=groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, weight, _, ctx.padding, ctx.groups = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (g,) = gradients
        x, weight = (saved.to(g.dtype) for saved in ctx.saved_tensors)  # under autocast g is narrower
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        again = torch.is_grad_enabled()
        padding, groups = [ctx.padding] * 2, ctx.groups
        gx, gw, gb = torch.ops.aten.convolution_backward(
            g, x, weight, [len(weight)], [1, 1], padding, [1, 1], False, [0, 0], groups,
            [of_x and not again, of_weight, of_bias],
        )  # fmt: skip
        if of_x and again:
            gx = F.conv_transpose2d(g, weight, padding=padding, groups=groups)
        return gx, gw, gb, None, None


class PenalisedConv2d(nn.Conv2d):
    """`nn.Conv2d` of stride 1 for a discriminator whose gradient is differentiated again at every step.

    The same numbers; on a CPU a pass with R1 takes up to 30 % less time.
    """

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _Convolution.apply(x, self.weight, self.bias, self.padding[0], self.groups)  # type: ignore[no-untyped-call]
        return y


class Block(nn.Module):
    """Inverted bottleneck with a skip, the identity at the start: [N, width, H, W] -> the same shape.

    blocks: how many such blocks the network has. With L of them and m = 3 layers in each, fix-up (Zhang et al., 2019)
    scales every layer but the last by L^(-1/(2m-2)) and sets the last to zero. Convolution: the kind of layer.
    """

    def __init__(self, width: int, group_width: int, blocks: int, Convolution: type[nn.Conv2d]) -> None:
        super().__init__()
        inner = EXPANSION * width
        self.widen = Convolution(width, inner, 1)
        self.spread = Convolution(inner, inner, 3, padding=1, groups=groups_of(inner, group_width))
        self.narrow = Convolution(inner, width, 1, bias=False)
        for layer in (self.widen, self.spread):
            initialise(layer, GAIN * blocks**-0.25)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.widen(x), SLOPE, inplace=True)  # [N, 2 * width, H, W]
        y = F.leaky_relu(self.spread(y), SLOPE, inplace=True)
        narrow: Tensor = self.narrow(y)
        return x + narrow


class R3ganGenerator(Generator):
    """z: [N, z_dim], labels: [N] int64 or None -> [N, channels, H, W], about [-1, 1].

    width: channels at the full size; they double with every halving of the size up to `max_width`. blocks: per stage.
    group_width: channels in a group of a 3x3 convolution. An embedding of the label stands beside z.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        z_dim: int = 64,
        width: int = 768,
        classes: int = 0,
        max_width: int = 768,
        blocks: int = 2,
        group_width: int = 16,
    ) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.sizes = doublings(resolution, START)
        widths = stage_widths(len(self.sizes), width, max_width)[::-1]  # from the smallest map on
        self.label = nn.Embedding(classes, z_dim) if classes else None  # N(0, 1), as z is
        self.basis = nn.Parameter(torch.randn(1, widths[0], *self.sizes[0]))  # [1, C, 4, 4]
        self.modulation = initialise(nn.Linear(2 * z_dim if classes else z_dim, widths[0], bias=False))
        self.stages = stages_of(widths, blocks, group_width, nn.Conv2d)
        self.changes = nn.ModuleList(change(before, after) for before, after in pairwise(widths))
        self.picture = initialise(nn.Conv2d(widths[-1], channels, 1, bias=False))

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        if self.label is not None:
            if labels is None:
                raise ValueError(f"this generator is conditional: give one of {self.classes} labels per picture")
            z = torch.cat([z, self.label(labels).to(z.dtype)], dim=1)  # [N, 2 * z_dim]
        x = self.stages[0](self.basis * self.modulation(z)[:, :, None, None])  # [N, C, 4, 4]
        for stage, change, size in zip(self.stages[1:], self.changes, self.sizes[1:], strict=True):
            # The 1x1 convolution first: it commutes with the interpolation, and there are a quarter of the pixels.
            x = stage(upsample(change(x), size))
        picture: Tensor = self.picture(x)
        return picture


class R3ganDiscriminator(Discriminator):
    """images: [N, channels, H, W], labels: [N] int64 or None -> logits [N].

    Arguments as the generator's. With classes the logit is <embedding(label), features> and nothing else; without, a
    linear function of the features.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int = 768,
        classes: int = 0,
        max_width: int = 768,
        blocks: int = 2,
        group_width: int = 16,
    ) -> None:
        super().__init__()
        self.sizes = doublings(resolution, START)[::-1]
        widths = stage_widths(len(self.sizes), width, max_width)
        last = widths[-1]
        self.colours = initialise(nn.Conv2d(channels, widths[0], 1, bias=False))
        self.stages = stages_of(widths, blocks, group_width, PenalisedConv2d)
        self.changes = nn.ModuleList(change(before, after) for before, after in pairwise(widths))
        # A depth-wise convolution as large as the map: each channel's sum of pixels, weighed by place.
        self.basis = nn.Parameter(torch.randn(1, last, *self.sizes[-1]) / math.sqrt(math.prod(self.sizes[-1])))
        self.projection = Projection(classes, last)
        # No bias: the relativistic loss sees differences of logits only, and would never teach one.
        self.dense = initialise(nn.Linear(last, last if classes else 1, bias=False))
        if self.projection.embedding is not None:
            # The whole logit comes from here, so it cannot start at zero; with this a fresh logit has variance 1.
            nn.init.normal_(self.projection.embedding.weight, std=last**-0.5)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        x = self.stages[0](self.colours(images))  # [N, width, H, W]
        for stage, change in zip(self.stages[1:], self.changes, strict=True):
            x = stage(change(downsample(x)))
        features = (x * self.basis).sum(dim=(2, 3))  # [N, C]
        if self.projection.embedding is None:
            return {"logits": self.dense(features)[:, 0], "features": features}
        features = self.dense(features)
        return {"logits": self.projection(features, labels), "features": features}


def upsample(x: Tensor, size: Size) -> Tensor:
    """Twice as large by bilinear interpolation, then cropped: [N, C, h, w] -> [N, C, *size], size at most (2h, 2w)."""
    double = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    return double[:, :, : size[0], : size[1]]


def downsample(x: Tensor) -> Tensor:
    """Half as large, rounded up: [N, C, H, W] -> [N, C, (H + 1) // 2, (W + 1) // 2].

    Bilinear interpolation at half the size falls between four pixels, whose mean it is; at an odd edge between two.
    """
    return F.avg_pool2d(x, 2, ceil_mode=True)


def stage_widths(stages: int, width: int, max_width: int) -> list[int]:
    """Channels of each stage from the full size down: 7 stages of width 96 -> [96, 192, 384, 768, 768, 768, 768]."""
    return [min(width * 2**i, max_width) for i in range(stages)]


def stages_of(widths: list[int], blocks: int, group_width: int, Convolution: type[nn.Conv2d]) -> nn.ModuleList:
    """The residual blocks of each stage."""
    total = blocks * len(widths)
    return nn.ModuleList(
        nn.Sequential(*(Block(width, group_width, total, Convolution) for _ in range(blocks))) for width in widths
    )


def change(before: int, after: int) -> nn.Module:
    """A 1x1 convolution between stages of unlike width, or nothing."""
    return nn.Identity() if before == after else initialise(nn.Conv2d(before, after, 1, bias=False))


def initialise(layer: Layer, gain: float = 1.0) -> Layer:
    """Weights N(0, gain^2 / fan-in), biases 0, in place: the mean square of what comes out is gain^2 times that of
    what goes in (He et al., 2015)."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
