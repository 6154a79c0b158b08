"""DCGAN as tutorials write it: what Ganvas's own step is measured against.

The same layers and parameter counts as the `dcgan` networks, float32, contiguous memory, one optimiser a player; the
fakes of the D turn are used again in the G turn.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def generator(side: int, channels: int, z_dim: int = 100, width: int = 64) -> nn.Sequential:
    """z [N, z_dim, 1, 1] -> [N, channels, side, side]; side 32 or 64."""
    widths = {64: [8, 4, 2, 1], 32: [4, 2, 1]}[side]
    layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim, widths[0] * width, 4, bias=False)]
    for before, after in pairwise(widths):
        layers += [nn.BatchNorm2d(before * width), nn.ReLU(True)]
        layers.append(nn.ConvTranspose2d(before * width, after * width, 4, 2, 1, bias=False))
    layers += [
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
        nn.Tanh(),
    ]
    return nn.Sequential(*layers)


def discriminator(side: int, channels: int, norm: bool, width: int = 64) -> nn.Sequential:
    """[N, channels, side, side] -> [N, 1, 1, 1]; BatchNorm where the tutorials have it, or none."""
    widths = {64: [1, 2, 4, 8], 32: [1, 2, 4]}[side]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=not norm), nn.LeakyReLU(0.2, True)]
    for before, after in pairwise(widths):
        layers.append(nn.Conv2d(before * width, after * width, 4, 2, 1, bias=not norm))
        layers += [nn.BatchNorm2d(after * width)] if norm else []
        layers.append(nn.LeakyReLU(0.2, True))
    return nn.Sequential(*layers, nn.Conv2d(widths[-1] * width, 1, 4, bias=not norm))


class TextbookLoop:
    """`step(real)` plays one D turn and one G turn on pictures [N, C, H, W] in [-1, 1]."""

    def __init__(self, G: nn.Module, D: nn.Module, z_dim: int, lr: float = 2e-4) -> None:
        self.G, self.D, self.z_dim = G, D, z_dim
        self.g_optimizer = torch.optim.Adam(G.parameters(), lr=lr, betas=(0.5, 0.999))
        self.d_optimizer = torch.optim.Adam(D.parameters(), lr=lr, betas=(0.5, 0.999))

    def step(self, real: Tensor) -> None:
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        self.d_optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(self.D(real).view(-1), ones).backward()
        fake = self.G(torch.randn(len(real), self.z_dim, 1, 1))
        F.binary_cross_entropy_with_logits(self.D(fake.detach()).view(-1), zeros).backward()
        self.d_optimizer.step()
        self.g_optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(self.D(fake).view(-1), ones).backward()
        self.g_optimizer.step()
