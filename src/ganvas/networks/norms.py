"""The norm of a discriminator's layer, chosen by name, and the initialisation of the DCGAN family."""

from __future__ import annotations

from typing import Literal

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

DiscriminatorNorm = Literal["batch", "none", "spectral"]


def normalised(layer: nn.Conv2d | nn.Linear, norm: DiscriminatorNorm, out: int) -> list[nn.Module]:
    """The layer followed by BatchNorm, or wrapped by spectral normalisation (Miyato et al., 2018), or as it is."""
    if norm == "batch":
        return [layer, nn.BatchNorm2d(out)]
    return [spectral_norm(layer)] if norm == "spectral" else [layer]


def initialise_dcgan(network: nn.Module, spread: float = 0.02) -> None:
    """Weights N(0, 0.02), BatchNorm scales N(1, 0.02), biases 0 (Radford et al., 2016), in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            # A spectrally normalised layer keeps its free weight elsewhere; its scale is divided out anyway.
            weight = getattr(getattr(layer, "parametrizations", None), "weight", None)
            nn.init.normal_(layer.weight if weight is None else weight.original, 0.0, spread)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, spread)
            nn.init.zeros_(layer.bias)
