"""Tensors by name out of weight files of others, without running anything that a file asks for."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import GanvasError, UsageError
from ganvas.weights import load_weights

TORCH_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin")
# What state dicts are wrapped in, the one to be used first: Real-ESRGAN keeps the averaged weights beside the last.
WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "generator", "model")
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile)


def read_weight_file(path: Path) -> dict[str, Tensor]:
    """{name: tensor} of a .safetensors or torch.save file, floating point ones in float32, on the CPU.

    Taken out of "params_ema", "params", "state_dict" and the like; "module." of DataParallel is left out of the names.
    Raises GanvasError for a file that cannot be read, that holds no tensors by name, or that would need code to be run;
    UsageError for another kind of file.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}: give a .safetensors, .pth or .pt file")
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        found: object = load_weights(path)
    elif suffix in TORCH_SUFFIXES:
        found = _read_torch(path)
    else:
        raise UsageError(f"{path}: weights are read from .safetensors and {', '.join(TORCH_SUFFIXES)} files")
    tensors = _unwrapped(found, path)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise GanvasError(f"{path}: {name} has values that are not finite: fetch the file again, or another one")
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles of other protocols, which it reads or refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        asked = _asked_for(path)
        if asked:
            raise GanvasError(
                f"{path} holds more than tensors: loading it would run code ({', '.join(asked[:3])}), which is never "
                "done. Save `network.state_dict()` alone, as .safetensors or by torch.save, where the file is from"
            ) from None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise GanvasError(f"{path} cannot be read as a file of torch.save ({reason}): fetch it again") from None


def _asked_for(path: Path) -> list[str]:
    """The functions and classes beyond tensors that a pickle names; [] where that cannot be told."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except _UNREADABLE:
        return []


def _unwrapped(found: object, path: Path) -> dict[str, Tensor]:
    for _ in range(2):  # as {"model": {"state_dict": ...}}
        if isinstance(found, Mapping):
            inner = [found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping)]
            found = inner[0] if inner else found
    if not isinstance(found, Mapping) or not found or not all(map(_is_named_tensor, found.items())):
        held = ", ".join(map(str, list(found)[:5])) if isinstance(found, Mapping) else type(found).__name__
        raise GanvasError(
            f"{path} holds no tensors by name but {held or 'nothing'}: save `network.state_dict()` of the generator"
        )
    return {str(name).removeprefix("module."): tensor for name, tensor in found.items()}


def _is_named_tensor(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)
