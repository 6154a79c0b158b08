"""Small real networks as trained models are: what applying is tested with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    in_channels: int = 3
    out_channels: int = 3
    scale: int = 1
    multiple: int = 1
    reach: int = 0
    masked: bool = False
    direction: str = ""
    keypoints: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()


class StandIn:
    """A model that paints by a plain function of tensors. `sizes` keeps what it was given."""

    device = torch.device("cpu")

    def __init__(self, config: Config, function: Callable[..., Tensor], name: str = "stand-in") -> None:
        self.config, self.hash, self._function = config, f"hash of {name}", function
        self.sizes: list[tuple[int, ...]] = []

    def paint(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        self.sizes.append(tuple(images.shape))
        with torch.inference_mode():
            return self._function(images) if labels is None else self._function(images, labels)


def identity(channels: int = 3) -> StandIn:
    return StandIn(Config(channels, channels), lambda x: x, f"identity {channels}")


def negative(channels: int = 3) -> StandIn:
    return StandIn(Config(channels, channels), lambda x: -x, f"negative {channels}")


def nearest(scale: int, channels: int = 3) -> StandIn:
    """Repeats pixels."""
    config = Config(channels, channels, scale=scale)
    return StandIn(config, lambda x: F.interpolate(x, scale_factor=scale, mode="nearest"), f"nearest {scale}")


def grey_to_colour() -> StandIn:
    return StandIn(Config(1, 3), lambda x: torch.cat([x, -x, x * 0], dim=1), "grey to colour")


def filling() -> StandIn:
    """Paints everything white, and asks to be given holes as zeros."""

    def paint(x: Tensor) -> Tensor:
        picture, mask = x[:, :-1], x[:, -1:]
        assert (picture * mask == 0).all()
        assert ((mask == 0) | (mask == 1)).all()
        return torch.ones_like(picture)

    return StandIn(Config(4, 3, masked=True), paint, "filling")


def convolutions(depth: int = 3, *, scale: int = 1, stride: int = 1, seed: int = 0) -> StandIn:
    """A random network whose reach is known: `depth` layers of 3x3, between halving and enlarging.

    Weights are such that the contrast of a picture stays about what it was.
    """
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 2 * stride - 1, stride, stride - 1)]
    for _ in range(depth):
        layers += [nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1)]
    layers += [nn.Conv2d(16, 3 * (scale * stride) ** 2, 1), nn.PixelShuffle(scale * stride)]
    network = nn.Sequential(*layers).eval()
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    reach = depth * stride + 2 * (stride - 1)
    return StandIn(Config(scale=scale, multiple=stride, reach=reach), lambda x: network(x).tanh(), "convolutions")


def normalised(depth: int = 4) -> StandIn:
    """A residual network with instance normalisation: every pixel depends on the whole picture, through tone."""
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 3, 3, padding=1)
    blocks = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(depth))

    def paint(x: Tensor) -> Tensor:
        y = F.relu(F.instance_norm(first(x)))
        for block in blocks:
            y = y + 0.5 * F.relu(F.instance_norm(block(y)))
        return (x + 0.3 * last(y)).clamp(-1, 1)

    return StandIn(Config(reach=-1), paint, "normalised")
