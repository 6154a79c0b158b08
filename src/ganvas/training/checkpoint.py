"""Checkpoints that survive: safetensors and JSON only, written beside and renamed, with a manifest of hashes.

Order of writes: files into `NAME.tmp-PID/`, each flushed to disk; MANIFEST.json; rename of the folder; `latest` last.
Whatever kills the process, the checkpoint before is whole and is found.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.data.cache import sync_folder
from ganvas.errors import GanvasError
from ganvas.hashing import sha256_of
from ganvas.training.run_folder import thousands, write_text_atomically
from ganvas.weights import load_weights, save_weights

SCHEMA = 1
KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and counters that JSON can hold."""

    tensors: dict[str, Tensor]
    counters: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int = KEEP) -> Path:
    """Write one checkpoint below `folder`, point `latest` at it and remove all but the newest `keep`."""
    name = thousands(int(checkpoint.counters["images"]))
    final, partial = folder / name, folder / f"{name}.tmp-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        save_weights(partial / "state.safetensors", checkpoint.tensors)
        (partial / "state.json").write_text(json.dumps(checkpoint.counters), encoding="utf-8")
        files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in sorted(partial.iterdir())}
        (partial / "MANIFEST.json").write_text(json.dumps({"schema": SCHEMA, "files": files}), encoding="utf-8")
        for path in partial.iterdir():
            _flush(path)
        sync_folder(partial)
        if final.exists():  # the same moment, saved again
            shutil.rmtree(final)
        partial.rename(final)
        sync_folder(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    write_text_atomically(folder / "latest", name)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def load_newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and one line for each newer one that is damaged. None when there is none."""
    sweep(folder)
    problems: list[str] = []
    for path in reversed(list_checkpoints(folder)):
        try:
            return load_checkpoint(path), problems
        except GanvasError as error:
            problems.append(str(error))
    return None, problems


def load_checkpoint(path: Path) -> Checkpoint:
    """One checkpoint, checked against its manifest first. Raises GanvasError naming the file that is damaged."""
    try:
        manifest = json.loads((path / "MANIFEST.json").read_text(encoding="utf-8"))
        files = dict(manifest["files"])
        schema = manifest["schema"]
    except (OSError, ValueError, KeyError, TypeError):
        raise GanvasError(f"checkpoint {path} has no readable MANIFEST.json") from None
    if schema != SCHEMA:
        raise GanvasError(f"checkpoint {path} has schema {schema}, this version reads {SCHEMA}")
    for name, facts in files.items():
        file = path / name
        if not file.is_file() or file.stat().st_size != facts["bytes"] or sha256_of(file) != facts["sha256"]:
            raise GanvasError(f"checkpoint file {file} is damaged: it does not match its manifest")
    try:
        counters = json.loads((path / "state.json").read_text(encoding="utf-8"))
        return Checkpoint(load_weights(path / "state.safetensors"), counters)
    except (OSError, ValueError) as error:
        raise GanvasError(f"checkpoint {path} cannot be read: {error}") from None


def list_checkpoints(folder: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and p.name[:6].isdigit() and ".tmp-" not in p.name)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written."""
    for path in folder.glob("*.tmp-*"):
        shutil.rmtree(path, ignore_errors=True)


def network_tensors(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a network under `prefix.`."""
    return {f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()}


def restore_network(prefix: str, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Undo `network_tensors`, strictly."""
    own = {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
    network.load_state_dict(own, strict=True)


def optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers per parameter. Its learning rates are not state: they follow from the progress."""
    tensors = {}
    for i, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        for name, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{prefix}.{i}.{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimizer(prefix: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Undo `optimizer_tensors`. Memory formats follow the parameters', as the fused optimisers expect."""
    for i, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        state = {}
        for key, value in tensors.items():
            if not key.startswith(f"{prefix}.{i}."):
                continue
            name = key.split(".", 2)[2]
            if value.shape == parameter.shape and value.dim() > 0:
                state[name] = torch.empty_like(parameter, memory_format=torch.preserve_format).copy_(value).detach()
            else:
                state[name] = value.clone()
        if state:
            optimizer.state[parameter] = state


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
