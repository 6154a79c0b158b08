"""Pictures and maps that go on behind their edges as in a mirror."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def with_edges(x: Tensor, padding: int) -> Tensor:
    """A mirrored edge on all four sides: [N, C, h, w] -> [N, C, h + 2 padding, w + 2 padding].

    A map that is no larger than the padding has too little to mirror; its last rows and columns are repeated.
    """
    if min(x.shape[2:]) <= padding:
        return F.pad(x, [padding] * 4, mode="replicate")
    return _reflected(x, padding, padding, padding, padding)


def mirrored(images: Tensor, multiple: int, at_least: int = 0) -> Tensor:
    """Pictures grown to the next multiples of a number of pixels by mirroring them at their right and lower edge.

    [N, C, H, W] -> [N, C, H', W'], each side `at_least` so many; as they are if they fit. A side of s pixels can be
    mirrored by s - 1 at most; what is still missing repeats the last row or column.
    """
    height, width = images.shape[2:]
    down, right = (max(-side % multiple, at_least - side) for side in (height, width))
    if not down and not right:
        return images
    mirrored_down, mirrored_right = min(down, height - 1), min(right, width - 1)
    images = _reflected(images, 0, mirrored_right, 0, mirrored_down)
    return F.pad(images, (0, right - mirrored_right, 0, down - mirrored_down), mode="replicate")


def _reflected(x: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    if x.is_cuda and torch.are_deterministic_algorithms_enabled():
        return reflected_in_order(x, left, right, top, bottom)
    return F.pad(x, (left, right, top, bottom), mode="reflect")


def reflected_in_order(x: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """The same of parts put together: PyTorch's own has gradients on a GPU that are summed in an order of chance."""
    width, height = x.shape[3], x.shape[2]
    x = torch.cat([x[:, :, :, 1 : 1 + left].flip(3), x, x[:, :, :, width - 1 - right : width - 1].flip(3)], dim=3)
    return torch.cat([x[:, :, 1 : 1 + top].flip(2), x, x[:, :, height - 1 - bottom : height - 1].flip(2)], dim=2)
