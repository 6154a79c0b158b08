"""Smaller pictures by antialiased bicubic reduction, as Pillow and MATLAB's imresize do it.

The kernel is that of Keys (1981) with a = -0.5, stretched by the factor, so that each small pixel is a weighted mean of
4 times the factor of pixels along each axis. PyTorch's own bicubic without antialiasing (a = -0.75, four pixels however
strong the reduction) gives other pictures, on which a network learns to undo aliasing that real ones do not have.
Beside an edge the weights that are left are scaled up, as in Pillow; MATLAB mirrors the picture there.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def reduced(images: Tensor, factor: int) -> Tensor:
    """[N, C, H, W] in [-1, 1] -> [N, C, H / factor, W / factor], cut to [-1, 1] where the kernel overshoots.

    Not rounded to levels: a difference of at most half a level of 255, and none to pictures of 16 bits.
    """
    height, width = images.shape[2:]
    size = (height // factor, width // factor)
    return F.interpolate(images.float(), size=size, mode="bicubic", antialias=True).clamp_(-1, 1)
