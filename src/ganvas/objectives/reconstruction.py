"""How far pictures that were decoded from a discriminator's features lie from what it saw."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def reconstruction_loss(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Mean absolute difference of decoded and target, summed over the pairs: [N, C, h, w] each -> [N].

    For pictures in [-1, 1] a pair gives 0 to 2. Meant for real pictures in the D turn (FastGAN, Liu et al., 2021,
    section 3.2), which compares with a perceptual distance instead: that needs downloaded weights.
    Raises ValueError without a pair.
    """
    if not pairs:
        raise ValueError("there is nothing to compare: give at least one pair of a decoded picture and its target")
    distances = [(decoded - target).abs().flatten(1).mean(dim=1) for decoded, target in pairs]  # [N] each
    return torch.stack(distances).sum(dim=0)
