"""Where a discriminator looks, by hiding: how its logit changes when a grey patch covers a place.

Zeiler and Fergus (2014, section 4.2). Unlike a gradient it says what a whole part of the picture is worth.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganvas.explaining.saliency import Judge

GREY = 0.0  # the middle of [-1, 1]
PATCHES = 8  # fit along a side


def patch_size(height: int, width: int) -> tuple[int, int]:
    """An eighth of each side, at least a pixel."""
    return max(1, round(height / PATCHES)), max(1, round(width / PATCHES))


def occlusion(
    judge: Judge,
    images: Tensor,
    patch: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """What each place adds to the logit: [N, C, H, W] -> maps [N, H, W] and, of each patch alone, changes [N, P].

    A map is at each pixel the mean over the patches that cover it. Above 0: with the place hidden the picture looks
    less real to D. `patch`: (height, width), slid by half its size.
    All pictures of the batch are hidden at one place together, so that a D which compares neighbours sees none of them
    whole. `progress`: told (places done, places in all).
    """
    height, width = images.shape[2:]
    down, across = patch or patch_size(height, width)
    places = [(top, left) for top in _starts(height, down) for left in _starts(width, across)]
    total, covered, changes = torch.zeros(len(images), height, width), torch.zeros(height, width), []
    with torch.no_grad():
        whole = judge(images).cpu()
        for done, (top, left) in enumerate(places, start=1):
            hidden = images.clone()
            hidden[:, :, top : top + down, left : left + across] = GREY
            place = slice(top, top + down), slice(left, left + across)
            changes.append((whole - judge(hidden).cpu()).float())
            total[:, place[0], place[1]] += changes[-1][:, None, None]
            covered[place] += 1
            if progress is not None:
                progress(done, len(places))
    return total / covered, torch.stack(changes, dim=1)


def _starts(side: int, patch: int) -> list[int]:
    """Where a patch begins so that, half a patch apart, all of the side is covered."""
    return [*range(0, side - patch, (patch + 1) // 2), side - patch]
