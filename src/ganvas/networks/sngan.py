"""SNGAN (Miyato et al., 2018, "Spectral Normalization for GANs"): residual networks, a D that cannot be steep.

G is of residual blocks with BatchNorm; D of residual blocks whose every layer, the label's embedding too, is divided by
its largest singular value, so that D's slope stays within that of its ReLUs and sums. The published shapes (appendix
B.4, tables 4 to 6):

| pictures | G | D |
|---|---|---|
| CIFAR-10, 32x32 | width 256, max_width 256: 4,276,739 parameters | width 128, max_width 128: 1,053,825 |
| STL-10, 48x48 | width 64, max_width 1024 | width 64, max_width 1024 |
| ImageNet, 128x128 | width 64, max_width 1024 | width 64, max_width 1024 |

Labels come as in Miyato and Koyama (2018): into G by the gains and biases of BatchNorm, into D by projection. Blocks
have as many features between their two convolutions as they give in G and as they take in D, as that paper's do.

Trained with the hinge objective (eq. 16, 17), Adam of 2e-4 with betas (0, 0.9), five D turns per G turn, batches of
64. Left out: the plain convolutional networks of table 3, which the DCGAN with a spectral norm stands for, and G's
batches of twice the size. Sides from 8 pixels up; an odd side loses its last row to D's halvings, but not to the
convolutions before them.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import Projection, batch_norm_of_labels, labels_of
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map
from ganvas.networks.residual import UpBlock, down_blocks, initialise_glorot
from ganvas.networks.sizes import Size, doublings
from ganvas.networks.spectral import normalise_spectrally

START = 6  # pixels of G's first map at most: 32 and 128 start from 4, 48 from 6, as in the tables


class SnganGenerator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1].

    width: features at the picture's size; each coarser map has twice as many, up to max_width.
    """

    def __init__(
        self, resolution: Size, channels: int, z_dim: int, width: int, classes: int = 0, max_width: int = 1024
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
        self.norm = nn.BatchNorm2d(widths[-1])
        self.convolution = nn.Conv2d(widths[-1], channels, 3, padding=1)
        initialise_glorot(self)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        labels = labels_of(self.classes, labels)
        x = to_map(self.dense(z), self.sizes[0])  # [N, max_width, 4, 4]
        for block in self.blocks:
            x = block(x, labels)
        pictures: Tensor = self.convolution(F.relu(self.norm(x))).tanh()
        return pictures


class SnganDiscriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N].

    width: features of the first block; each further block has twice as many, up to max_width.
    """

    def __init__(self, resolution: Size, channels: int, width: int, classes: int = 0, max_width: int = 1024) -> None:
        super().__init__()
        blocks, _, features = down_blocks(resolution, channels, width, max_width, wide=False)
        self.blocks = nn.ModuleList(blocks)
        self.logit = nn.Linear(features, 1)
        self.projection = Projection(classes, features)
        initialise_glorot(self)
        if self.projection.embedding is not None:
            # Not zero: what is nothing has no direction to keep when its length is made 1.
            nn.init.xavier_uniform_(self.projection.embedding.weight)
        normalise_spectrally(self, nn.Conv2d, nn.Linear, nn.Embedding)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """logits [N]; features [N, F]: the sums of the last map."""
        x = images
        for block in self.blocks:
            x = block(x)
        features = F.relu(x).sum(dim=(2, 3))  # [N, F]
        return {"logits": self.logit(features)[:, 0] + self.projection(features, labels), "features": features}
