"""StyleGAN3, configuration T (Karras et al., 2021, "Alias-Free Generative Adversarial Networks").

Every layer is treated as samples of a continuous picture that holds no detail finer than its samples can carry. The
input is a set of sines, which can be shifted by any amount; a leaky ReLU makes detail too fine, so it works on samples
twice as dense and a low-pass filter follows (section 2.1). Then moving the input moves the picture, and detail sticks
to surfaces and not to pixels. There is no noise, no style mixing, no path length and no sum of pictures of all stages.

Frequencies are in cycles per shorter side. From layer to layer the finest detail kept (`cutoff`) and the finest that
may pass weakly (`stopband`) grow geometrically, to the picture's own limit in the last two layers (section 3.2 and
figure 4c); the sampling rate is the lowest that carries the stopband. A border of `margin` samples around the picture
lets nothing of the canvas's edge in.

At 1024x1024 with z 512, width 32, max_width 512 and 14 layers: 22.3 million parameters, as published; at 256x256 the
paper's width is 64. The discriminator is that of StyleGAN2.

Other than there: filters are depthwise convolutions of PyTorch, along one axis after the other; rates are the picture's
halved as often as both its sides allow, which at powers of two is the same; features are sampled by a radius uniform
over the disc. Configuration R (rotation) is left out, and so is the blur of D's first pictures, which is the game's.
Any height and width from 8 pixels on works, but a side that cannot be halved evenly makes all layers run at the full
resolution. The 14 layers and the margin of 10 are for 256 pixels and more, with up to 2 layers for each doubling of
the detail; below that `usual_layers` gives a picture 1.5 a doubling and a margin of 4. At 32 pixels that is a sixth of
the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganvas.networks.contract import Chance, Generator
from ganvas.networks.equalized import LEAKY_GAIN, EqualizedLinear, leaky
from ganvas.networks.filters import downsampled, kaiser_taps, upsampled
from ganvas.networks.sizes import Size
from ganvas.networks.stylegan2 import W_AVERAGE_DECAY, Mapping, ModulatedConv2d

CRITICAL = 2  # layers at the end that keep all the detail the picture can carry
FIRST_CUTOFF, FIRST_STOPBAND, LAST_STOPBAND = 2.0, 2**2.1, 2**0.3  # the last one times the last cutoff
TAPS = 6  # samples of the coarser grid that a filter reaches over
DENSER = 2  # the leaky ReLU works on so many times as many samples
PICTURE_SCALE = 0.25
MAGNITUDE_DECAY = 0.999
PUBLISHED_FROM = 256  # pixels: the smallest pictures of the paper


def usual_layers(resolution: Size) -> tuple[int, int]:
    """How many filtered layers a picture of that size gets, and how wide a margin: the paper's from 256 pixels on."""
    side = min(resolution)
    if side >= PUBLISHED_FROM:
        return 14, 10
    octaves = math.log2(side / 2 / FIRST_CUTOFF)  # 12 layers for the 8 of 1024 pixels
    return CRITICAL + max(1, round(1.5 * octaves)), 4


@dataclass(frozen=True)
class Band:
    """What one layer's samples carry, in cycles per shorter side, and how many there are."""

    cutoff: float
    stopband: float
    rate: float  # samples per shorter side
    size: Size  # samples of the picture
    margin: int  # samples around it

    @property
    def half_width(self) -> float:
        """Of the filter's transition band: as wide as the samples allow."""
        return max(self.stopband, self.rate / 2) - self.cutoff

    @property
    def canvas(self) -> Size:
        """Samples with the margin."""
        return self.size[0] + 2 * self.margin, self.size[1] + 2 * self.margin


def bands(resolution: Size, layers: int, margin: int) -> list[Band]:
    """What the output of each layer carries (section 3.2); the input is as the first one's."""
    side = min(resolution)
    halvings = 0
    while not any(length % 2 ** (halvings + 1) for length in resolution):
        halvings += 1
    result = []
    for i in range(layers):
        along = min(i / (layers - CRITICAL), 1)
        cutoff = FIRST_CUTOFF * (side / 2 / FIRST_CUTOFF) ** along
        stopband = FIRST_STOPBAND * (side / 2 * LAST_STOPBAND / FIRST_STOPBAND) ** along
        halved = min(math.floor(math.log2(side / min(2 * stopband, side))), halvings)
        size = (resolution[0] // 2**halved, resolution[1] // 2**halved)
        result.append(Band(cutoff, stopband, side / 2**halved, size, margin=margin if i < layers - 1 else 0))
    return result


class FourierInput(nn.Module):
    """w: [N, w_dim] -> [N, features, *canvas]: sines that w turns and moves, mixed by learned weights (section 3.1)."""

    frequencies: Tensor
    phases: Tensor
    grid: Tensor

    def __init__(self, w_dim: int, features: int, band: Band) -> None:
        super().__init__()
        self.band = band
        radius, angle = band.cutoff * torch.rand(features).sqrt(), 2 * math.pi * torch.rand(features)
        self.register_buffer("frequencies", torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1))
        self.register_buffer("phases", torch.rand(features))
        self.weight = nn.Parameter(torch.randn(features, features))
        # Begins with every picture upright and in place: cosine 1, sine 0, no shift.
        self.affine = EqualizedLinear(w_dim, 4)
        nn.init.zeros_(self.affine.weight)
        assert self.affine.bias is not None
        with torch.no_grad():
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        down, across = (
            (torch.arange(count) - (count - 1) / 2) / band.rate  # the picture's middle is 0, its shorter side 1 long
            for count in band.canvas
        )
        grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)  # [h, w, 2]: along the width first
        self.register_buffer("grid", grid, persistent=False)

    def forward(self, w: Tensor, shift: Tensor | None) -> Tensor:
        """shift: [N, 2] how far the picture is moved to the right and down, in shorter sides; None for not."""
        with torch.autocast(w.device.type, enabled=False):
            placed = self.affine(w.float())
            turn = placed[:, :2]
            cosine, sine = (turn / (turn.norm(dim=1, keepdim=True) + 1e-8)).unbind(1)
            there, back = torch.stack([cosine, -sine], dim=1), torch.stack([sine, cosine], dim=1)
            rotation = torch.stack([there, back], dim=1)  # [N, 2, 2]
            frequencies = self.frequencies @ rotation  # [N, features, 2]
            moved = placed[:, 2:] if shift is None else placed[:, 2:] + shift
            phases = self.phases - (frequencies @ moved[:, :, None])[:, :, 0]  # [N, features]
            turns = torch.einsum("hwd,nfd->nhwf", self.grid, frequencies) + phases[:, None, None]
            # A frequency too high for the samples must not come back as a low one: it fades out before.
            length = frequencies.norm(dim=2)
            room = self.band.rate / 2 - self.band.cutoff
            loudness = (1 - (length - self.band.cutoff) / room).clamp(0, 1)
            waves = torch.sin(2 * math.pi * turns) * loudness[:, None, None]  # [N, h, w, features]
            mixed: Tensor = waves @ (self.weight / math.sqrt(self.weight.shape[1])).T
        return mixed.permute(0, 3, 1, 2)


class Magnitude(nn.Module):
    """The root mean square of what comes by, over the whole of training: what a layer's input is divided by.

    Demodulation expects inputs of variance one, and nothing else here sees to that (section 3.1).
    """

    mean_square: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_square", torch.ones(()))

    def forward(self, x: Tensor, *, learn: bool) -> Tensor:
        """A scalar. learn: whether x counts."""
        if learn:
            with torch.no_grad():
                self.mean_square.lerp_(x.detach().float().square().mean(), 1 - MAGNITUDE_DECAY)
        return self.mean_square.sqrt()  # by value: the buffer may change before this pass's backward


class FilteredLayer(nn.Module):
    """Modulated convolution, then a leaky ReLU between two filters: the band before -> the band after (figure 4b)."""

    up_taps: Tensor
    down_taps: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, before: Band, after: Band) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, outputs, 3, w_dim)
        self.bias = nn.Parameter(torch.zeros(outputs))
        dense = DENSER * max(before.rate, after.rate)  # the rate at which the leaky ReLU works
        self.up, self.down = round(dense / before.rate), round(dense / after.rate)
        up = kaiser_taps(TAPS * self.up, before.cutoff, before.half_width, dense)
        down = kaiser_taps(TAPS * self.down, after.cutoff, after.half_width, dense)
        self.register_buffer("up_taps", up * self.up, persistent=False)
        # The leaky ReLU's gain stands in the filter after it, half of it along each axis.
        self.register_buffer("down_taps", down * math.sqrt(LEAKY_GAIN), persistent=False)
        # Both grids have the same middle. The dense one is cut to what the filter down reads for the canvas after it:
        # (TAPS - 1) * down / 2 samples more on either side.
        whole = (TAPS - 1) * self.up // 2  # cut so far, `up` samples stand for each one before
        reach = (TAPS - 1) * self.down // 2
        self.cut = whole + before.margin * self.up - after.margin * self.down - reach
        self.magnitude = Magnitude()

    def forward(self, x: Tensor, w: Tensor, *, learn: bool) -> Tensor:
        x = self.convolution(x, w, gain=1 / self.magnitude(x, learn=learn))
        x = x + self.bias.to(x.dtype).view(1, -1, 1, 1)
        up, down = self.up_taps, self.down_taps
        x = upsampled(x, up[:, None], (self.up, 1), padding=(self.cut, 0))
        x = upsampled(x, up[None, :], (1, self.up), padding=(0, self.cut))
        x = downsampled(leaky(x), down[:, None], (self.down, 1))
        return downsampled(x, down[None, :], (1, self.down))


class Stylegan3Generator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] about [-1, 1]; the colours are linear, not squeezed.

    width: channels of the last layers, more in those before in inverse proportion to their cutoff, up to max_width.
    filtered_layers: convolutions before the last, 1x1 one. margin: samples around the picture in every layer. 0: as
    `usual_layers` has it for the size.
    Draws no numbers of its own; in training and given `random` it follows the mean of w and the layers' magnitudes.

    layers: how many w's a picture has. w_dim: the size of one, that of z. w_average: the running mean of w, for
    `truncate`. The magnitudes matter to training: several processes must average them, whereupon they are those of the
    whole batch.
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
        mapping_layers: int = 2,
        filtered_layers: int = 0,
        margin: int = 0,
    ) -> None:
        super().__init__()
        usual = usual_layers(resolution)
        filtered_layers, margin = filtered_layers or usual[0], margin or usual[1]
        if filtered_layers <= CRITICAL:
            raise ValueError(f"filtered_layers {filtered_layers} are too few: give {CRITICAL + 1} or more")
        self.z_dim, self.w_dim, self.classes = z_dim, z_dim, classes
        self.mapping = Mapping(z_dim, classes, mapping_layers)
        outputs = bands(resolution, filtered_layers, margin)
        steps = [outputs[0], *outputs]
        widths = [min(round(width * steps[-1].cutoff / step.cutoff), max_width) for step in steps]
        self.input = FourierInput(self.w_dim, widths[0], steps[0])
        self.filtered = nn.ModuleList(
            FilteredLayer(*ends, self.w_dim, *between)
            for ends, between in zip(pairwise(widths), pairwise(steps), strict=True)
        )
        self.colours = ModulatedConv2d(widths[-1], channels, 1, self.w_dim, demodulate=False)
        self.colours_bias = nn.Parameter(torch.zeros(channels))
        self.colours_magnitude = Magnitude()
        self.layers = filtered_layers + 2
        self.register_buffer("w_average", torch.zeros(self.w_dim))

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        return self.synthesis(self.styles(z, labels, random), random)

    def styles(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        """The same w for every layer: [N, z_dim], [N] -> [N, layers, w_dim]."""
        w: Tensor = self.mapping(z, labels)
        if self.training and random is not None:
            with torch.no_grad():
                self.w_average.lerp_(w.mean(dim=0), 1 - W_AVERAGE_DECAY)
        return w[:, None].expand(-1, self.layers, -1)

    def synthesis(self, ws: Tensor, random: Chance | None = None, shift: Tensor | None = None) -> Tensor:
        """[N, layers, w_dim] -> [N, channels, H, W].

        random: of which nothing is drawn, but given in training it lets the magnitudes learn. shift: [N, 2] how far to
        move the picture to the right and down, in shorter sides (0.5 is half a picture); None for not.
        """
        learn = self.training and random is not None
        first, *between, last = ws.unbind(1)
        x = self.input(first, shift)
        for layer, w in zip(self.filtered, between, strict=True):
            x = layer(x, w, learn=learn)
        colours = self.colours(x, last, gain=PICTURE_SCALE / self.colours_magnitude(x, learn=learn))
        picture: Tensor = colours.float() + PICTURE_SCALE * self.colours_bias.view(1, -1, 1, 1)
        return picture

    def truncate(self, ws: Tensor, psi: float) -> Tensor:
        """Styles moved towards the average one: psi 1 leaves them, 0 makes all equal (StyleGAN, appendix B)."""
        return torch.lerp(self.w_average, ws, psi)
