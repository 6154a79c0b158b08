"""The networks of the first GAN in their best-known form: dense layers only (Goodfellow et al., 2014)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ganvas.networks.conditioning import LabelledNoise, Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.sizes import Size


class MlpGenerator(Generator):
    """z -> 256 -> 512 -> 1024 -> pixels, LeakyReLU 0.2 between, tanh at the end.

    z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1].
    """

    def __init__(self, resolution: Size, channels: int, z_dim: int = 100, width: int = 256, classes: int = 0) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.shape = (channels, *resolution)
        self.input = LabelledNoise(z_dim, classes)
        self.layers = nn.Sequential(
            nn.Linear(self.input.width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(2 * width, 4 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(4 * width, math.prod(self.shape)),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        pixels: Tensor = self.layers(self.input(z, labels))  # [N, C * H * W]
        return pixels.view(-1, *self.shape)


class MlpDiscriminator(Discriminator):
    """Pixels -> 512 -> 256 -> one logit. images: [N, C, H, W], labels: [N] or None -> [N]."""

    def __init__(self, resolution: Size, channels: int, width: int = 256, classes: int = 0) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * math.prod(resolution), 2 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(2 * width, width),
            nn.LeakyReLU(0.2),
        )
        self.logit = nn.Linear(width, 1)
        self.projection = Projection(classes, width)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        features = self.features(images)  # [N, width]
        logits = self.logit(features)[:, 0] + self.projection(features, labels)
        return {"logits": logits, "features": features}
