"""AC-GAN (Odena et al., 2017, "Conditional image synthesis with auxiliary classifier GANs"): a D that also classifies.

G draws from noise and a label; D is not told the label but guesses it, with a classifier that shares its body. D learns
source and class of reals and fakes, G learns to be taken for real and for its class (the paper's equations 2 and 3:
`objectives.auxiliary.class_loss` beside an adversarial objective).

The bodies are DCGAN's here (Radford et al., 2016: 4x4 convolutions of stride 2), so that any size from 8 pixels can be
done; odd ones are reached by cropping a row or a column after a doubling. Left out: the paper's 5x5 and 3x3 kernels,
the dropout and the noise in its D (a penalty or spectral normalisation steadies it instead), BatchNorm in D, and the
split of ImageNet into a hundred models of ten classes each. Known of the method: with many classes, or a class loss
that outweighs the adversarial one, it draws only what is easiest to classify.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from ganvas.networks.conditioning import LabelledNoise
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map, to_vectors
from ganvas.networks.norms import initialise_dcgan, normalised
from ganvas.networks.sizes import Size, doublings, halvings

START = 4  # the side of the smallest map


def check_classes(classes: int) -> None:
    """Raise ValueError if there is nothing to classify."""
    if classes < 2:
        raise ValueError(
            f"an auxiliary classifier needs two classes or more and this data has {classes}: give pictures with "
            f"labels (a folder for each class), or choose a network that draws without them, such as dcgan or infogan"
        )


class AcganGenerator(Generator):
    """z: [N, z_dim], labels: [N] int64 -> [N, channels, H, W] in [-1, 1].

    width: channels before the last convolution; they double towards the smallest map, up to `max_width`.
    Raises ValueError for fewer than two classes.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        z_dim: int = 110,
        width: int = 64,
        classes: int = 0,
        max_width: int = 512,
    ) -> None:
        super().__init__()
        check_classes(classes)
        self.z_dim, self.classes = z_dim, classes
        self.input = LabelledNoise(z_dim, classes)
        self.sizes = doublings(resolution, START)
        widths = [min(width * 2**i, max_width) for i in reversed(range(len(self.sizes) - 1))]
        self.dense = nn.Linear(self.input.width, widths[0] * math.prod(self.sizes[0]), bias=False)
        self.start = nn.Sequential(nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            )
            for before, after in pairwise(widths)
        )
        self.stages.append(nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1))
        initialise_dcgan(self)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        x = self.start(to_map(self.dense(self.input(z, labels)), self.sizes[0]))  # [N, C, 4, 4]
        for stage, (height, width) in zip(self.stages, self.sizes[1:], strict=True):
            x = stage(x)[:, :, :height, :width]
        picture: Tensor = x.tanh()
        return picture


class AcganDiscriminator(Discriminator):
    """images: [N, channels, H, W] -> logits [N], "features" [N, F] and "classes" [N, classes] logits of the classifier.

    Labels may be given and change nothing: D guesses them. norm: "none", or "spectral" for every layer of the body and
    the logit (the classifier stays free: it must be able to become sure). Raises ValueError for fewer than two classes.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int = 64,
        classes: int = 0,
        max_width: int = 512,
        norm: Literal["none", "spectral"] = "none",
    ) -> None:
        super().__init__()
        check_classes(classes)
        stages = len(doublings(resolution, START)) - 1
        widths = [min(width * 2**i, max_width) for i in range(stages)]
        layers: list[nn.Module] = []
        for before, after in pairwise([channels, *widths]):
            layers += normalised(nn.Conv2d(before, after, 4, stride=2, padding=1), norm, after)
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.body = nn.Sequential(*layers)
        features = widths[-1] * math.prod(halvings(resolution, 4, 1, stages))
        self.logit = normalised(nn.Linear(features, 1), norm, 1)[0]
        self.classifier = nn.Linear(features, classes)
        initialise_dcgan(self)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        features = to_vectors(self.body(images))  # [N, F]
        return {"logits": self.logit(features)[:, 0], "features": features, "classes": self.classifier(features)}
