"""StyleGAN2 (Karras et al., 2020, "Analyzing and Improving the Image Quality of StyleGAN").

A mapping network turns z into w; w sets the scale of every channel of every convolution ("style"), and the weights are
divided by the length that this gives them (demodulation, section 2.2, equations 1 and 3). A convolution with scaled
weights is the same as an ordinary one with scaled inputs and outputs: that form is used here, because it needs no
weights per picture and therefore no grouped convolution.

G sums up the pictures of all stages (skips), D is residual (section 4.1). Detail that z need not decide comes from
noise of a learned strength. Style mixing (StyleGAN, Karras et al., 2019, section 3.1): most training pictures take
their later layers from a second w.

Published configurations (z and w 512, max_width 512 throughout):
- config F at 1024x1024: width 32, mapping_layers 8: 30,370,060 parameters in G and 29,012,513 in D.
- 256x256 of StyleGAN2-ADA (Karras et al., 2020, "Training Generative Adversarial Networks with Limited Data"):
  width 64, mapping_layers 8: 24.77 M and 24.00 M.
- CIFAR-10 of the same paper: 32x32, width 512, mapping_layers 2, mixing 0, D with residual=False, deviation_group 32.

Other than there: the picture is enlarged at its edges from edge pixels, not from black; a label enters D by projection
on the last features (the paper of StyleGAN2-ADA maps it first), and starts at no weight. Everything that sets scales
is computed in float32 under autocast.

Sides from 4 pixels on, odd and non-square ones too: a doubled map is cropped by a row or a column. Each D ends in a
dense layer over the last map, whose shorter side is 3 or 4, so a very long strip of a picture makes a very large one.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.equalized import (
    LEAKY_GAIN,
    EqualizedConv2d,
    EqualizedLinear,
    leaky,
    minibatch_deviation,
    pixel_norm,
)
from ganvas.networks.filters import binomial_kernel, downsampled
from ganvas.networks.layout import to_vectors
from ganvas.networks.sizes import Size, doublings

W_AVERAGE_DECAY = 0.995
MAPPING_RATE = 0.01  # the mapping network learns at a hundredth of the speed of the rest


class Mapping(nn.Module):
    """z: [N, z_dim], labels: [N] or None -> w: [N, z_dim] float32. A label is embedded, both are put on one sphere."""

    def __init__(self, z_dim: int, classes: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, z_dim) if classes else None
        inputs = [z_dim * (2 if classes else 1)] + [z_dim] * (layers - 1)
        self.layers = nn.ModuleList(EqualizedLinear(i, z_dim, gain=LEAKY_GAIN, rate=MAPPING_RATE) for i in inputs)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            w = pixel_norm(z.float())
            if self.embedding is not None:
                if labels is None:
                    classes = self.embedding.num_embeddings
                    raise ValueError(f"this generator is conditional: give one of {classes} labels per picture")
                w = torch.cat([w, pixel_norm(self.embedding(labels).float())], dim=1)
            for layer in self.layers:
                w = leaky(layer(w))
            return w


class ModulatedConv2d(nn.Module):
    """x: [N, inputs, H, W], w: [N, w_dim] -> [N, outputs, H, W], or twice the size if `up`; a style per picture.

    demodulate: whether outputs are brought back to a variance of one, given inputs of variance one (equation 3).
    """

    blur: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel: int, w_dim: int, *, up: bool = False, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, inputs, start=1)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.up, self.demodulate, self.padding = up, demodulate, kernel // 2
        if up:
            self.register_buffer("blur", 4 * binomial_kernel(), persistent=False)

    def forward(self, x: Tensor, w: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        """gain: multiplies the output, and is no part of what demodulation takes out."""
        with torch.autocast(x.device.type, enabled=False):
            style = self.affine(w.float()) * self.scale  # [N, inputs]
            length = self._lengths(style) if self.demodulate else None
            style = (style * gain).to(x.dtype)
        x = x * style[:, :, None, None]
        if self.up:
            # A transposed convolution works at the small size; the filter then takes its stripes away (section 4).
            x = F.conv_transpose2d(x, self.weight.to(x.dtype).transpose(0, 1), stride=2)  # [N, outputs, 2H + 1, 2W + 1]
            x = downsampled(x, self.blur, padding=(1, 1))
        else:
            x = F.conv2d(x, self.weight.to(x.dtype), padding=self.padding)
        return x if length is None else x / length.to(x.dtype)[:, :, None, None]

    def _lengths(self, style: Tensor) -> Tensor:
        """Of every output channel's styled weights: [N, inputs] -> [N, outputs]."""
        squares = self.weight.float().square().sum(dim=(2, 3))  # [outputs, inputs]
        return (style.square() @ squares.T + 1e-8).sqrt()


class StyledLayer(nn.Module):
    """Modulated convolution, noise, bias and leaky ReLU: [N, inputs, H, W], w [N, w_dim] -> [N, outputs, *size]."""

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, size: Size, *, up: bool = False) -> None:
        super().__init__()
        self.size = size
        self.convolution = ModulatedConv2d(inputs, outputs, 3, w_dim, up=up)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, *size))  # of every picture that is not drawn in training

    def forward(self, x: Tensor, w: Tensor, random: Chance | None) -> Tensor:
        height, width = self.size
        x = self.convolution(x, w, gain=LEAKY_GAIN)[:, :, :height, :width]
        noise = self.noise if random is None else random.normal(len(x), 1, height, width)
        strength, bias = LEAKY_GAIN * self.noise_strength, LEAKY_GAIN * self.bias
        return leaky(x + (strength * noise).to(x.dtype) + bias.to(x.dtype).view(1, -1, 1, 1))


class ToPicture(nn.Module):
    """Modulated 1x1 convolution without demodulation: [N, inputs, H, W], w [N, w_dim] -> [N, channels, H, W]."""

    def __init__(self, inputs: int, channels: int, w_dim: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, channels, 1, w_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        colours: Tensor = self.convolution(x, w).float()  # the sum of all stages stays in float32
        return colours + self.bias.view(1, -1, 1, 1)


class Stage(nn.Module):
    """One size of G: a layer that doubles and one that does not (the first stage has only that), and their picture.

    Takes a w per layer and one for the picture, which the next stage's first layer uses too.
    """

    def __init__(self, inputs: int, outputs: int, channels: int, w_dim: int, size: Size, *, first: bool) -> None:
        super().__init__()
        doubling = [] if first else [StyledLayer(inputs, outputs, w_dim, size, up=True)]
        self.layers = nn.ModuleList([*doubling, StyledLayer(outputs, outputs, w_dim, size)])
        self.to_picture = ToPicture(outputs, channels, w_dim)
        self.size = size

    def forward(self, x: Tensor, picture: Tensor | None, ws: Tensor, random: Chance | None) -> tuple[Tensor, Tensor]:
        """x [N, inputs, h, w], picture [N, C, h, w] or None, ws [N, layers + 1, w_dim] -> both at this stage's size."""
        for layer, w in zip(self.layers, ws.unbind(1), strict=False):
            x = layer(x, w, random)
        here: Tensor = self.to_picture(x, ws[:, len(self.layers)])
        if picture is None:
            return x, here
        height, width = self.size
        larger = F.interpolate(picture, scale_factor=2, mode="bilinear")[:, :, :height, :width]
        return x, larger + here


class Stylegan2Generator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] about [-1, 1]; the colours are linear, not squeezed.

    width: channels at the full resolution, doubled at each stage below, up to max_width. mixing: the probability that
    a training picture mixes two styles. Given `random` in training, it draws noise and second styles; without, or in
    eval mode, noise is that of the fixed buffers.

    layers: how many w's a picture has. w_dim: the size of one, that of z. w_average: the running mean of w, for
    `truncate`; each process follows its own pictures, and no training depends on it.
    """

    uses_random = True

    w_average: Tensor

    def __init__(
        self,
        resolution: Size,
        channels: int,
        z_dim: int = 512,
        width: int = 32,
        classes: int = 0,
        max_width: int = 512,
        mapping_layers: int = 8,
        mixing: float = 0.9,
    ) -> None:
        super().__init__()
        self.z_dim, self.w_dim, self.classes, self.mixing = z_dim, z_dim, classes, mixing
        self.mapping = Mapping(z_dim, classes, mapping_layers)
        sizes = doublings(resolution, start=4)
        widths = [min(width * 2**i, max_width) for i in reversed(range(len(sizes)))]
        self.constant = nn.Parameter(torch.randn(1, widths[0], *sizes[0]))
        self.stages = nn.ModuleList(
            Stage(before, after, channels, self.w_dim, size, first=i == 0)
            for i, (before, after, size) in enumerate(zip([widths[0], *widths], widths, sizes, strict=False))
        )
        self.layers = 2 * len(sizes)
        self.register_buffer("w_average", torch.zeros(self.w_dim))

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        return self.synthesis(self.styles(z, labels, random), random)

    def styles(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        """One w per layer, in training with `random` some of two sorts: [N, z_dim], [N] -> [N, layers, w_dim]."""
        w: Tensor = self.mapping(z, labels)
        ws = w[:, None].expand(-1, self.layers, -1)
        if random is None or not self.training:
            return ws
        with torch.no_grad():
            self.w_average.lerp_(w.mean(dim=0), 1 - W_AVERAGE_DECAY)
        if not self.mixing:
            return ws
        n = len(z)
        other = self.mapping(random.normal(n, self.z_dim), labels)
        crossover = random.integers(self.layers - 1, n) + 1  # the first layer of the other style
        mixed = random.uniform(n) < self.mixing
        late = torch.arange(self.layers, device=z.device) >= crossover[:, None]
        return torch.where((late & mixed[:, None])[:, :, None], other[:, None], ws)

    def synthesis(self, ws: Tensor, random: Chance | None = None) -> Tensor:
        """[N, layers, w_dim] -> [N, channels, H, W]; noise from `random` in training, else from the fixed buffers."""
        random = random if self.training else None
        x = self.constant.expand(len(ws), -1, -1, -1)
        picture: Tensor | None = None
        at = 0
        for stage in self.stages:
            layers = len(stage.layers)  # type: ignore[arg-type]
            x, picture = stage(x, picture, ws[:, at : at + layers + 1], random)
            at += layers
        assert picture is not None
        return picture

    def truncate(self, ws: Tensor, psi: float) -> Tensor:
        """Styles moved towards the average one: psi 1 leaves them, 0 makes all equal (StyleGAN, appendix B)."""
        return torch.lerp(self.w_average, ws, psi)


class ResidualBlock(nn.Module):
    """Two convolutions, the second of which halves: [N, inputs, H, W] -> [N, outputs, H / 2, W / 2], rounded up.

    Beside them goes a filtered 1x1 convolution (section 4.1), or nothing if not `residual`.
    """

    blur: Tensor

    def __init__(self, inputs: int, outputs: int, *, residual: bool) -> None:
        super().__init__()
        # A sum of two paths has twice the variance: each is scaled by sqrt(1/2), in its last layer.
        share = math.sqrt(0.5)
        self.first = EqualizedConv2d(inputs, inputs, 3, gain=LEAKY_GAIN, padding=1)
        self.second = EqualizedConv2d(inputs, outputs, 3, gain=LEAKY_GAIN * (share if residual else 1), stride=2)
        self.skip = EqualizedConv2d(inputs, outputs, 1, gain=share, bias=False) if residual else None
        self.register_buffer("blur", binomial_kernel(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if height % 2 or width % 2:
            x = F.pad(x, (0, width % 2, 0, height % 2))
        y: Tensor = leaky(self.second(downsampled(leaky(self.first(x)), self.blur, padding=(2, 2))))
        if self.skip is None:
            return y
        beside: Tensor = self.skip(downsampled(x, self.blur, stride=(2, 2), padding=(1, 1)))
        return y + beside


class Stylegan2Discriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N]; `width` and `max_width` as those of the generator.

    residual: whether a path of 1x1 convolutions goes beside the others. deviation_group: over how many pictures the
    minibatch standard deviation is taken; logits depend on the others of a group. Features: [N, widest], the layer
    before the logit.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int = 32,
        classes: int = 0,
        max_width: int = 512,
        residual: bool = True,
        deviation_group: int = 4,
    ) -> None:
        super().__init__()
        self.deviation_group = deviation_group
        sizes = doublings(resolution, start=4)
        widths = [min(width * 2**i, max_width) for i in range(len(sizes))]
        last = widths[-1]
        self.from_picture = EqualizedConv2d(channels, widths[0], 1, gain=LEAKY_GAIN)
        self.blocks = nn.Sequential(*(ResidualBlock(a, b, residual=residual) for a, b in pairwise(widths)))
        self.joint = EqualizedConv2d(last + 1, last, 3, gain=LEAKY_GAIN, padding=1)
        self.dense = EqualizedLinear(last * math.prod(sizes[0]), last, gain=LEAKY_GAIN)
        self.logit = EqualizedLinear(last, 1)
        self.projection = Projection(classes, last)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """ "logits" [N] and "features" [N, F]."""
        x = self.blocks(leaky(self.from_picture(images)))  # [N, F, 4, 4] or so
        x = torch.cat([x, minibatch_deviation(x, self.deviation_group)], dim=1)
        features = leaky(self.dense(to_vectors(leaky(self.joint(x)))))
        # The equalised layer's constant, so that a label is learned as slowly as the rest.
        known = self.projection(features / math.sqrt(features.shape[1]), labels)
        return {"logits": self.logit(features)[:, 0] + known, "features": features}
