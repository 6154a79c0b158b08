"""How a painter that halves its maps takes pictures of any size."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


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
    images = F.pad(images, (0, mirrored_right, 0, mirrored_down), mode="reflect")
    return F.pad(images, (0, right - mirrored_right, 0, down - mirrored_down), mode="replicate")
