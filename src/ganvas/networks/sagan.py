"""SAGAN (Zhang et al., 2019, "Self-Attention GANs"): SNGAN with attention in both networks, spectral norm in G too.

The residual networks of SNGAN, with three changes: one self-attention layer in G and one in D, at the maps of 32x32
(section 3 and table 1, where that is best); spectral norm on every convolution and dense layer of G (section 4.1); two
learning rates with one D turn per G turn (section 4.2: Adam, G 1e-4, D 4e-4, betas (0, 0.9), hinge objective). Labels
enter by the gains and biases of G's BatchNorm and by projection in D, whose embedding has a spectral norm as well.

The paper's network makes 128x128 pictures: width 64, max_width 1024, z_dim 128. Other sizes from 8 pixels up follow
SNGAN's; where a picture is too small for maps of 32x32, attention stands at the largest map smaller than the picture.
The features of h are C / 8, as in the text; published weights have C / 2 and pooled maps, which is what BigGAN does.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.attention import SQUEEZE, SelfAttention, attention_stage
from ganvas.networks.conditioning import Projection, batch_norm_of_labels, labels_of
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map
from ganvas.networks.residual import UpBlock, down_blocks, initialise_glorot
from ganvas.networks.sizes import Size, doublings
from ganvas.networks.spectral import normalise_spectrally

START = 6


class SaganGenerator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1].

    width: features at the picture's size; each coarser map has twice as many, up to max_width. attention: side in
    pixels of the map that looks at itself, or, where none has that side, of the next smaller one; 0 for none.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        z_dim: int,
        width: int,
        classes: int = 0,
        max_width: int = 1024,
        attention: int = 32,
    ) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.sizes = doublings(resolution, START)
        widths = [min(width * 2**i, max_width) for i in reversed(range(len(self.sizes)))]
        self.dense = nn.Linear(z_dim, widths[0] * math.prod(self.sizes[0]))
        self.blocks = nn.ModuleList(
            UpBlock(before, after, size, batch_norm_of_labels(before, classes), batch_norm_of_labels(after, classes))
            for (before, after), size in zip(pairwise(widths), self.sizes[1:], strict=True)
        )
        self.looks_at = attention_stage(self.sizes, resolution, attention)
        if self.looks_at is not None:
            here = widths[self.looks_at]
            self.attention = SelfAttention(here, values=max(here // SQUEEZE, 1))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.convolution = nn.Conv2d(widths[-1], channels, 3, padding=1)
        initialise_glorot(self)
        normalise_spectrally(self, nn.Conv2d, nn.Linear)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        labels = labels_of(self.classes, labels)
        x = to_map(self.dense(z), self.sizes[0])  # [N, max_width, 4, 4]
        for stage in range(len(self.sizes)):
            if stage:
                x = self.blocks[stage - 1](x, labels)
            if stage == self.looks_at:
                x = self.attention(x)
        pictures: Tensor = self.convolution(F.relu(self.norm(x))).tanh()
        return pictures


class SaganDiscriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N].

    width: features of the first block; each further block has twice as many, up to max_width. attention: as in G.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int,
        classes: int = 0,
        max_width: int = 1024,
        attention: int = 32,
    ) -> None:
        super().__init__()
        blocks, sizes, features = down_blocks(resolution, channels, width, max_width, wide=False)
        self.blocks = nn.ModuleList(blocks)
        self.looks_at = attention_stage(sizes, resolution, attention)
        if self.looks_at is not None:
            here = blocks[self.looks_at].convolution2.out_channels
            self.attention = SelfAttention(here, values=max(here // SQUEEZE, 1))
        self.logit = nn.Linear(features, 1)
        self.projection = Projection(classes, features)
        initialise_glorot(self)
        if self.projection.embedding is not None:
            nn.init.xavier_uniform_(self.projection.embedding.weight)  # zero has no direction to keep at length 1
        normalise_spectrally(self, nn.Conv2d, nn.Linear, nn.Embedding)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """logits [N]; features [N, F]: the sums of the last map."""
        x = images
        for stage, block in enumerate(self.blocks):
            x = block(x)
            if stage == self.looks_at:
                x = self.attention(x)
        features = F.relu(x).sum(dim=(2, 3))  # [N, F]
        return {"logits": self.logit(features)[:, 0] + self.projection(features, labels), "features": features}
