"""DRAGAN: D is kept from being steep around the reals (Kodali et al., 2017).

Sharp gradients there go with collapse, and unlike WGAN-GP the penalty needs no fakes.
"""

from __future__ import annotations

from torch import Tensor

from ganvas.objectives.penalties import gradient_penalty


def perturbed(real: Tensor, noise: Tensor, scale: float = 0.5) -> Tensor:
    """Points around the reals: [N, C, H, W] and N(0, 1) of the same shape -> [N, C, H, W], a leaf with gradient.

    The noise has `scale` times the standard deviation of its picture's own pixels, so that no picture depends on its
    neighbours in the batch.
    """
    spread = real.std(dim=(1, 2, 3), keepdim=True, correction=0)
    return (real + scale * spread * noise).detach().requires_grad_(True)


def dragan_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """(length of dD/dx - 1)^2 at `perturbed` reals: [N, C, H, W], [N] -> [N]. The paper's weight is 10."""
    return gradient_penalty(images, logits)
