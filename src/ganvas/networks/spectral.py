"""Spectral norm (Miyato et al., 2018): each weight divided by its largest singular value, in G as well as in D.

PyTorch's own keeps only the two singular vectors and works the norm out from them and the weight. An average of a
generator averages its vectors too; where they turned, their average is short and fits no weight, and a layer came out
twice as strong as it was at any moment. Here the norm itself is kept, so that what is averaged is sound: the weight of
an average is a mean of weights over the mean of their norms.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

FIRST_STEPS = 15  # of the power iteration, before the first weight is asked for


class SpectralNorm(nn.Module):
    """A weight with its outputs first, [O, ...], over its norm as a matrix [O, the rest] (section 2.1, algorithm 1).

    In training each use takes one step of the power iteration; in evaluation the norm of the last one holds. Always in
    the weight's own precision, whatever autocast says: a rounded norm would tremble from step to step.
    """

    u: Tensor  # [O]: the left singular vector
    norm: Tensor  # []: the singular value

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        u = F.normalize(torch.randn_like(matrix[:, 0]), dim=0)
        for _ in range(FIRST_STEPS):
            product = matrix.mv(F.normalize(matrix.t().mv(u), dim=0))
            u = F.normalize(product, dim=0)
        self.register_buffer("u", u)
        self.register_buffer("norm", u.dot(product))

    def forward(self, weight: Tensor) -> Tensor:
        """[O, ...] -> the same, with a largest singular value of 1."""
        if not self.training:
            return weight / self.norm
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)
            with torch.no_grad():
                v = F.normalize(matrix.t().mv(self.u), dim=0)
            product = matrix.mv(v)  # [O], with a gradient; u and v count as constants (eq. 11)
            u = F.normalize(product.detach(), dim=0)
            norm = u.dot(product)
        self.u.copy_(u)
        self.norm.copy_(norm.detach())
        return weight / norm


def normalise_spectrally(network: nn.Module, *kinds: type[nn.Module]) -> None:
    """Put a spectral norm on the weight of every layer of these kinds, in place; of the weights that are there now.

    A weight of zeros has no norm to divide by: initialise first.
    """
    for layer in [module for module in network.modules() if isinstance(module, kinds)]:
        assert isinstance(layer.weight, Tensor)
        parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))
