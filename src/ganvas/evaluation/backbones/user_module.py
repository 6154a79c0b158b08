"""A network of the user's own as a backbone: any `nn.Module` that gives each picture a row of features, or maps."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.backbones.network import NetworkBackbone
from ganvas.evaluation.backbones.resize import CLEAN, COLOUR, bicubic, resize_clean
from ganvas.hashing import sha256_of_tensors
from ganvas.images import to_float


def module_backbone(
    module: nn.Module,
    *,
    name: str,
    size: int | tuple[int, int] = 224,
    channels: int = 3,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    device: torch.device | str = "cpu",
) -> NetworkBackbone:
    """`module` as a backbone: [n, channels, height, width] float in -> [n, F], or maps [n, F, h, w] that are averaged.

    size: a side, or (height, width), that pictures are resized to. channels: with 3, grey is repeated and transparency
    laid on white; with another number, pictures must have it. Pictures come in [-1, 1] or, with mean and std (of
    pictures in [0, 1], one per channel, as torchvision states them), as (x - mean) / std. The module is brought to
    evaluation mode and to `device`, and is tried once on black. Raises GanvasError if it gives something else.
    """
    height, width = (size, size) if isinstance(size, int) else size
    device = torch.device(device)
    norm = _normalisation(name, channels, mean, std, device)
    net = module.eval().requires_grad_(False).to(device)

    def prepare(images: Tensor) -> Tensor:
        images = images.to(device)
        if channels == 3:
            x = resize_clean(images, height, width) / 255
        elif images.shape[1] == channels:
            x = bicubic((to_float(images) + 1) * 127.5, height, width) / 255
        else:
            raise GanvasError(
                f"the pictures have {images.shape[1]} channels, {name} expects {channels}: choose other features"
            )
        return x * 2 - 1 if norm is None else (x - norm[0]) / norm[1]

    def features(x: Tensor) -> Tensor:
        given = net(x)
        if not isinstance(given, Tensor) or given.ndim not in (2, 4) or len(given) != len(x):
            shape = list(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise GanvasError(
                f"{name} gave {shape} for {len(x)} pictures, expected a tensor [{len(x)}, F] or maps "
                f"[{len(x)}, F, h, w]: wrap it in a module that gives one"
            )
        return given if given.ndim == 2 else given.mean((2, 3))

    black = torch.zeros(1, channels, height, width, device=device)
    try:
        with torch.inference_mode():
            outputs = features(black).shape[1]
    except (RuntimeError, TypeError, ValueError) as error:  # how modules complain of a shape they cannot take
        raise GanvasError(
            f"{name} cannot take pictures {list(black.shape)}: {' '.join(str(error).split())[:200]}. Return "
            "module_backbone(module, size=..., channels=...) with what it expects"
        ) from error
    colour = COLOUR if channels == 3 else f"{channels} channels as they are"
    return NetworkBackbone(
        name=name,
        hash=sha256_of_tensors(net.state_dict())[:12],
        features=outputs,
        resize=f"{colour}; {CLEAN}, to {height}x{width}",
        value_range="[-1, 1]" if norm is None else f"[0, 1] less {_numbers(mean)}, over {_numbers(std)}",
        prepare=prepare,
        net=features,
        device=device,
    )


def backbone_of_function(place: str, device: torch.device | str) -> Backbone:
    """What the function "package.module:function" returns: a Backbone, or a module, which becomes one of that name.

    Modules of the current folder are found too. Raises UsageError if there is no such function, or if it returns
    something else.
    """
    made = call_function(place)
    if isinstance(made, nn.Module):
        return module_backbone(made, name=place, device=device)
    if isinstance(made, Backbone):
        return made
    raise UsageError(
        f"{place} returned {type(made).__name__}, expected an nn.Module or what module_backbone() gives: return that"
    )


def call_function(place: str) -> Any:
    """What "package.module:function" returns. Raises UsageError if there is no such function."""
    module_name, _, function_name = place.partition(":")
    function = getattr(_import(module_name, place), function_name, None)
    if not callable(function):
        raise UsageError(f"{place}: {module_name} has no function {function_name!r}: give package.module:function")
    return function()


def _import(module_name: str, place: str) -> ModuleType:
    """As under `python -m`, the current folder counts too: an installed command does not look there by itself."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"{place} cannot be imported ({error}): give package.module:function") from error


def _normalisation(
    name: str, channels: int, mean: Sequence[float] | None, std: Sequence[float] | None, device: torch.device
) -> tuple[Tensor, Tensor] | None:
    if mean is None and std is None:
        return None
    if mean is None or std is None or len(mean) != channels or len(std) != channels or min(std) <= 0:
        raise UsageError(f"{name}: mean and std go together, with {channels} numbers each and every std above 0")
    first, second = (torch.tensor(list(values), device=device).view(1, -1, 1, 1) for values in (mean, std))
    return first, second


def _numbers(values: Sequence[float] | None) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values or ()) + ")"
