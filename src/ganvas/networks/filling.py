"""Holes filled smoothly from their edges, where a painter of holes begins.

The filling is that of a soap film (the harmonic one: each pixel is the mean of its four neighbours), found from coarse
to fine: known pixels are averaged on smaller and smaller grids, and what is unknown on one grid comes from the next
coarser one and is relaxed there a few times (cascadic multigrid, Bornemann and Deuflhard, 1996).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

RELAXED = 4  # times on each grid


def filled_smoothly(images: Tensor, mask: Tensor) -> Tensor:
    """[N, C, H, W], mask [N, 1, H, W] with 1 in the hole -> [N, C, H, W] float32; as given outside of the hole.

    A picture that is all hole becomes 0.
    """
    with torch.autocast(images.device.type, enabled=False):
        known = 1 - mask.float()
        return _filled(images.float() * known, known)


def _filled(images: Tensor, known: Tensor) -> Tensor:
    height, width = images.shape[2:]
    if max(height, width) == 1:
        return images
    # Twice two pixels become one: the mean of those that are known; odd sides end in a pixel that stands alone.
    pad = (0, width % 2, 0, height % 2)
    share = F.avg_pool2d(F.pad(known, pad), 2)
    means = F.avg_pool2d(F.pad(images, pad), 2) / share.clamp(min=1e-6)
    there = (share > 0).float()
    coarse = _filled(means * there, there)
    guess = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    x = torch.lerp(guess, images, known)
    for _ in range(RELAXED):
        edged = F.pad(x, (1, 1, 1, 1), mode="replicate")
        around = edged[:, :, :-2, 1:-1] + edged[:, :, 2:, 1:-1] + edged[:, :, 1:-1, :-2] + edged[:, :, 1:-1, 2:]
        x = torch.lerp(around / 4, images, known)
    return x
