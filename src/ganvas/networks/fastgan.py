"""FastGAN (Liu et al., 2021): pictures from few examples, by a light G and a D that must also remember what it saw.

G (section 3.1): 4x4 and up by nearest-neighbour doublings, each a 3x3 convolution, BatchNorm and a gated linear unit;
every second stage has a second convolution and noise. Skip-layer excitation: a map four doublings below weighs the
channels of a stage. With fewer than four doublings (below 64 pixels) the first map weighs the last.

D (section 3.2): a residual encoder down to an 8x8 map and a logit for each 4x4 patch of it: 25 judgements. Below 256
pixels, which is smaller than any of the paper, so short an encoder would judge texture wherever it stands, and G would
paint eyes anywhere: there the last map is 4x4, and its one logit knows the place of things. Two small decoders draw the
real picture anew: the whole from the last map, at half its size or less, and one quarter from that quarter of the map
before, so that the encoder keeps what a picture is made of (`FastganDiscriminator.reconstruct`).

Left out or changed: the perceptual distance of the reconstructions, which needs downloaded weights (see
`ganvas.objectives.reconstruction`); BatchNorm in D, which would tie a picture's logit to its batch and forbid
penalties per picture (spectral norm stays, with a gain that keeps the signal's size through the layers); spectral norm
in G, whose scale the BatchNorm behind it divides out.

Every side from 8 pixels up to 1024, square or not. As published: G 32 wide at 256 pixels, 8 at 1024; D 16 and 8; z 256.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledNoise, Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map
from ganvas.networks.norms import initialise_dcgan
from ganvas.networks.sizes import Size, doublings
from ganvas.networks.spectral import normalise_spectrally

START = 4  # the side of G's first map
LAST, SMALL_LAST = 8, 4  # the side of D's last map, from `PUBLISHED_FROM` pixels on and below
PUBLISHED_FROM = 256
PATCH = 4  # of the last map that a logit judges
REACH = 4  # doublings that a skip-layer excitation spans: 4 -> 64, 8 -> 128, ...
RESIDUAL_STAGES = 5  # of D: larger pictures are brought to 256 pixels by plain strided convolutions
DECODED = 4  # doublings of a decoder at most: 8 -> 128
GAIN = 2.0  # of an activation behind a spectrally normalised layer


class FastganGenerator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1].

    width: channels at the picture's size; each stage below has twice as many up to `max_width`, but that 32 pixels
    have as many as 64. While training with `random`, noise is added in every second stage.
    """

    uses_random = True

    def __init__(
        self, resolution: Size, channels: int, z_dim: int, width: int, classes: int = 0, max_width: int = 1024
    ) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.input = LabelledNoise(z_dim, classes)
        self.sizes = doublings(resolution, start=START)
        stages = len(self.sizes) - 1
        widths = _generator_widths(stages, width, max_width)  # [1024, 512, 256, 128, 128, 64, 32] at 256 pixels
        self.dense = nn.Linear(self.input.width, 2 * widths[0] * math.prod(self.sizes[0]), bias=False)
        self.start = nn.Sequential(nn.BatchNorm2d(2 * widths[0]), _Gate())
        self.stages = nn.ModuleList()
        for i in range(stages):
            stage = _NoisyUp if i % 2 == 0 else _Up
            self.stages.append(stage(widths[i], widths[i + 1]))
        self.reach = min(REACH, stages)
        self.excitations = nn.ModuleList(
            SkipLayerExcitation(widths[low], widths[low + self.reach]) for low in range(stages + 1 - self.reach)
        )
        self.picture = nn.Conv2d(widths[-1], channels, 3, padding=1)
        initialise_dcgan(self)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        random = random if self.training else None
        maps = [self.start(to_map(self.dense(self.input(z, labels)), self.sizes[0]))]  # [N, 16w, 4, 4]
        for stage, (height, width) in zip(self.stages, self.sizes[1:], strict=True):
            x = stage(maps[-1], random)
            if x.shape[2:] != (height, width):  # a crop of everything would be copied on the way back
                x = x[:, :, :height, :width]
            if len(maps) >= self.reach:
                low = len(maps) - self.reach
                x = self.excitations[low](maps[low], x)
            maps.append(x)
        pictures: Tensor = self.picture(maps[-1]).tanh()
        return pictures


class FastganDiscriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N, K], one for each 4x4 patch of the last map; [N] where
    that is all of the map.

    width: channels of the first layer; each stage behind it has twice as many up to `max_width`. norm: "spectral" for
    the hinge objective, or "none" for a penalty on gradients. `details` also gives "features" [N, F] and the maps that
    the decoders read, "early" [N, C1, 2h, 2w] and "late" [N, C2, h, w].
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int,
        classes: int = 0,
        max_width: int = 1024,
        norm: Literal["spectral", "none"] = "spectral",
    ) -> None:
        super().__init__()
        gain = GAIN if norm == "spectral" else 1.0
        stages = len(doublings(resolution, start=LAST if min(resolution) >= PUBLISHED_FROM else SMALL_LAST)) - 1
        plain = max(0, stages - RESIDUAL_STAGES)
        layers: list[nn.Module] = []
        before, after = channels, width
        for _ in range(plain):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), _Activation(gain)]
            before, after = after, min(2 * after, max_width)
        if not plain:
            layers += [nn.Conv2d(channels, width, 3, padding=1), _Activation(gain)]
            before, after = width, min(2 * width, max_width)
        for _ in range(stages - plain - 1):
            layers.append(_ResidualDown(before, after, gain))
            before, after = after, min(2 * after, max_width)
        self.early = nn.Sequential(*layers)
        self.late = _ResidualDown(before, after, gain)
        self.features = nn.Sequential(nn.Conv2d(after, after, 1), _Activation(gain))
        patch = [min(PATCH, side >> stages) for side in resolution]
        self.logits = nn.Conv2d(after, 1, (patch[0], patch[1]))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.2)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        if norm == "spectral":
            normalise_spectrally(self, nn.Conv2d)
        self.projection = Projection(classes, after)
        self.decode_whole = _Decoder(after, channels, min(DECODED, stages - 1))  # as large as the quarter: 128 of 256
        self.decode_quarter = _Decoder(before, channels, min(DECODED, stages - 1))

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        early = self.early(images)
        late = self.late(early)
        map_of_features = self.features(late)
        features = map_of_features.mean(dim=(2, 3))
        logits = self.logits(map_of_features).flatten(1) + self.projection(features, labels)[:, None]
        if logits.shape[1] == 1:
            logits = logits[:, 0]
        return {"logits": logits, "features": features, "early": early, "late": late}

    def reconstruct(
        self, images: Tensor, quarters: Tensor, seen: dict[str, Tensor] | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """What the decoders draw of the pictures, each with its target: the whole, then one quarter; all [N, C, h, w].

        quarters: [N] int64, 0 top left, 1 top right, 2 bottom left, 3 bottom right. seen: what `details` gave for the
        same pictures, where it is at hand, to spare a second look. Targets are reduced to the decoded size.
        """
        if seen is None:
            seen = {"early": self.early(images)}
            seen["late"] = self.late(seen["early"])
        whole = self.decode_whole(seen["late"])
        part = self.decode_quarter(quarter_of(seen["early"], quarters))
        return [(whole, _reduced(images, whole)), (part, _reduced(quarter_of(images, quarters), part))]


def quarter_of(maps: Tensor, quarters: Tensor) -> Tensor:
    """One corner of each map: [N, C, H, W], [N] in 0 to 3 -> [N, C, H // 2, W // 2]."""
    n, _, height, width = maps.shape
    rows = (quarters // 2 * (height - height // 2))[:, None] + torch.arange(height // 2, device=maps.device)
    columns = (quarters % 2 * (width - width // 2))[:, None] + torch.arange(width // 2, device=maps.device)
    which = torch.arange(n, device=maps.device)[:, None, None]
    return maps.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class SkipLayerExcitation(nn.Module):
    """A small map says how much each channel of a large one counts: [N, A, h, w], [N, B, H, W] -> [N, B, H, W]."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(low, high, 4, bias=False),
            nn.LeakyReLU(0.1),
            nn.Conv2d(high, high, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        weighted: Tensor = self.weights(low) * high
        return weighted


class _Gate(nn.Module):
    """Gated linear unit over channels (Dauphin et al., 2017): [N, 2C, H, W] -> [N, C, H, W].

    Split along the last dimension of the memory, where it takes three quarters of the time of `F.glu`.
    """

    def forward(self, x: Tensor) -> Tensor:
        value, gate = x.permute(0, 2, 3, 1).chunk(2, dim=-1)
        return (value * gate.sigmoid()).permute(0, 3, 1, 2)


class _Up(nn.Module):
    """[N, before, h, w] -> [N, after, 2h, 2w]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, 2 * after, 3, padding=1, bias=False)
        self.gate = nn.Sequential(nn.BatchNorm2d(2 * after), _Gate())

    def forward(self, x: Tensor, random: Chance | None) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        gated: Tensor = self.gate(self.convolution(x))
        return gated


class _NoisyUp(_Up):
    """As `_Up`, with noise before the norm and a second convolution."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after)
        self.second = nn.Conv2d(after, 2 * after, 3, padding=1, bias=False)
        self.second_gate = nn.Sequential(nn.BatchNorm2d(2 * after), _Gate())
        self.noise = nn.Parameter(torch.zeros(2))  # how strong, learned from none

    def forward(self, x: Tensor, random: Chance | None) -> Tensor:
        x = self.convolution(F.interpolate(x, scale_factor=2, mode="nearest"))
        x = self.second(self.gate(self.noisy(x, 0, random)))
        gated: Tensor = self.second_gate(self.noisy(x, 1, random))
        return gated

    def noisy(self, x: Tensor, which: int, random: Chance | None) -> Tensor:
        """x with noise of its own for each picture, the same in all channels; `which` of the two strengths."""
        if random is None:
            return x
        return x + (self.noise[which] * random.normal(len(x), 1, *x.shape[2:])).to(x.dtype)


class _Activation(nn.Module):
    """LeakyReLU times a gain: a random layer of spectral norm 1 with its ReLU halves the signal, ten of them end it."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * F.leaky_relu(x, 0.2)


class _ResidualDown(nn.Module):
    """Two convolutions and a reduced copy, added: [N, before, h, w] -> [N, after, h // 2, w // 2].

    The paper takes the mean of both ways, which makes the signal smaller from stage to stage where no norm follows.
    """

    def __init__(self, before: int, after: int, gain: float) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(before, after, 4, stride=2, padding=1),
            _Activation(gain),
            nn.Conv2d(after, after, 3, padding=1),
            _Activation(gain),
        )
        self.direct = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, 1), _Activation(gain))

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = (self.main(x) + self.direct(x)) * 0.5**0.5
        return total


class _Decoder(nn.Sequential):
    """Features to a picture, `stages` doublings larger: [N, before, h, w] -> [N, channels, h', w'] in [-1, 1]."""

    def __init__(self, before: int, channels: int, stages: int) -> None:
        layers: list[nn.Module] = []
        width = max(before // 4, 8)  # 128, 64, 64, 32 from 512
        for after in (width, width // 2, width // 2, width // 4)[:stages]:
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before, 2 * after, 3, padding=1), _Gate()]
            before = after
        super().__init__(*layers, nn.Conv2d(before, channels, 3, padding=1), nn.Tanh())
        for layer in self:
            if isinstance(layer, nn.Conv2d):  # no norm follows, so that its weights must keep the signal's size
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _reduced(images: Tensor, like: Tensor) -> Tensor:
    """Averaged down to another's size."""
    return F.interpolate(images, size=like.shape[2:], mode="area")


def _generator_widths(stages: int, width: int, max_width: int) -> list[int]:
    """From the first map to the picture: doubling backwards, but not between 64 and 32 pixels."""
    factors = [2 ** (stages - i - (1 if i < REACH <= stages else 0)) for i in range(stages + 1)]
    return [min(factor * width, max_width) for factor in factors]
