"""The families of networks by name, and how a G and a D of one are built from settings."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ganvas.errors import GanvasError
from ganvas.networks.dcgan import DcganDiscriminator, DcganGenerator
from ganvas.networks.dcgan5 import Dcgan5Discriminator, Dcgan5Generator
from ganvas.networks.fast import FastDiscriminator, FastGenerator
from ganvas.networks.mlp import MlpDiscriminator, MlpGenerator
from ganvas.networks.sizes import Size


@dataclass(frozen=True)
class Family:
    """A generator and a discriminator that were made for each other, and the sides in pixels they can do."""

    Generator: type[nn.Module]
    Discriminator: type[nn.Module]
    smallest: int
    largest: int
    d_norms: tuple[str, ...] = ("none",)


NETWORKS: dict[str, Family] = {
    "mlp": Family(MlpGenerator, MlpDiscriminator, smallest=4, largest=64),
    "dcgan": Family(DcganGenerator, DcganDiscriminator, 8, 512, d_norms=("batch", "none", "spectral")),
    "dcgan5": Family(Dcgan5Generator, Dcgan5Discriminator, 8, 128, d_norms=("batch", "none", "spectral")),
    "fast": Family(FastGenerator, FastDiscriminator, 8, 128),
}


def check_size(network: str, resolution: Size) -> None:
    """Raise GanvasError, naming the sizes that can be done, where a family cannot make pictures of this size."""
    family = NETWORKS[network]
    if not all(family.smallest <= side <= family.largest for side in resolution):
        able = [name for name, f in NETWORKS.items() if all(f.smallest <= side <= f.largest for side in resolution)]
        other = f", or use another network: {', '.join(able)}" if able else ""
        raise GanvasError(
            f"the network '{network}' cannot make pictures of {resolution[0]}x{resolution[1]}: every side must lie "
            f"in {family.smallest} to {family.largest} pixels (square or not). Give --resolution{other}"
        )


def build_generator(
    network: str, *, resolution: Size, channels: int, z_dim: int, width: int, classes: int
) -> nn.Module:
    """A fresh generator: [N, z_dim], labels [N] -> [N, channels, *resolution] in [-1, 1]."""
    check_size(network, resolution)
    return NETWORKS[network].Generator(
        resolution=resolution, channels=channels, z_dim=z_dim, width=width, classes=classes
    )


def build_discriminator(
    network: str, *, resolution: Size, channels: int, width: int, classes: int, norm: str
) -> nn.Module:
    """A fresh discriminator: [N, channels, *resolution], labels [N] -> logits [N]."""
    check_size(network, resolution)
    family = NETWORKS[network]
    if norm not in family.d_norms:
        raise GanvasError(
            f"the discriminator of '{network}' has no norm '{norm}': give --d-norm {' or '.join(family.d_norms)}"
        )
    arguments = {"norm": norm} if len(family.d_norms) > 1 else {}
    return family.Discriminator(resolution=resolution, channels=channels, width=width, classes=classes, **arguments)
