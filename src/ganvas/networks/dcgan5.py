"""A DCGAN with 5x5 convolutions and a dense start, as the paper draws its G (Radford et al., 2016, figure 1)."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from ganvas.networks.conditioning import LabelledNoise, Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map, to_vectors
from ganvas.networks.norms import DiscriminatorNorm, initialise_dcgan, normalised
from ganvas.networks.sizes import Size, doublings, halvings

STAGES_OF_D = 3


class Dcgan5Generator(Generator):
    """Dense to 4x4 (512 wide), then doublings that halve the width, cropped to exactly the wanted size.

    z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1]. `width` is D's first width; G starts at
    8 times it.
    """

    def __init__(self, resolution: Size, channels: int, z_dim: int = 100, width: int = 64, classes: int = 0) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.input = LabelledNoise(z_dim, classes)
        self.sizes = doublings(resolution, start=4)
        stages = len(self.sizes) - 1
        widths = [max(8 * width // 2**i, 8) for i in range(stages)]  # [512, 256, 128, ...]
        self.dense = nn.Linear(self.input.width, widths[0] * math.prod(self.sizes[0]), bias=False)
        self.start = nn.Sequential(nn.BatchNorm2d(widths[0]), nn.LeakyReLU(0.2, inplace=True))
        self.stages = nn.ModuleList()
        for before, after in pairwise(widths):
            self.stages.append(
                nn.Sequential(
                    nn.ConvTranspose2d(before, after, 5, stride=2, padding=2, output_padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.LeakyReLU(0.2, inplace=True),
                )
            )
        self.stages.append(nn.ConvTranspose2d(widths[-1], channels, 5, stride=2, padding=2, output_padding=1))
        initialise_dcgan(self)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        x = self.start(to_map(self.dense(self.input(z, labels)), self.sizes[0]))  # [N, 8 * width, 4, 4]
        for stage, (height, width) in zip(self.stages, self.sizes[1:], strict=True):
            x = stage(x)[:, :, :height, :width]
        pictures: Tensor = x.tanh()
        return pictures


class Dcgan5Discriminator(Discriminator):
    """5x5 convolutions of stride 2 with 64, 128, 256 channels and a dense logit: [N, C, H, W] -> [N]."""

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int = 64,
        classes: int = 0,
        norm: DiscriminatorNorm = "none",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for stage in range(STAGES_OF_D):
            after = width * 2**stage
            convolution = nn.Conv2d(before, after, 5, stride=2, padding=2, bias=norm != "batch" or stage == 0)
            layers += [convolution] if norm == "batch" and stage == 0 else normalised(convolution, norm, after)
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            before = after
        self.features = nn.Sequential(*layers)
        size = before * math.prod(halvings(resolution, 5, 2, STAGES_OF_D))
        self.logit = normalised(nn.Linear(size, 1), "spectral" if norm == "spectral" else "none", 1)[0]
        self.projection = Projection(classes, size)
        initialise_dcgan(self)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        features = to_vectors(self.features(images))  # [N, H / 8 * W / 8 * 256]
        logits = self.logit(features)[:, 0] + self.projection(features, labels)
        return {"logits": logits, "features": features}
