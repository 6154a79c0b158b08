"""PatchGAN: a discriminator that judges each patch of a picture by itself (Isola et al., 2017, section 3.2.2).

4x4 convolutions C64-C128-C256-C512 and one to the logits: three of stride 2, then two of stride 1, LeakyReLU 0.2, a
norm but for the first and the last. A logit sees 70x70 pixels. Pictures below 64 pixels have fewer convolutions of
stride 2, so that there are some patches to judge: two see 34x34, one sees 16x16.

With several `scales` (pix2pixHD, Wang et al., 2018, section 3.3) as many such networks look at the picture, at half of
it, a quarter and so on, and `details` holds the maps of all layers for feature matching (their equation 4).

Conditional on a picture: give it the input's channels and the output's, one behind the other, as `channels`. Class
labels come in by projection on each place of the last map (Miyato and Koyama, 2018).

Norms: "instance" (CycleGAN, pix2pixHD; here with a gain and a bias), "spectral" (every layer; for the hinge
objective), "none" (for a penalty on gradients). pix2pix's BatchNorm, which would tie the logits of a picture to its
batch, is left out; by instance the count is the same. With 64 wide and three strided layers: 2,768,705 parameters for a
pair of RGB pictures, 2,765,633 for one (published code reports 2.769 M and 2.765 M).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.contract import Discriminator
from ganvas.networks.instance_norm import InstanceNorm
from ganvas.networks.norms import initialise_dcgan
from ganvas.networks.pix2pixhd import halved
from ganvas.networks.sizes import Size
from ganvas.networks.spectral import normalise_spectrally

PatchNorm = Literal["instance", "spectral", "none"]

STRIDED = 3
WIDEST = 8  # times the width of the first map
SMALLEST = 16  # pixels of the coarsest scale


class PatchDiscriminator(Discriminator):
    """images: [N, channels, H, W], labels: [N] or None -> logits [N, K] of K patches, those of all scales.

    width: of the first map; it doubles with each further layer up to 8 times as much. Raises ValueError where the
    coarsest scale would be smaller than 16 pixels.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        width: int = 64,
        classes: int = 0,
        norm: PatchNorm = "instance",
        scales: int = 1,
    ) -> None:
        super().__init__()
        self.scales = scales
        sides = sides_of_scales(min(resolution), scales)
        if sides[-1] < SMALLEST:
            raise ValueError(
                f"the coarsest of {scales} scales sees {sides[-1]} pixels of {resolution[0]}x{resolution[1]}, and a "
                f"PatchGAN needs {SMALLEST}: give fewer scales or larger pictures"
            )
        self.networks = nn.ModuleList(_Patches(side, channels, width, classes, norm) for side in sides)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """logits [N, K]; features [N, F], the mean of the finest scale's last map; see `contract.Layered` for the rest.

        The finest scale has the most patches, so a mean over all logits weighs it most: average "logits0", "logits1",
        ... one by one where each scale shall count alike, as in the paper.
        """
        found: dict[str, Tensor] = {}
        for scale, network in enumerate(self.networks):
            logits, maps = network(images, labels)
            found[f"logits{scale}"] = logits.flatten(1)
            found |= {f"map{scale}.{layer}": one for layer, one in enumerate(maps)}
            if scale == 0:
                found["features"] = maps[-1].mean(dim=(2, 3))
            if scale + 1 < self.scales:
                images = halved(images)
        logits = torch.cat([found[f"logits{scale}"] for scale in range(self.scales)], dim=1)
        return {"logits": logits, **found}


def maps_of(details: dict[str, Tensor]) -> list[Tensor]:
    """The maps of all layers and scales of what a layered discriminator saw, in a fixed order."""
    return [one for name, one in details.items() if name.startswith("map")]


def sides_of_scales(side: int, scales: int) -> list[int]:
    """The pixels that each scale sees of a side, the finest first."""
    sides = [side]
    for _ in range(scales - 1):
        sides.append((sides[-1] + 1) // 2)
    return sides


def strided_layers(side: int) -> int:
    """How many layers of stride 2 judge pictures of so many pixels: 3 from 64 on, 2 from 32 on, else 1."""
    return max(1, min(STRIDED, int(math.log2(side)) - 3))


class _Patches(nn.Module):
    """One PatchGAN: [N, C, H, W], labels [N] or None -> logits [N, 1, h, w], the maps of its layers."""

    def __init__(self, side: int, channels: int, width: int, classes: int, norm: PatchNorm) -> None:
        super().__init__()
        strided = strided_layers(side)
        widths = [channels, *(width * min(2**i, WIDEST) for i in range(strided + 1))]
        self.layers = nn.ModuleList()
        for i, (before, after) in enumerate(pairwise(widths)):
            normalised = norm == "instance" and i > 0
            stride = 2 if i < strided else 1
            layers: list[nn.Module] = [nn.Conv2d(before, after, 4, stride, padding=1, bias=not normalised)]
            if normalised:
                layers.append(InstanceNorm(after))
            self.layers.append(nn.Sequential(*layers, nn.LeakyReLU(0.2)))
        self.logit = nn.Conv2d(widths[-1], 1, 4, padding=1)
        self.embedding = nn.Embedding(classes, widths[-1]) if classes else None
        initialise_dcgan(self)
        if norm == "spectral":
            normalise_spectrally(self, nn.Conv2d)
        if self.embedding is not None:
            nn.init.zeros_(self.embedding.weight)

    def forward(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        maps = []
        x = images
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        logits = self.logit(x)
        if self.embedding is not None:
            if labels is None:
                raise ValueError(
                    f"this discriminator is conditional: give one of {self.embedding.num_embeddings} labels"
                )
            known = (self.embedding(labels)[:, :, None, None] * x).sum(dim=1, keepdim=True)  # [N, 1, h + 1, w + 1]
            logits = logits + F.avg_pool2d(known, 4, stride=1, padding=1)  # on the patch that the logit sees
        return logits, maps
