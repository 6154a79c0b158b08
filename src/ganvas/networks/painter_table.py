"""The families of painters by name, and how a painter and the discriminator of its pictures are built from settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganvas.errors import GanvasError, UsageError
from ganvas.networks.contract import Painter
from ganvas.networks.fourier import FourierPainter
from ganvas.networks.msrresnet import MsrresnetPainter
from ganvas.networks.options import read_options
from ganvas.networks.patch_discriminator import SMALLEST, PatchDiscriminator, PatchNorm, sides_of_scales
from ganvas.networks.pix2pixhd import Pix2pixhdPainter
from ganvas.networks.resnet_painter import ResnetPainter
from ganvas.networks.restore_unet import RestoreUnetPainter
from ganvas.networks.rrdb import RrdbPainter
from ganvas.networks.sizes import Size
from ganvas.networks.srresnet import SrresnetPainter
from ganvas.networks.srvgg import SrvggPainter
from ganvas.networks.unet import UnetPainter

PATCH_NORMS = ("instance", "spectral", "none")


@dataclass(frozen=True)
class PainterFamily:
    """A painter, the sides in pixels of the pictures it can be trained on, and by what it can enlarge them.

    width: as published. capped: whether `max_width` is a matter of its. masked: whether its last input channel is a
    mask. starts_from_input: whether it adds to its input, which then needs as many channels as its output or one.
    """

    Painter: type[Painter]
    smallest: int
    largest: int = 4096
    width: int = 64
    scales: tuple[int, ...] = (1,)
    capped: bool = False
    masked: bool = False
    starts_from_input: bool = False


PAINTERS: dict[str, PainterFamily] = {
    "unet": PainterFamily(UnetPainter, smallest=8),
    "resnet": PainterFamily(ResnetPainter, smallest=8),
    "pix2pixhd": PainterFamily(Pix2pixhdPainter, smallest=32, capped=True),
    "srresnet": PainterFamily(SrresnetPainter, smallest=4, scales=(1, 2, 3, 4, 8), starts_from_input=True),
    "rrdb": PainterFamily(RrdbPainter, smallest=4, scales=(1, 2, 4, 8), starts_from_input=True),
    "msrresnet": PainterFamily(MsrresnetPainter, smallest=4, scales=(1, 2, 3, 4, 8), starts_from_input=True),
    "srvgg": PainterFamily(SrvggPainter, smallest=4, scales=(1, 2, 3, 4, 8), starts_from_input=True),
    "fourier": PainterFamily(FourierPainter, smallest=8, masked=True),
    "restore_unet": PainterFamily(RestoreUnetPainter, smallest=8, width=32, starts_from_input=True),
}


def build_painter(
    network: str,
    *,
    resolution: Size,
    in_channels: int,
    out_channels: int,
    width: int,
    classes: int = 0,
    scale: int = 1,
    max_width: int | None = None,
    options: Sequence[str] = (),
) -> Painter:
    """A fresh painter: [N, in_channels, *resolution], labels [N] -> [N, out_channels, *(scale * resolution)].

    resolution: of its input. options: words such as "blocks=6", for what only this family knows. Raises GanvasError for
    a size, a scale or channels that it cannot do, UsageError for options that it does not know.
    """
    family = PAINTERS[network]
    _check(network, family, resolution, in_channels, out_channels, scale)
    arguments: dict[str, Any] = {
        "resolution": resolution,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "width": width,
        "classes": classes,
    }
    if len(family.scales) > 1:
        arguments["scale"] = scale
    if max_width is not None:
        if not family.capped:
            raise UsageError(
                f"--max-width: the network '{network}' has none, its layers follow from --width. Leave it out"
            )
        arguments["max_width"] = max_width
    own = read_options(network, options, (family.Painter,), family.Painter)
    try:
        return family.Painter(**arguments, **own)
    except ValueError as error:
        given = f"--network-options {','.join(options)}" if own else f"--width {width}"
        raise UsageError(f"{given}: {error}") from None


def build_patch_discriminator(
    *, resolution: Size, channels: int, width: int, classes: int = 0, norm: PatchNorm = "instance", scales: int = 1
) -> PatchDiscriminator:
    """A fresh PatchGAN: [N, channels, *resolution], labels [N] -> logits [N, K].

    channels: those of the picture that is judged and, for a conditional one, of the input before it. Raises UsageError
    for a size or number of scales that leaves no patches.
    """
    if norm not in PATCH_NORMS:
        raise UsageError(f"--d-norm {norm}: a PatchGAN has no such norm: give {', '.join(PATCH_NORMS)}")
    size, side = f"{resolution[0]}x{resolution[1]}", min(resolution)
    if side < SMALLEST:
        raise UsageError(
            f"pictures of {size} are too small for a discriminator of patches, which needs {SMALLEST} pixels a side: "
            f"give --resolution {SMALLEST} or more"
        )
    sides = sides_of_scales(side, scales)
    if sides[-1] < SMALLEST:
        most = sum(one >= SMALLEST for one in sides)
        raise UsageError(
            f"--d-scales {scales}: the coarsest one would see pictures of {size} at {sides[-1]} pixels and needs "
            f"{SMALLEST}: give --d-scales {most}{' or less' if most > 1 else ''}, or --resolution "
            f"{SMALLEST * 2 ** (scales - 1)} or more"
        )
    return PatchDiscriminator(resolution, channels, width, classes, norm, scales)


def _check(
    network: str, family: PainterFamily, resolution: Size, in_channels: int, out_channels: int, scale: int
) -> None:
    """Raise GanvasError for what a family cannot do, with what it or another one can."""
    height, width = resolution
    if not all(family.smallest <= side <= family.largest for side in resolution):
        raise GanvasError(
            f"the network '{network}' cannot paint from pictures of {height}x{width}: every side must lie in "
            f"{family.smallest} to {family.largest} pixels (square or not). Give --resolution"
        )
    if scale not in family.scales:
        able = [name for name, other in PAINTERS.items() if scale in other.scales]
        other = f", or use another network: {', '.join(able)}" if able else ""
        raise GanvasError(
            f"the network '{network}' cannot enlarge by {scale}: it can do {', '.join(map(str, family.scales))}{other}"
        )
    if family.masked and in_channels != out_channels + 1:
        raise GanvasError(
            f"the network '{network}' fills holes: its input must be the picture and a mask, {out_channels + 1} "
            f"channels, not {in_channels}. Degrade by holes, or use another network"
        )
    if family.starts_from_input and in_channels != 1 and in_channels < out_channels:
        raise GanvasError(
            f"the network '{network}' adds to its input: {in_channels} channels cannot become {out_channels}. Use "
            "another network, such as unet"
        )
