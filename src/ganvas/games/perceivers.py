"""The networks that --perceptual names, besides the one that learns from the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.errors import UsageError
from ganvas.evaluation.backbones.user_module import call_function
from ganvas.evaluation.backbones.vgg19 import SMALLEST, Vgg19, load_vgg19
from ganvas.evaluation.backbones.weights import VGG19, vgg19_weights
from ganvas.games.perceiving import Perceiver
from ganvas.hashing import sha256_of_tensors

Shape = tuple[int, int, int]  # channels, height and width

# name -> the weight of each layer, before its ReLU
VGG_LAYERS: dict[str, dict[str, float]] = {
    "vgg19": {"conv5_4": 1.0},  # ESRGAN (Wang et al., 2018, section 3.3)
    "vgg19-multi": {  # Real-ESRGAN (Wang et al., 2021, section 4.1)
        "conv1_2": 0.1,
        "conv2_2": 0.1,
        "conv3_4": 1.0,
        "conv4_4": 1.0,
        "conv5_4": 1.0,
    },
}


def find_perceiver(name: str, shape: Shape, device: torch.device | str = "cpu", *, learned: bool = True) -> Perceiver:
    """The network of a name for pictures of that shape.

    | name | compared are |
    |---|---|
    | vgg19, vgg19:FILE | conv5_4 of VGG-19 |
    | vgg19-multi, vgg19-multi:FILE | five layers of it |
    | package.module:function | the maps of the module that the function returns, one or several |

    learned: or else VGG-19 without its weights, to count what it costs. Raises UsageError for pictures that the network
    cannot see and for a function that gives something else, GanvasError if weights cannot be had.
    """
    known, _, place = name.partition(":")
    if known in VGG_LAYERS:
        perceiver = _vgg19(known, Path(place).expanduser() if place else None, shape, learned)
    else:
        perceiver = _of_function(name, shape)
    return perceiver.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _vgg19(name: str, file: Path | None, shape: Shape, learned: bool) -> Perceiver:
    channels, height, width = shape
    if channels not in (1, 3, 4) or min(height, width) < SMALLEST:
        raise UsageError(
            f"--perceptual {name}: VGG-19 sees grey and RGB pictures from {SMALLEST} pixels a side on, not "
            f"{height}x{width} with {channels} channels. Give a larger --resolution, or --perceptual own"
        )
    layers = VGG_LAYERS[name]
    net = load_vgg19(vgg19_weights(file), VGG19.backbone, tuple(layers)) if learned else Vgg19(tuple(layers))
    return Perceiver(net, tuple(layers.values()), name, VGG19.sha256)


def _of_function(place: str, shape: Shape) -> Perceiver:
    """The module of the function, tried on two black pictures."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # one that draws its weights draws the same in every process and on resume
        net = call_function(place)
    if not isinstance(net, nn.Module):
        raise UsageError(f"--perceptual {place} returned {type(net).__name__}, expected an nn.Module")
    sha256 = sha256_of_tensors(net.state_dict())
    probe = torch.zeros(2, *shape, requires_grad=True)
    try:
        given = Perceiver(net, (), place, sha256).maps(probe)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"--perceptual {place} cannot take pictures {[2, *shape]}: {reason}") from None
    if not given or not all(isinstance(one, Tensor) and one.ndim > 1 and len(one) == 2 for one in given):
        raise UsageError(f"--perceptual {place} gave {_told(given)} for 2 pictures, expected maps [2, F, h, w]")
    if not all(one.requires_grad for one in given):
        raise UsageError(f"--perceptual {place}: no gradient comes through it: a painter cannot learn by it")
    return Perceiver(net, (1 / len(given),) * len(given), place, sha256)


def _told(given: Sequence[Any]) -> str:
    return ", ".join(str(list(one.shape)) if isinstance(one, Tensor) else type(one).__name__ for one in given) or "none"
