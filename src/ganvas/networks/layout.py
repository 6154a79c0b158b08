"""Between vectors and feature maps without copying: both sides keep channels last in memory.

On a CPU convolutions run 1.1 to 1.5 times as fast on channels-last tensors; a dense layer that begins or ends in
another order would be copied at every step.
"""

from __future__ import annotations

import math

from torch import Tensor

from ganvas.networks.sizes import Size


def to_map(vectors: Tensor, size: Size) -> Tensor:
    """[N, H * W * C] -> [N, C, H, W], channels last in memory."""
    return vectors.view(len(vectors), *size, vectors.shape[1] // math.prod(size)).permute(0, 3, 1, 2)


def to_vectors(maps: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, H * W * C]: undoes `to_map`."""
    return maps.permute(0, 2, 3, 1).flatten(1)
