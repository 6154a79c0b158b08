"""A small convolutional variational autoencoder (Kingma and Welling, 2014) of pictures in a few grey levels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Vae(nn.Module):
    """Encoder to a Gaussian of z, decoder to the level of every pixel by itself; convolutions as those of `fast`.

    levels: [N, 28, 28] int64 in [0, count). The pixel's likelihood is categorical, so that the bound can be compared
    with the exact likelihood of an autoregressive model of the same levels.
    """

    def __init__(self, count: int, z_dim: int = 32, width: int = 32) -> None:
        super().__init__()
        self.count, self.z_dim = count, z_dim
        self.encoder = nn.Sequential(
            *(nn.Conv2d(1, width, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(2 * width * 49, 256), nn.ReLU(), nn.Linear(256, 2 * z_dim)),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(z_dim, 256), nn.ReLU(), nn.Linear(256, 2 * width * 49), nn.ReLU()),
            nn.Unflatten(1, (2 * width, 7, 7)),
            *(nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), nn.ReLU()),
            nn.ConvTranspose2d(width, count, 4, stride=2, padding=1),
        )

    def nats(self, levels: Tensor, random: torch.Generator) -> Tensor:
        """The negative evidence lower bound with one draw of z, equation 3: [N, 28, 28] -> [N] nats a picture."""
        x = (2 * levels / (self.count - 1) - 1)[:, None]  # [N, 1, 28, 28] in [-1, 1]
        mean, log_variance = self.encoder(x).chunk(2, dim=1)  # [N, z_dim]
        noise = torch.randn(mean.shape, generator=random)
        logits = self.decoder(mean + (log_variance / 2).exp() * noise)  # [N, count, 28, 28]
        reconstruction: Tensor = F.cross_entropy(logits, levels, reduction="none").sum(dim=(1, 2))
        divergence: Tensor = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return reconstruction + divergence

    @torch.inference_mode()
    def sample(self, n: int, random: torch.Generator) -> Tensor:
        """The expected level of every pixel, as is usual: drawn ones would be noise upon it. -> [n, 28, 28] float."""
        shares = self.decoder(torch.randn(n, self.z_dim, generator=random)).softmax(1)
        return torch.einsum("nkhw,k->nhw", shares, torch.arange(float(self.count)))
