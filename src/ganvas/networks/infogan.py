"""InfoGAN (Chen et al., 2016): codes in the noise whose meaning nobody gave, because D's body must read them back.

Part of z is a code: one of `categorical` categories and `continuous` numbers. A head Q on D's body guesses the code
from the picture, and G and Q together make the guess likely, which bounds the mutual information of code and picture
from below (the paper's equation 5; `objectives.auxiliary.category_loss` and `gaussian_code_loss` on the fakes). Without
any label, categories tend to become kinds of pictures and the numbers what varies within a kind.

A seed still decides a picture alone, because the codes are read off a plain normal z: the first `categorical` numbers
choose the category by their largest, which makes the categories equally likely; the next `continuous` are the
continuous codes as they stand; the rest is noise. G never sees the numbers behind the category. So a walk through z
jumps where the largest changes, and to draw a certain category is to raise its number. Continuous codes are standard
normal here (the paper draws them from [-1, 1] evenly), and Q gives mean and spread of each.

The bodies are DCGAN's (Radford et al., 2016) with a dense layer before the logit, as in the paper's MNIST network;
BatchNorm is left out of D and Q. One categorical code; the paper has several for some of its data. Sides from 8
pixels; odd ones are reached by cropping a row or a column after a doubling.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LABEL_SCALE
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map, to_vectors
from ganvas.networks.norms import initialise_dcgan, normalised
from ganvas.networks.sizes import Size, doublings, halvings

START = 4  # the side of the smallest map
Q_WIDTH = 128
# Q's spread stays within e^-3 and e^3. A code that can be read back exactly would drive it to zero, and the gradient
# of its likelihood without limit.
LOG_STD_LIMIT = 3.0


def check_codes(classes: int, categorical: int, continuous: int) -> None:
    """Raise ValueError for labels, or for codes that cannot be."""
    if classes:
        raise ValueError(
            f"infogan finds its categories by itself and has no use for {classes} labels: train without labels, or "
            f"choose a network that takes them, such as acgan"
        )
    if categorical < 2 or continuous < 0:
        raise ValueError(
            f"infogan needs a code of two categories or more and no negative number of continuous codes, not "
            f"{categorical} and {continuous}"
        )


class InfoganGenerator(Generator):
    """z: [N, z_dim] -> [N, channels, H, W] in [-1, 1]; `codes` tells what z asks for. Labels are refused.

    width: channels before the last convolution; they double towards the smallest map, up to `max_width`.
    categorical, continuous: how many categories and continuous codes there are.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        z_dim: int = 74,
        width: int = 64,
        classes: int = 0,
        max_width: int = 512,
        categorical: int = 10,
        continuous: int = 2,
    ) -> None:
        super().__init__()
        check_codes(classes, categorical, continuous)
        if z_dim <= categorical + continuous:
            raise ValueError(
                f"z of {z_dim} numbers leaves no noise beside {categorical} categories and {continuous} continuous "
                f"codes: give a z_dim above {categorical + continuous}"
            )
        self.z_dim, self.classes = z_dim, classes
        self.categorical, self.continuous = categorical, continuous
        self.sizes = doublings(resolution, START)
        widths = [min(width * 2**i, max_width) for i in reversed(range(len(self.sizes) - 1))]
        self.dense = nn.Linear(z_dim, widths[0] * math.prod(self.sizes[0]), bias=False)
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

    def codes(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """What Q should read off G(z): the category [N] int64, and the continuous codes [N, continuous]."""
        return z[:, : self.categorical].argmax(dim=1), z[:, self.categorical : self.categorical + self.continuous]

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        if labels is not None:
            raise ValueError("infogan takes no labels: its categories are a part of z")
        category, _ = self.codes(z)
        one_hot = LABEL_SCALE * F.one_hot(category, self.categorical).to(z.dtype)
        x = torch.cat([one_hot, z[:, self.categorical :]], dim=1)  # [N, z_dim]
        x = self.start(to_map(self.dense(x), self.sizes[0]))  # [N, C, 4, 4]
        for stage, (height, width) in zip(self.stages, self.sizes[1:], strict=True):
            x = stage(x)[:, :, :height, :width]
        picture: Tensor = x.tanh()
        return picture


class InfoganDiscriminator(Discriminator):
    """images: [N, channels, H, W] -> logits [N], "features" [N, 8 * width], and what Q makes of the picture:
    "category" [N, categorical] logits, "code_mean" and "code_log_std" [N, continuous].

    D's turn is meant to teach Q and the body together (on fakes), G's turn G alone.
    Labels are refused. norm: "none", or "spectral" for every layer of the body and the logit (Q stays free).
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int = 64,
        classes: int = 0,
        max_width: int = 512,
        categorical: int = 10,
        continuous: int = 2,
        norm: Literal["none", "spectral"] = "none",
    ) -> None:
        super().__init__()
        check_codes(classes, categorical, continuous)
        self.categorical, self.continuous = categorical, continuous
        stages = len(doublings(resolution, START)) - 1
        widths = [min(width * 2**i, max_width) for i in range(stages)]
        layers: list[nn.Module] = []
        for before, after in pairwise([channels, *widths]):
            layers += normalised(nn.Conv2d(before, after, 4, stride=2, padding=1), norm, after)
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.body = nn.Sequential(*layers)
        size, features = widths[-1] * math.prod(halvings(resolution, 4, 1, stages)), 8 * width
        self.dense = nn.Sequential(*normalised(nn.Linear(size, features), norm, features), nn.LeakyReLU(0.2))
        self.logit = normalised(nn.Linear(features, 1), norm, 1)[0]
        self.Q = nn.Sequential(
            nn.Linear(features, Q_WIDTH), nn.LeakyReLU(0.2), nn.Linear(Q_WIDTH, categorical + 2 * continuous)
        )
        initialise_dcgan(self)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        if labels is not None:
            raise ValueError("infogan takes no labels: its categories are found without them")
        features = self.dense(to_vectors(self.body(images)))  # [N, 8 * width]
        category, mean, spread = self.Q(features).split([self.categorical, self.continuous, self.continuous], dim=1)
        return {
            "logits": self.logit(features)[:, 0],
            "features": features,
            "category": category,
            "code_mean": mean,
            "code_log_std": LOG_STD_LIMIT * (spread / LOG_STD_LIMIT).tanh(),
        }
