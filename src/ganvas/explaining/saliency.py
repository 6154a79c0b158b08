"""Where a discriminator looks, by its gradient: how much its logit would move if a pixel did."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Judge = Callable[[Tensor], Tensor]  # pictures [N, C, H, W] in [-1, 1] -> logits [N]

DRAWS = 16
NOISE = 0.2  # a tenth of the range of values, as the paper finds good
EDGE = 8  # the border is an eighth of each side wide
PLACES = 8  # along a side: in which of so many it looks is asked, since slopes of single pixels are mostly noise


def gradients(judge: Judge, images: Tensor) -> Tensor:
    """d logit / d pixel: [N, C, H, W] -> the same."""
    images = images.detach().requires_grad_(True)
    (found,) = torch.autograd.grad(judge(images).sum(), images)
    return found


def saliency(judge: Judge, images: Tensor) -> Tensor:
    """The largest slope of any channel at each pixel: [N, C, H, W] -> [N, H, W], 0 or more (Simonyan et al., 2014)."""
    return gradients(judge, images).abs().amax(1)


def smooth_saliency(
    judge: Judge, images: Tensor, draws: int = DRAWS, progress: Callable[[int, int], None] | None = None
) -> Tensor:
    """The same of the mean gradient over noisy copies: [N, C, H, W] -> [N, H, W] (SmoothGrad, Smilkov et al., 2017).

    The noise is N(0, 0.2) on values in [-1, 1], always of the same seed. `progress`: told (draws done, draws in all).
    """
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros_like(images)
    for draw in range(draws):
        noise = torch.randn(images.shape, generator=generator).to(images.device)
        total += gradients(judge, images + NOISE * noise)
        if progress is not None:
            progress(draw + 1, draws)
    return (total / draws).abs().amax(1)


def places(maps: Tensor) -> Tensor:
    """Means over at most 8x8 places of equal size: [N, H, W] -> [N, h, w]."""
    return F.adaptive_avg_pool2d(maps[:, None], (min(PLACES, maps.shape[1]), min(PLACES, maps.shape[2])))[:, 0]


def half_area_of_noise(channels: int, height: int, width: int) -> float:
    """`half_area` of the places of a gradient that is noise, alike everywhere: below 0.5, since chance is uneven."""
    noise = torch.randn(DRAWS, channels, height, width, generator=torch.Generator().manual_seed(0))
    return half_area(places(noise.abs().amax(1)))


def half_area(maps: Tensor) -> float:
    """The least share of the pixels that holds half of a map, mean over the maps: [N, H, W] -> (0, 0.5].

    0.5: all pixels count alike. Maps of zeros are left out; NaN if there is no other.
    """
    found = []
    for flat in maps.double().flatten(1):
        running = flat.sort(descending=True).values.cumsum(0)
        if running[-1] > 0:
            found.append((int((running < running[-1] / 2).sum()) + 1) / len(flat))
    return sum(found) / len(found) if found else math.nan


def border_share(maps: Tensor) -> tuple[float, float]:
    """(share of the maps that lies in the border, share of the area that the border is): [N, H, W]; NaN for zeros."""
    height, width = maps.shape[1:]
    down, across = height // EDGE, width // EDGE
    inner = maps[:, down : height - down, across : width - across].double().sum((1, 2))
    whole = maps.double().sum((1, 2))
    area = 1 - (height - 2 * down) * (width - 2 * across) / (height * width)
    there = whole > 0
    return float((1 - inner[there] / whole[there]).mean()) if bool(there.any()) else math.nan, area
