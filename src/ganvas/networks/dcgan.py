"""Deep convolutional GAN (Radford et al., 2016): 4x4 convolutions of stride 2, BatchNorm, as many stages as needed.

At 64x64x3 with z 100 and width 64 these are the networks of the well-known tutorials: 3,576,704 parameters in G and
2,765,568 in D. Odd sizes are reached by cropping a row or a column after a doubling.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from ganvas.networks.conditioning import LabelledNoise, Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map, to_vectors
from ganvas.networks.norms import DiscriminatorNorm, initialise_dcgan, normalised
from ganvas.networks.sizes import Size, doublings, halvings

WIDEST = 8  # times `width`: deeper stages than the paper's four keep its widest layer


class DcganGenerator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1]."""

    def __init__(self, resolution: Size, channels: int, z_dim: int = 100, width: int = 64, classes: int = 0) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.input = LabelledNoise(z_dim, classes)
        self.sizes = doublings(resolution, start=4)
        stages = len(self.sizes) - 1
        widths = [min(2**i, WIDEST) * width for i in reversed(range(stages))]  # [8w, 4w, 2w, w] at 64 pixels
        # The paper's first transposed convolution sees one point, where it is a dense layer.
        self.dense = nn.Linear(self.input.width, widths[0] * math.prod(self.sizes[0]), bias=False)
        self.start = nn.Sequential(nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList()
        for narrow, wide in zip([*widths[1:], channels], widths, strict=True):
            last = len(self.stages) == stages - 1
            self.stages.append(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False))
            if not last:
                self.stages[-1] = nn.Sequential(self.stages[-1], nn.BatchNorm2d(narrow), nn.ReLU(inplace=True))
        initialise_dcgan(self)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        x = self.start(to_map(self.dense(self.input(z, labels)), self.sizes[0]))  # [N, 8w, 4, 4]
        for stage, (height, width) in zip(self.stages, self.sizes[1:], strict=True):
            x = stage(x)[:, :, :height, :width]
        pictures: Tensor = x.tanh()
        return pictures


class DcganDiscriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N]. `norm` stands between the first and the last layer."""

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int = 64,
        classes: int = 0,
        norm: DiscriminatorNorm = "batch",
    ) -> None:
        super().__init__()
        stages = len(doublings(resolution, start=4)) - 1
        widths = [min(2**i, WIDEST) * width for i in range(stages)]
        bias = norm != "batch"  # BatchNorm has its own
        layers: list[nn.Module] = []
        for before, after in zip([channels, *widths], widths, strict=False):
            convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=bias)
            first_of_batch_normed = norm == "batch" and not layers
            layers += [convolution] if first_of_batch_normed else normalised(convolution, norm, after)
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.features = nn.Sequential(*layers)
        # The last convolution covers the whole map, where it is a dense layer too.
        last = nn.Linear(widths[-1] * math.prod(halvings(resolution, 4, 1, stages)), 1, bias=bias)
        self.logit = normalised(last, "spectral" if norm == "spectral" else "none", 1)[0]
        self.projection = Projection(classes, widths[-1])
        initialise_dcgan(self)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        maps = self.features(images)  # [N, 8w, 4, 4]
        features = to_vectors(maps)
        logits = self.logit(features)[:, 0] + self.projection(maps.sum(dim=(2, 3)), labels)
        return {"logits": logits, "features": features}
