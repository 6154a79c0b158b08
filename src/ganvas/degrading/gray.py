"""Colour pictures without their colour."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's mode L


def without_colour(images: Tensor) -> Tensor:
    """[N, 3, H, W] in [-1, 1] -> its brightness, three times: [N, 3, H, W], so that a painter may start from it."""
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1).contiguous()
