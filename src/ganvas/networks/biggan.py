"""BigGAN (Brock et al., 2019, "Large Scale GAN Training"): SAGAN, wider, with noise and label at every depth.

What it adds to SAGAN (section 3 and appendix B, not the "deep" variant, which is left out):
- one embedding of the label for all of G, from which each BatchNorm takes its gain (1 + a linear map) and bias;
- z in chunks, one for the dense start and one for each block, joined to the embedding there ("skip-z");
- D's blocks have as many features between their convolutions as they give;
- orthogonal initialisation; attention with C / 2 values, seen through 2x2 pooling; 1e-4 within BatchNorm's root.

Published (table 4): 128x128, 1000 classes, z_dim 120, width 96 (their "ch"), max_width 1536 (16 ch), attention 64:
70,433,988 parameters in G and 87,982,370 in D. At 64x64 their G is width 2 ch, max_width 16 ch, their D width ch. At
256x256 and 512x512 the published widths repeat one step (8 ch twice), where these double until max_width.

Trained with the hinge objective, two D turns per G turn, Adam with betas (0, 0.999), G 5e-5, D 2e-4, batch 2048, an
average of G of 0.9999 per step, and, for pictures that bear truncation, `orthogonal_regularisation` (eq. 3).
`truncated` and `standing_statistics` are the paper's ways of drawing. Sides from 8 pixels up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.attention import SelfAttention, attention_stage
from ganvas.networks.conditioning import ConditionalBatchNorm2d, Projection, labels_of
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_map
from ganvas.networks.residual import UpBlock, down_blocks, initialise_orthogonal
from ganvas.networks.sizes import Size, doublings
from ganvas.networks.spectral import normalise_spectrally

START = 6
EPSILON = 1e-4  # of BatchNorm (appendix C), safe in half precision


class BigganGenerator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1].

    width: features at the picture's size; each coarser map has twice as many, up to max_width. shared_dim: length of
    the label's embedding. attention: side in pixels of the map that looks at itself, or, where none has that
    side, of the next smaller one; 0 for none.
    Raises ValueError if z_dim is less than one number for the start and for each block.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        z_dim: int,
        width: int,
        classes: int = 0,
        max_width: int = 1536,
        shared_dim: int = 128,
        attention: int = 64,
    ) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        self.sizes = doublings(resolution, START)
        chunk = z_dim // len(self.sizes)
        if not chunk:
            raise ValueError(f"z_dim {z_dim} is too short for {len(self.sizes)} chunks: give {len(self.sizes)} or more")
        self.chunks = [z_dim - chunk * (len(self.sizes) - 1)] + [chunk] * (len(self.sizes) - 1)
        widths = [min(width * 2**i, max_width) for i in reversed(range(len(self.sizes)))]
        self.embedding = nn.Embedding(classes, shared_dim) if classes else None
        condition = chunk + (shared_dim if classes else 0)

        def norm(features: int) -> ConditionalBatchNorm2d:
            gain, bias = (nn.Linear(condition, features, bias=False) for _ in range(2))
            return ConditionalBatchNorm2d(features, gain, bias, eps=EPSILON)

        self.dense = nn.Linear(self.chunks[0], widths[0] * math.prod(self.sizes[0]))
        self.blocks = nn.ModuleList(
            UpBlock(before, after, size, norm(before), norm(after))
            for (before, after), size in zip(pairwise(widths), self.sizes[1:], strict=True)
        )
        self.looks_at = attention_stage(self.sizes, resolution, attention)
        if self.looks_at is not None:
            here = widths[self.looks_at]
            self.attention = SelfAttention(here, values=max(here // 2, 1), pooled=True)
        self.norm = nn.BatchNorm2d(widths[-1], eps=EPSILON)
        self.convolution = nn.Conv2d(widths[-1], channels, 3, padding=1)
        initialise_orthogonal(self)
        normalise_spectrally(self, nn.Conv2d, nn.Linear)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        labels = labels_of(self.classes, labels)
        start, *chunks = torch.split(z, self.chunks, dim=1)
        if self.embedding is not None:
            embedded = self.embedding(labels).to(z.dtype)  # [N, shared_dim]
            chunks = [torch.cat([embedded, chunk], dim=1) for chunk in chunks]
        x = to_map(self.dense(start), self.sizes[0])  # [N, 16 ch, 4, 4]
        for stage in range(len(self.sizes)):
            if stage:
                x = self.blocks[stage - 1](x, chunks[stage - 1])
            if stage == self.looks_at:
                x = self.attention(x)
        pictures: Tensor = self.convolution(F.relu(self.norm(x))).tanh()
        return pictures


class BigganDiscriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N].

    width: features of the first block; each further block has twice as many, up to max_width. attention: as in G.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int,
        classes: int = 0,
        max_width: int = 1536,
        attention: int = 64,
    ) -> None:
        super().__init__()
        blocks, sizes, features = down_blocks(resolution, channels, width, max_width, wide=True)
        self.blocks = nn.ModuleList(blocks)
        self.looks_at = attention_stage(sizes, resolution, attention)
        if self.looks_at is not None:
            here = blocks[self.looks_at].convolution2.out_channels
            self.attention = SelfAttention(here, values=max(here // 2, 1), pooled=True)
        self.logit = nn.Linear(features, 1)
        self.projection = Projection(classes, features)
        initialise_orthogonal(self)  # of the projection too: zero has no direction to keep at length 1
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


def truncated(z: Tensor, threshold: float) -> Tensor:
    """Noise without its tails: N(0, 1) of any shape -> N(0, 1) conditioned on lying in [-threshold, threshold].

    The paper draws again what falls outside (section 3.1). Here each number moves to the same quantile of the narrower
    law: the same law, but one picture per seed, which changes smoothly with the threshold. threshold > 0.
    """
    if threshold <= 0:
        raise ValueError(f"the threshold of truncation must be above 0, not {threshold}")
    inside = math.erf(threshold / math.sqrt(2))
    quantile = torch.special.ndtr(z.double())
    narrow: Tensor = torch.special.ndtri(0.5 + inside * (quantile - 0.5))
    return narrow.clamp(-threshold, threshold).to(z.dtype)


@torch.no_grad()
def standing_statistics(G: Generator, draw: Callable[[int], tuple[Tensor, Tensor | None]], batches: int) -> None:
    """Put into every BatchNorm of G the mean statistics of `batches` batches, in place (appendix C).

    draw: number of a batch -> its z [N, z_dim] and labels [N] or None. For weights that BatchNorm has not followed:
    an average of G, or noise other than in training, such as truncated noise. Weights, spectral norms and the mode that
    G is in stay as they were. Raises ValueError for less than one batch.
    """
    if batches < 1:
        raise ValueError(f"statistics need at least 1 batch, not {batches}")
    modes = {module: module.training for module in G.modules()}
    norms = {module: module.momentum for module in G.modules() if isinstance(module, nn.BatchNorm2d)}
    G.eval()  # all but BatchNorm, so that nothing else that training moves is moved
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
            norm.momentum = None  # the plain mean of all batches
        for number in range(batches):
            G(*draw(number))
    finally:
        for norm, momentum in norms.items():
            norm.momentum = momentum
        for module, training in modes.items():
            module.training = training
