"""How far apart two pictures are in the maps of a network that has learned to see.

Which network is the caller's choice: one trained on the user's own data, or any module that gives maps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NEARLY_ZERO = 1e-5  # added to the length of a map's vector, which may be 0 behind a ReLU


def perceptual_distance(maps_a: Sequence[Tensor], maps_b: Sequence[Tensor]) -> Tensor:
    """Squared distance of the directions at each place, mean over places and layers: [N, F_i, h_i, w_i] twice -> [N].

    At each place the features are brought to length 1 (Zhang et al., 2018, "The Unreasonable Effectiveness of Deep
    Features as a Perceptual Metric", equation 1, with all weights 1), so that each layer gives 0 to 4, and 0 to 2
    behind a ReLU, however strong its features are. Compute the maps of targets without gradient. Raises ValueError
    without a layer.
    """
    if not maps_a:
        raise ValueError("there is nothing to compare: give the maps of at least one layer")
    distances = []
    for a, b in zip(maps_a, maps_b, strict=True):
        difference = _directions(a) - _directions(b)
        distances.append(difference.square().sum(dim=1).mean(dim=(1, 2)))  # [N]
    return torch.stack(distances).mean(dim=0)


def feature_difference(maps_a: Sequence[Tensor], maps_b: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Mean absolute difference of each layer's maps, weighted and summed: [N, F_i, ...] twice -> [N].

    The perceptual loss of ESRGAN (Wang et al., 2018, section 3.3; Johnson et al., 2016, took squares): how strong a
    feature is counts. Compute the maps of targets without gradient. Raises ValueError unless there is a weight a layer.
    """
    layers = zip(maps_a, maps_b, weights, strict=True)
    return torch.stack([weight * (a - b).abs().flatten(1).mean(1) for a, b, weight in layers]).sum(dim=0)


def _directions(maps: Tensor) -> Tensor:
    maps = maps.float()
    # Not the norm itself: its gradient at 0 is not a number.
    length = (maps.square().sum(dim=1, keepdim=True) + NEARLY_ZERO**2).sqrt()
    return maps / length
