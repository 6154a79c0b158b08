"""Tensors in files: safetensors only. Nothing in this package writes or loads a pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganvas.errors import GanvasError


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors by name; raises GanvasError when the disk refuses."""
    try:
        save_file(
            {name: t.detach().cpu().contiguous() for name, t in tensors.items()},
            path,
            metadata={"format": "pt"},
        )
    except SafetensorError as error:
        raise GanvasError(f"{path} cannot be written ({error}): make room, or give another --out") from None


def load_weights(path: Path) -> dict[str, Tensor]:
    """Undo `save_weights`; raises GanvasError when the file is not whole."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise GanvasError(f"{path} cannot be read as safetensors: {error}") from None


def hash_of_weights(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names and values of tensors, in the order of their names: the same from any file or device."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
