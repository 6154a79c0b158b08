"""The loop of pix2pix as tutorials write it: what Ganvas's own step is measured against.

One pass through G, a D turn on the real and the painted pair, a G turn through a D that stands still (binary cross
entropy and 100 times L1), Adam for each (Isola et al., 2017, section 3). The networks are given; dropout is drawn from
the global stream.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

L1_WEIGHT = 100.0


class Dice:
    """What dropout needs of chance, as a tutorial draws it."""

    def uniform(self, n: int, *shape: int) -> Tensor:
        return torch.rand(n, *shape)


class TextbookPix2pix:
    """`step(a, b)` plays one D turn and one G turn on pairs, [N, C, H, W] in [-1, 1] each.

    fused: Adam in one kernel, as ours is, instead of what `torch.optim.Adam` does by itself.
    """

    def __init__(self, G: nn.Module, D: nn.Module, g_lr: float, d_lr: float, fused: bool = False) -> None:
        self.G, self.D, self.dice = G, D, Dice()
        words = {"betas": (0.5, 0.999), "fused": True} if fused else {"betas": (0.5, 0.999)}
        self.g_optimizer = torch.optim.Adam(G.parameters(), lr=g_lr, **words)
        self.d_optimizer = torch.optim.Adam(D.parameters(), lr=d_lr, **words)

    def step(self, a: Tensor, b: Tensor) -> None:
        painted = self.G(a, None, self.dice)

        self.d_optimizer.zero_grad()
        real_logits = self.D(torch.cat([a, b], 1))
        fake_logits = self.D(torch.cat([a, painted.detach()], 1))
        real_loss = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
        fake_loss = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
        (real_loss + fake_loss).backward()
        self.d_optimizer.step()

        self.D.requires_grad_(False)
        self.g_optimizer.zero_grad()
        logits = self.D(torch.cat([a, painted], 1))
        adversarial = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        (adversarial + L1_WEIGHT * F.l1_loss(painted, b)).backward()
        self.g_optimizer.step()
        self.D.requires_grad_(True)
