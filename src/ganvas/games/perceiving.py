"""How far apart pictures are to a network that has learned to see: what a painter can be held to, and judged by."""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.objectives.perceptual import perceptual_distance


def distance_seen_by(net: FeatureNet, painted: Tensor, targets: Tensor) -> Tensor:
    """In the network's maps, in float32: [N, C, H, W] in [-1, 1], twice -> [N]. Gradients go to `painted` alone."""
    with torch.autocast(painted.device.type, enabled=False):
        with torch.no_grad():
            wanted = net.maps(targets.float())
        return perceptual_distance(net.maps(painted.float()), wanted)
