"""Progressive growing of G and D, stage by stage.

Karras et al., 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation". G and D begin at
about 4x4 pixels and double; a new stage fades in beside the old one (section 2 and figure 2). Here G always paints the
full resolution (a picture of an early stage is enlarged, nearest pixel) and D always takes it (averaged down), so that
reals, sheets and scores keep one shape throughout a run. Averaging undoes the enlarging exactly, so this is the
paper's game. A fresh network is full grown: `grow` says where in a run it stands.

Kept: equalised learning rate, pixel norm after every convolution of G and on z, minibatch standard deviation before
the last stage of D, nearest-pixel doubling, linear colours. At 1024x1024 with z 512, width 16 and max_width 512 these
are the networks of the paper's table 2, of 23.1 million parameters each.

Left out: one batch size serves all stages, and the optimisers keep their moments when a stage begins. Biases learn
sqrt(2) times as fast (see equalized.py). A label joins z, and D knows it by projection, where the paper has none. The
loss (WGAN-GP and a small drift term) is the game's.

Sides from 4 pixels on; odd ones are cropped after a doubling, and cells at the edge then average fewer pixels.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledNoise, Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.equalized import (
    LEAKY_GAIN,
    EqualizedConv2d,
    EqualizedLinear,
    leaky,
    minibatch_deviation,
    pixel_norm,
)
from ganvas.networks.layout import to_map, to_vectors
from ganvas.networks.sizes import Size, doublings


def growth(progress: float, last: int, grown_by: float) -> tuple[int, float]:
    """Where a run stands at `progress` in [0, 1]: the stage, 0 to `last`, and how far it has faded in, 0 to 1.

    Every stage fades in for as long as it stands still after that, but for the first, which needs no fading. The last
    one is there at `grown_by` of the run and stands still for the rest.
    """
    if not 0 <= progress <= 1:
        raise ValueError(f"progress {progress} is no share of a run: give a number from 0 to 1")
    halves = min(progress / grown_by, 1.0) * 2 * last  # first stands, second fades in, second stands, ...
    stage = min(int(halves + 1) // 2, last)
    return stage, min(max(halves - (2 * stage - 1), 0.0), 1.0) if stage else 1.0


class Growing(nn.Module):
    """What G and D have in common: the buffers that say how far they have grown, and `grow`.

    `stage` is the newest stage at work, `fade` how far that has faded in. A plain copy of the stage decides in Python
    which layers run; it follows the buffers through `load_state_dict`.
    """

    stage: Tensor
    fade: Tensor

    def _start_full_grown(self, last: int, grown_by: float) -> None:
        if not 0 < grown_by <= 1:
            raise ValueError(f"grown_by {grown_by} is no share of a run: give a number above 0 and up to 1")
        self.last, self.grown_by = last, grown_by
        self.register_buffer("stage", torch.tensor(last))
        self.register_buffer("fade", torch.tensor(1.0))
        self._stage, self._fading = last, False
        self.register_load_state_dict_post_hook(_follow_the_buffers)  # type: ignore[no-untyped-call]

    def grow(self, progress: float) -> None:
        """Take the stage and the fade that belong to `progress` in [0, 1] of a run. The average of G needs it too."""
        self._stage, fade = growth(progress, self.last, self.grown_by)
        self._fading = fade < 1
        self.stage.fill_(self._stage)
        self.fade.fill_(fade)


def _follow_the_buffers(network: Growing, incompatible_keys: object) -> None:
    network._stage, network._fading = int(network.stage), bool(network.fade < 1)


class LeakyConvolution(EqualizedConv2d):
    """3x3 convolution and leaky ReLU: [N, inputs, H, W] -> [N, outputs, H, W]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, gain=LEAKY_GAIN, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return leaky(super().forward(x))


class NormedConvolution(LeakyConvolution):
    """The same with pixel norm after it, as in G."""

    def forward(self, x: Tensor) -> Tensor:
        return pixel_norm(super().forward(x))


class ProgressiveGenerator(Growing, Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] about [-1, 1]; the colours are linear, not squeezed.

    width: channels at the full resolution, doubled at each stage below, up to max_width. grown_by: the share of a run
    after which the last stage is there. Draws no numbers of its own.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        z_dim: int = 512,
        width: int = 16,
        classes: int = 0,
        max_width: int = 512,
        grown_by: float = 0.5,
    ) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.input = LabelledNoise(z_dim, classes)
        self.sizes = doublings(resolution, start=4)
        widths = [min(width * 2**i, max_width) for i in reversed(range(len(self.sizes)))]
        cells = math.prod(self.sizes[0])
        # A convolution over the whole first map, as dense: He's constant counts its cells, and a bias serves them all.
        gain = LEAKY_GAIN / math.sqrt(cells)
        self.dense = EqualizedLinear(self.input.width, cells * widths[0], gain=gain, bias=False)
        self.bias = nn.Parameter(torch.zeros(widths[0]))
        self.stages = nn.ModuleList([nn.Sequential(NormedConvolution(widths[0], widths[0]))])
        for before, after in pairwise(widths):
            self.stages.append(nn.Sequential(NormedConvolution(before, after), NormedConvolution(after, after)))
        self.colours = nn.ModuleList(EqualizedConv2d(w, channels, 1) for w in widths)
        self._start_full_grown(len(self.sizes) - 1, grown_by)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        x = to_map(self.dense(self.input(pixel_norm(z), labels)), self.sizes[0])
        x = pixel_norm(leaky(x + self.bias.to(x.dtype).view(1, -1, 1, 1)))
        below = x
        for stage in range(self._stage + 1):
            below = x
            if stage:
                x = enlarged(x, self.sizes[stage])
            x = self.stages[stage](x)
        picture: Tensor = self.colours[self._stage](x)
        if self._fading:
            old = enlarged(self.colours[self._stage - 1](below), self.sizes[self._stage])
            picture = torch.lerp(old, picture, self.fade.to(picture.dtype))
        for size in self.sizes[self._stage + 1 :]:
            picture = enlarged(picture, size)
        return picture


class ProgressiveDiscriminator(Growing, Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N]. Arguments as those of the generator.

    deviation_group: over how many pictures the minibatch standard deviation is taken; logits depend on the others of
    a group. Features: [N, widest], the layer before the logit.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int = 16,
        classes: int = 0,
        max_width: int = 512,
        grown_by: float = 0.5,
        deviation_group: int = 4,
    ) -> None:
        super().__init__()
        self.deviation_group = deviation_group
        sizes = doublings(resolution, start=4)
        widths = [min(width * 2**i, max_width) for i in reversed(range(len(sizes)))]  # from the smallest map on
        self.colours = nn.ModuleList(EqualizedConv2d(channels, w, 1, gain=LEAKY_GAIN) for w in widths)
        self.stages = nn.ModuleList()
        for after, before in pairwise(widths):
            self.stages.append(nn.Sequential(LeakyConvolution(before, before), LeakyConvolution(before, after)))
        self.joint = LeakyConvolution(widths[0] + 1, widths[0])
        self.dense = EqualizedLinear(widths[0] * math.prod(sizes[0]), widths[0], gain=LEAKY_GAIN)
        self.logit = EqualizedLinear(widths[0], 1)
        self.projection = Projection(classes, widths[0])
        self._start_full_grown(len(sizes) - 1, grown_by)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """ "logits" [N] and "features" [N, F]."""
        for _ in range(self.last - self._stage):
            images = halved(images)
        x = leaky(self.colours[self._stage](images))
        for stage in range(self._stage, 0, -1):
            x = halved(self.stages[stage - 1](x))
            if self._fading and stage == self._stage:
                old = leaky(self.colours[stage - 1](halved(images)))
                x = torch.lerp(old, x, self.fade.to(x.dtype))
        x = torch.cat([x, minibatch_deviation(x, self.deviation_group)], dim=1)
        features = leaky(self.dense(to_vectors(self.joint(x))))
        # The equalised layer's constant, so that a label is learned as slowly as the rest.
        known = self.projection(features / math.sqrt(features.shape[1]), labels)
        return {"logits": self.logit(features)[:, 0] + known, "features": features}

    def as_far_as_grown(self, real: Tensor) -> Tensor:
        """Reals with no more detail than G can paint now: [N, C, H, W] -> the same (section 2).

        While a stage fades in, its detail is faded into the reals too; otherwise D knows a real by its contrast.
        """
        if self._stage == self.last and not self._fading:
            return real
        sizes = [real.shape[2:]]
        for _ in range(self.last - self._stage):
            real = halved(real)
            sizes.append(real.shape[2:])
        if self._fading:
            old = enlarged(halved(real), real.shape[2:])
            real = torch.lerp(old, real, self.fade.to(real.dtype))
        for size in reversed(sizes[:-1]):
            real = enlarged(real, size)
        return real


def enlarged(x: Tensor, size: Size | torch.Size) -> Tensor:
    """Every pixel made four, then cropped by at most a row and a column to `size`."""
    return F.interpolate(x, scale_factor=2, mode="nearest")[:, :, : size[0], : size[1]]


def halved(x: Tensor) -> Tensor:
    """The mean of every 2x2 pixels, of fewer at an odd edge: exactly undoes `enlarged`."""
    return F.avg_pool2d(x, 2, ceil_mode=True)
