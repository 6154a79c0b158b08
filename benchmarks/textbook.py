"""The training step as tutorials write it: what Ganvas's own step is measured against.

Same networks, same optimiser, float32, contiguous memory; the fakes of the D turn are used again in the G turn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TextbookLoop:
    """`step(real)` plays one D turn and one G turn on pictures [N, C, H, W] in [-1, 1]."""

    def __init__(self, G: nn.Module, D: nn.Module, z_dim: int, lr: float = 2e-4) -> None:
        self.G, self.D, self.z_dim = G, D, z_dim
        self.g_optimizer = torch.optim.Adam(G.parameters(), lr=lr, betas=(0.5, 0.999))
        self.d_optimizer = torch.optim.Adam(D.parameters(), lr=lr, betas=(0.5, 0.999))

    def step(self, real: Tensor) -> None:
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        self.d_optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(self.D(real), ones).backward()
        fake = self.G(torch.randn(len(real), self.z_dim))
        F.binary_cross_entropy_with_logits(self.D(fake.detach()), zeros).backward()
        self.d_optimizer.step()
        self.g_optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(self.D(fake), ones).backward()
        self.g_optimizer.step()
