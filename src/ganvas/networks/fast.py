"""Small networks for good pictures in minutes on two cores: a DCGAN cut to what a small picture needs.

G starts from a dense map of at most 8x8 and doubles from there; D halves down to the same size and ends in a 128-wide
layer that the label projects on. BatchNorm in G only: a discriminator without it may be penalised per picture, and
one pass of the fakes through D then serves both turns.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from ganvas.networks.conditioning import LabelledNoise, Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map, to_vectors
from ganvas.networks.norms import initialise_dcgan
from ganvas.networks.sizes import Size, doublings, halvings

START = 8  # 28 -> 7, 32 -> 8, 64 -> 8: the fewest stages
LAST = 128


class FastGenerator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1]."""

    def __init__(self, resolution: Size, channels: int, z_dim: int = 32, width: int = 32, classes: int = 0) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.input = LabelledNoise(z_dim, classes)
        self.sizes = doublings(resolution, start=START if min(resolution) > START else min(resolution) // 2)
        stages = len(self.sizes) - 1
        widths = [width * 2**i for i in reversed(range(stages))]
        self.dense = nn.Linear(self.input.width, widths[0] * math.prod(self.sizes[0]), bias=False)
        self.start = nn.Sequential(nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList()
        for before, after in pairwise(widths):
            self.stages.append(
                nn.Sequential(
                    nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(inplace=True),
                )
            )
        self.stages.append(nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1))
        initialise_dcgan(self)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        x = self.start(to_map(self.dense(self.input(z, labels)), self.sizes[0]))
        for stage, (height, width) in zip(self.stages, self.sizes[1:], strict=True):
            x = stage(x)[:, :, :height, :width]
        pictures: Tensor = x.tanh()
        return pictures


class FastDiscriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N]."""

    def __init__(self, resolution: Size, channels: int, width: int = 32, classes: int = 0) -> None:
        super().__init__()
        stages = len(doublings(resolution, start=START if min(resolution) > START else min(resolution) // 2)) - 1
        layers: list[nn.Module] = []
        before = channels
        for stage in range(stages):
            after = width * 2**stage
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
            before = after
        size = before * math.prod(halvings(resolution, 4, 1, stages))
        self.convolutions = nn.Sequential(*layers)
        self.features = nn.Sequential(nn.Linear(size, LAST), nn.LeakyReLU(0.2))
        self.logit = nn.Linear(LAST, 1)
        self.projection = Projection(classes, LAST)
        initialise_dcgan(self)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        features = self.features(to_vectors(self.convolutions(images)))  # [N, 128]
        logits = self.logit(features)[:, 0] + self.projection(features, labels)
        return {"logits": logits, "features": features}
