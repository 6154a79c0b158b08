"""The families of networks by name, and how a G and a D of one are built from settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from ganvas.errors import GanvasError, UsageError
from ganvas.networks.acgan import AcganDiscriminator, AcganGenerator
from ganvas.networks.biggan import BigganDiscriminator, BigganGenerator
from ganvas.networks.contract import Discriminator, Generator
from ganvas.networks.dcgan import DcganDiscriminator, DcganGenerator
from ganvas.networks.dcgan5 import Dcgan5Discriminator, Dcgan5Generator
from ganvas.networks.fast import FastDiscriminator, FastGenerator
from ganvas.networks.fastgan import FastganDiscriminator, FastganGenerator
from ganvas.networks.infogan import InfoganDiscriminator, InfoganGenerator
from ganvas.networks.mlp import MlpDiscriminator, MlpGenerator
from ganvas.networks.options import read_options
from ganvas.networks.progressive import ProgressiveDiscriminator, ProgressiveGenerator
from ganvas.networks.projected import ProjectedDiscriminator, ProjectedGenerator
from ganvas.networks.r3gan import R3ganDiscriminator, R3ganGenerator
from ganvas.networks.sagan import SaganDiscriminator, SaganGenerator
from ganvas.networks.sizes import Size
from ganvas.networks.sngan import SnganDiscriminator, SnganGenerator
from ganvas.networks.stylegan2 import Stylegan2Discriminator, Stylegan2Generator
from ganvas.networks.stylegan3 import Stylegan3Generator
from ganvas.networks.transformer import TransformerDiscriminator, TransformerGenerator

DCGAN_NORMS = ("batch", "none", "spectral")


@dataclass(frozen=True)
class Family:
    """A generator and a discriminator that were made for each other, and the sides in pixels they can do.

    capped: whether `max_width` is a matter of theirs. labels: what they need or cannot use. looks_through: whether D
    looks through the features of a network that has learned to see.
    """

    Generator: type[Generator]
    Discriminator: type[Discriminator]
    smallest: int
    largest: int
    d_norms: tuple[str, ...] = ("none",)
    capped: bool = True
    labels: Literal["optional", "needed", "unused"] = "optional"
    looks_through: bool = False


NETWORKS: dict[str, Family] = {
    "mlp": Family(MlpGenerator, MlpDiscriminator, smallest=4, largest=64, capped=False),
    "dcgan": Family(DcganGenerator, DcganDiscriminator, 8, 512, DCGAN_NORMS, capped=False),
    "dcgan5": Family(Dcgan5Generator, Dcgan5Discriminator, 8, 128, DCGAN_NORMS, capped=False),
    "fast": Family(FastGenerator, FastDiscriminator, 8, 128, capped=False),
    "sngan": Family(SnganGenerator, SnganDiscriminator, 8, 512, ("spectral",)),
    "sagan": Family(SaganGenerator, SaganDiscriminator, 8, 512, ("spectral",)),
    "biggan": Family(BigganGenerator, BigganDiscriminator, 8, 512, ("spectral",)),
    "progressive": Family(ProgressiveGenerator, ProgressiveDiscriminator, 8, 1024),
    "stylegan2": Family(Stylegan2Generator, Stylegan2Discriminator, 8, 1024),
    "stylegan3": Family(Stylegan3Generator, Stylegan2Discriminator, 16, 1024),
    "fastgan": Family(FastganGenerator, FastganDiscriminator, 8, 1024, ("spectral",)),
    "r3gan": Family(R3ganGenerator, R3ganDiscriminator, 8, 1024),
    "projected": Family(ProjectedGenerator, ProjectedDiscriminator, 8, 1024, ("spectral",), looks_through=True),
    "transformer": Family(TransformerGenerator, TransformerDiscriminator, 8, 512),
    "infogan": Family(InfoganGenerator, InfoganDiscriminator, 8, 512, ("none", "spectral"), labels="unused"),
    "acgan": Family(AcganGenerator, AcganDiscriminator, 8, 512, ("none", "spectral"), labels="needed"),
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
    network: str,
    *,
    resolution: Size,
    channels: int,
    z_dim: int,
    width: int,
    classes: int,
    max_width: int | None = None,
    options: Sequence[str] = (),
) -> Generator:
    """A fresh generator: [N, z_dim], labels [N] -> [N, channels, *resolution] about [-1, 1].

    options: words such as "attention=32", for what only this family knows. Raises UsageError if it does not know them.
    """
    check_size(network, resolution)
    shape = {"resolution": resolution, "channels": channels, "z_dim": z_dim, "width": width, "classes": classes}
    built: Generator = _build(network, NETWORKS[network].Generator, {**shape, **_cap(network, max_width)}, options)
    return built


def build_discriminator(
    network: str,
    *,
    resolution: Size,
    channels: int,
    width: int,
    classes: int,
    norm: str,
    max_width: int | None = None,
    features: nn.Module | None = None,
    options: Sequence[str] = (),
) -> Discriminator:
    """A fresh discriminator: [N, channels, *resolution], labels [N] -> logits [N] or [N, K].

    features: what a family looks through that looks through something. options: as for the generator.
    """
    check_size(network, resolution)
    family = NETWORKS[network]
    if norm not in family.d_norms:
        raise GanvasError(
            f"the discriminator of '{network}' has no norm '{norm}': give --d-norm {' or '.join(family.d_norms)}"
        )
    arguments: dict[str, Any] = {"norm": norm} if len(family.d_norms) > 1 else {}
    if family.looks_through:
        arguments["features"] = features
    shape = {"resolution": resolution, "channels": channels, "width": width, "classes": classes}
    built: Discriminator = _build(
        network, family.Discriminator, {**shape, **arguments, **_cap(network, max_width)}, options
    )
    return built


def _build(network: str, constructor: type[Any], arguments: dict[str, Any], options: Sequence[str]) -> Any:
    family = NETWORKS[network]
    own = read_options(network, options, (family.Generator, family.Discriminator), constructor)
    try:
        return constructor(**arguments, **own)
    except ValueError as error:
        if not own:
            raise
        raise UsageError(f"--network-options {','.join(options)}: {error}") from None


def _cap(network: str, max_width: int | None) -> dict[str, Any]:
    if max_width is None:
        return {}
    if not NETWORKS[network].capped:
        raise UsageError(f"--max-width: the network '{network}' has none, its layers follow from --width. Leave it out")
    return {"max_width": max_width}
