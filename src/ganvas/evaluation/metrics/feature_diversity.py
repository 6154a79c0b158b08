"""How unlike the pictures of one set are, by the feature maps of a network: the distance that LPIPS is.

LPIPS itself is this distance in AlexNet or VGG with weights learned from people (Zhang et al., 2018); in another
network it is a number of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.feature_training import load
from ganvas.evaluation.metrics.pairs import PairMean, mean_over_pairs
from ganvas.evaluation.metrics.pictures import checked_pictures
from ganvas.images import Integers

Maps = Callable[[Tensor], Sequence[Tensor]]  # [N, C, H, W] float in [-1, 1] -> feature maps, [N, C_l, h_l, w_l] each

TINY = 1e-10  # added to the length of a pixel's features, which may be all 0


def map_distance(a: Sequence[Tensor], b: Sequence[Tensor], weights: Sequence[Tensor] | None = None) -> Tensor:
    """Perceptual distance from feature maps (Zhang et al., 2018, equation 1): lists of [N, C_l, h_l, w_l] -> [N].

    At each place the features are scaled to length 1; the squared differences are added up over channels, times
    `weights` [C_l] where given, averaged over places and added up over layers. Float64. Raises ValueError for maps of
    different shapes or values that are not finite.
    """
    if len(a) != len(b) or (weights is not None and len(weights) != len(a)):
        given = "no" if weights is None else len(weights)
        raise ValueError(f"{len(a)} and {len(b)} feature maps with {given} weights: give as many of each")
    if not a:
        raise ValueError("no feature maps were given, expected at least one: choose a network that has layers")
    total = torch.zeros(len(a[0]), dtype=torch.float64, device=a[0].device)
    for layer, (x, y) in enumerate(zip(a, b, strict=True)):
        if x.ndim != 4 or x.shape != y.shape:
            raise ValueError(f"feature maps of shapes {list(x.shape)} and {list(y.shape)}: use one network for both")
        squared = (_unit(x.to(torch.float64)) - _unit(y.to(torch.float64))).square()
        if weights is not None:
            squared = squared * weights[layer].to(squared).view(1, -1, 1, 1)
        total = total + squared.sum(1).mean((1, 2))
    if not bool(torch.isfinite(total).all()):
        raise ValueError("the feature maps hold NaN or infinite values, expected finite ones: check the network")
    return total


def feature_diversity(
    images: Integers,
    maps: Maps,
    labels: NDArray[np.int64] | None = None,
    *,
    weights: Sequence[Tensor] | None = None,
    pairs: int = 1000,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> PairMean:
    """Mean distance of random pairs: [N, C, H, W] uint8 or uint16, and classes [N] -> within each class, else of all.

    `pairs`: of each class. The higher, the more diverse; 0 if all pictures are the same. Raises ValueError if no two
    pictures can be paired, or as `map_distance`.
    """
    checked_pictures("the set", images, at_least=2)

    def compare(first: NDArray[np.int64], second: NDArray[np.int64]) -> Tensor:
        with torch.inference_mode():
            a, b = maps(load(images, first, device)), maps(load(images, second, device))
            return map_distance(a, b, weights).cpu()

    return mean_over_pairs(len(images), labels, compare, pairs=pairs, seed=seed)


def maps_of(net: FeatureNet) -> Maps:
    """The maps after each ReLU of the network that was trained on the user's own pictures."""

    def maps(x: Tensor) -> list[Tensor]:
        found = []
        x = (net.reduce(x) - net.mean) / net.std
        for layer in net.trunk:
            x = layer(x)
            if isinstance(layer, torch.nn.ReLU):
                found.append(x)
        return found

    return maps


def _unit(x: Tensor) -> Tensor:
    """Each place's features over their length: [N, C, h, w] -> alike."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + TINY)
