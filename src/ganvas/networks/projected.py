"""Projected GAN (Sauer et al., 2021): D looks through the fixed features of a network that has learned to see.

Section 3.2: maps of several sizes from a trained network, mixed across channels by random 1x1 convolutions and across
sizes by random 3x3 convolutions from the smallest map up, neither of them ever trained; one small discriminator with
spectral norm for each size, all of which end at the same map size; no gradient penalty. The images are augmented
before they are looked at, reals and fakes alike. G is that of FastGAN.

Which network looks is the user's choice: any module with `feature_maps(images) -> [finest, ..., coarsest]`, or an
`nn.Sequential`, whose last map of each size is taken. `SequentialMaps.of_feature_net` takes the network that a judge
trains on the data. Beware of judging with the network that D looked through: its distances flatter this G.

Left out or changed: below 256 pixels, which is smaller than any of the paper, a discriminator judges the whole of its
last map by one logit and not each place of it, so that it knows where things are; no trained network is supplied, so
none of the published numbers can be expected of a network trained on the same pictures; a map is divided by its root
mean square on smooth noise, so that features of any scale begin alike; no BatchNorm in D (see
`ganvas.networks.fastgan`), with a gain in its place.

Every side from 8 pixels up, square or not, that the feature network can do.
"""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import Projection
from ganvas.networks.contract import Discriminator
from ganvas.networks.fastgan import PUBLISHED_FROM, FastganGenerator
from ganvas.networks.sizes import Size, doublings
from ganvas.networks.spectral import normalise_spectrally

LAST = 4  # the largest side of the map of logits
GAIN = 2.0  # against what spectral norm and LeakyReLU take from the signal

ProjectedGenerator = FastganGenerator

M = TypeVar("M", bound=nn.Module)


class ProjectedDiscriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N, K]: a map of judgements for each size of features.

    features: the network to look through; it is copied, and the copy neither learns nor leaves evaluation mode, but
    stands in `state_dict`. Gradients pass through it to the images. It sees images in [-1, 1]. width: channels of the
    finest map after mixing; coarser maps and deeper layers double it up to `max_width`.
    Raises ValueError without `features`, or if they cannot look at such pictures.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int,
        classes: int = 0,
        max_width: int = 512,
        features: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if features is None:
            raise ValueError(
                "a projected discriminator looks through a network that has learned to see, and there is none: give "
                "features=, a module with feature_maps(images) or an nn.Sequential, trained on these or other pictures"
            )
        self.mixed = MixedMaps(features, resolution, channels, width, max_width)
        whole = self.mixed.last if min(resolution) < PUBLISHED_FROM else None
        heads = [
            _Head(before, halvings, max_width, whole)
            for before, halvings in zip(self.mixed.widths, self.mixed.halvings, strict=True)
        ]
        self.heads = nn.ModuleList(heads)
        normalise_spectrally(self.heads, nn.Conv2d)
        self.projection = Projection(classes, sum(head.width for head in heads))

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        seen = [head(x) for head, x in zip(self.heads, self.mixed(images), strict=True)]
        features = torch.cat([pooled for pooled, _ in seen], dim=1)
        logits = torch.cat([logits for _, logits in seen], dim=1) + self.projection(features, labels)[:, None]
        return {"logits": logits, "features": features}


class MixedMaps(nn.Module):
    """Maps of a fixed network, mixed at random across channels and sizes: [N, C, H, W] -> [N, widths[i], ...] each.

    Map i is 2 ** halvings[i] times as large as the map of logits, to which it is resized where it is not.
    """

    scales: Tensor

    def __init__(self, features: nn.Module, resolution: Size, channels: int, width: int, max_width: int) -> None:
        super().__init__()
        self.features = fixed(features if hasattr(features, "feature_maps") else _sequential(features))
        maps = _maps_of_noise(self.features, resolution, channels)
        self.widths = [min(width * 2**i, max_width) for i in range(len(maps))]
        found: list[Size] = [(x.shape[2], x.shape[3]) for x in maps]
        self.last = doublings(found[-1], start=min(LAST, *found[-1]))[0]
        self.halvings = [len(doublings(size, start=min(self.last))) - 1 for size in found]
        self.register_buffer("scales", torch.stack([x.square().mean().sqrt().clamp_min(1e-6) for x in maps]))
        across_channels = [_random_mix(x.shape[1], wide, 1) for x, wide in zip(maps, self.widths, strict=True)]
        across_sizes = [_random_mix(coarse, fine, 3) for fine, coarse in pairwise(self.widths)]
        self.across_channels = fixed(nn.ModuleList(across_channels))
        self.across_sizes = fixed(nn.ModuleList(across_sizes))
        self.eval()

    def train(self, mode: bool = True) -> MixedMaps:
        """Stays in evaluation: with BatchNorm and dropout of training it would see with other eyes while D learns."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.features.feature_maps(images)  # type: ignore[operator]
        found = [x / scale for x, scale in zip(maps, self.scales, strict=True)]
        own = [mix(x) for mix, x in zip(self.across_channels, found, strict=True)]
        mixed = [_resized(own[-1], self._size(-1))]
        for i in reversed(range(len(own) - 1)):
            size = self._size(i)
            from_below = self.across_sizes[i](_resized(mixed[0], size))
            mixed.insert(0, (_resized(own[i], size) + from_below) / math.sqrt(2))  # as large as each alone
        return mixed

    def _size(self, i: int) -> Size:
        height, width = self.last
        return height * 2 ** self.halvings[i], width * 2 ** self.halvings[i]


class SequentialMaps(nn.Module):
    """A chain of layers as a feature network: its last map of each size, up to the first layer that gives no map.

    size: pictures are averaged or stretched to it first. mean, std: [1, C, 1, 1], what pictures in [-1, 1] are
    standardised by; as the layers were trained.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, layers: nn.Sequential, size: Size | None = None, mean: Tensor | None = None, std: Tensor | None = None
    ) -> None:
        super().__init__()
        self.layers, self.size = layers, size
        self.register_buffer("mean", torch.zeros(1, 1, 1, 1) if mean is None else mean.detach().clone())
        self.register_buffer("std", torch.ones(1, 1, 1, 1) if std is None else std.detach().clone())

    @classmethod
    def of_feature_net(cls, net: FeatureNetLike) -> SequentialMaps:
        """The network that a judge trains on the data, such as `ganvas.evaluation.feature_net.FeatureNet`."""
        return cls(net.trunk, (net.height, net.width), net.mean, net.std)

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """[N, C, H, W] in [-1, 1] -> one map [N, C_i, H_i, W_i] for each size, finest first."""
        if self.size is not None and images.shape[2:] != self.size:
            smaller = self.size[0] <= images.shape[2] and self.size[1] <= images.shape[3]
            images = F.interpolate(images, self.size, mode="area" if smaller else "bilinear")
        x = (images - self.mean) / self.std
        maps: list[Tensor] = []
        for layer in self.layers:
            x = layer(x)
            if x.ndim != 4:
                break
            if maps and maps[-1].shape[2:] == x.shape[2:]:
                maps.pop()
            maps.append(x)
        return maps


class FeatureNetLike(Protocol):
    """What `SequentialMaps.of_feature_net` reads of a network: pictures are averaged to height x width first."""

    trunk: nn.Sequential
    height: int
    width: int
    mean: Tensor
    std: Tensor


def fixed(network: M) -> M:
    """A copy that cannot learn, in evaluation mode: its parameters are buffers, which no optimiser or penalty finds."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach().clone())
    return network


class _Head(nn.Module):
    """The discriminator of one map: [N, before, h, w] -> features [N, width] and logits [N, K].

    whole: the size of the last map, if one logit is to judge all of it; None for one at each place.
    """

    def __init__(self, before: int, halvings: int, max_width: int, whole: Size | None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(halvings):
            after = min(2 * before, max(max_width, before))
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), _Activation()]
            before = after
        layers += [nn.Conv2d(before, before, 3, padding=1), _Activation()]
        self.layers = nn.Sequential(*layers)
        self.logits = nn.Conv2d(before, 1, 3, padding=1) if whole is None else nn.Conv2d(before, 1, whole)
        self.width = before

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layers(x)
        return x.mean(dim=(2, 3)), self.logits(x).flatten(1)


class _Activation(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return GAIN * F.leaky_relu(x, 0.2)


def _random_mix(before: int, after: int, kernel: int) -> nn.Conv2d:
    """A convolution whose random weights keep the mean square of its input (Kaiming initialisation)."""
    mix = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(mix.weight, nonlinearity="linear")
    return mix


def _resized(x: Tensor, size: Size) -> Tensor:
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear")


def _sequential(features: nn.Module) -> SequentialMaps:
    if not isinstance(features, nn.Sequential):
        raise ValueError(
            f"{type(features).__name__} does not say where its features are: give it a method feature_maps(images) "
            "that returns maps [N, C, H, W], finest first, or give an nn.Sequential"
        )
    return SequentialMaps(features)


@torch.no_grad()
def _maps_of_noise(features: nn.Module, resolution: Size, channels: int) -> list[Tensor]:
    """The maps of four smooth random pictures, checked. Raises ValueError in words."""
    what = f"{channels} channels of {resolution[0]}x{resolution[1]} pixels"
    coarse = torch.rand(4, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = F.interpolate(2 * coarse - 1, resolution, mode="bilinear")
    try:
        maps: list[Tensor] = features.feature_maps(noise)  # type: ignore[operator]
    except RuntimeError as error:
        raise ValueError(f"the feature network cannot look at {what}: {error}") from error
    sizes = [tuple(x.shape[2:]) for x in maps if x.ndim == 4]
    if not maps or len(sizes) < len(maps) or any(a <= b for a, b in pairwise(sizes)):
        raise ValueError(
            f"the feature network gives maps of {[tuple(x.shape) for x in maps]} for 4 pictures with {what}; expected "
            "are maps [N, C, H, W] of falling size, finest first"
        )
    return maps
