"""Weights for Inception v3 that anyone can draw again, by their published names, and pictures to go with them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganvas.evaluation.backbones.inception import Inception
from ganvas.evaluation.backbones.inception_names import PUBLISHED


def published_weights() -> dict[str, Tensor]:
    """All 472: kernels that keep the variance, statistics that vary."""
    rng = np.random.default_rng(0)
    shapes = {name: tuple(value.shape) for name, value in Inception().state_dict().items()}
    weights = {}
    for name, ours in PUBLISHED.items():
        shape = shapes[ours]
        if len(shape) > 1:
            value = rng.standard_normal(shape, np.float32) * np.float32((2 / np.prod(shape[1:])) ** 0.5)
        elif name.endswith(("bn.weight", "running_var")):
            value = np.float32(0.5) + rng.random(shape, np.float32)
        else:
            value = np.float32(0.2) * rng.standard_normal(shape, np.float32)
        weights[name] = torch.from_numpy(value)
    return weights


def two_pictures() -> np.ndarray:
    """[2, 3, 24, 40] uint8."""
    return np.random.default_rng(1).integers(0, 256, (2, 3, 24, 40), np.uint8)
