"""How far apart pictures are to a network that has learned to see: what a painter can be held to, and judged by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.objectives.perceptual import feature_difference, perceptual_distance


def distance_seen_by(net: FeatureNet, painted: Tensor, targets: Tensor) -> Tensor:
    """In the network's maps, in float32: [N, C, H, W] in [-1, 1], twice -> [N]. Gradients go to `painted` alone."""
    with torch.autocast(painted.device.type, enabled=False):
        with torch.no_grad():
            wanted = net.maps(targets.float())
        return perceptual_distance(net.maps(painted.float()), wanted)


class Perceiver(nn.Module):
    """A network of others by whose maps pictures are compared.

    net: [N, C, H, W] in [-1, 1] -> maps [N, F, ...], one or several; it stands still. weights: of each. name, sha256:
    what it is called and the hash of its weights, which a run writes down.
    """

    def __init__(self, net: nn.Module, weights: Sequence[float], name: str, sha256: str) -> None:
        super().__init__()
        self.net = net.eval().requires_grad_(False)
        self.weights, self.name, self.sha256 = tuple(weights), name, sha256

    def maps(self, images: Tensor) -> Sequence[Tensor]:
        """What the network gives, as several maps."""
        given = self.net(images)
        return (given,) if isinstance(given, Tensor) else tuple(given)

    def forward(self, painted: Tensor, targets: Tensor) -> Tensor:
        """In float32: [N, C, H, W] in [-1, 1], twice -> [N]. Gradients go to `painted` alone."""
        with torch.autocast(painted.device.type, enabled=False):
            with torch.no_grad():
                wanted = self.maps(targets.float())
            return feature_difference(self.maps(painted.float()), wanted, self.weights)
