"""The folder of a trained network of any kind: config.json and model.safetensors, written whole, checked when read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from ganvas.errors import GanvasError
from ganvas.hashing import sha256_of
from ganvas.weights import load_weights, save_weights

CONFIG, WEIGHTS = "config.json", "model.safetensors"
GENERATE = "generate"  # the task of a config.json that names none


class Origin(BaseModel):
    """The file of others that a model was converted from: its name, its hash, and the architecture found in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str
    architecture: str


class Config(BaseModel):
    """What every config.json holds. Read from a file, so checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    network: str
    bits: int = Field(8, ge=8, le=16)
    width: int = Field(ge=1, le=65536)
    max_width: int | None = Field(None, ge=1, le=65536)
    network_options: tuple[str, ...] = ()  # such as "attention=32"
    class_names: tuple[str, ...] = ()
    class_shares: tuple[float, ...] = ()  # how often each class came in training; seeds draw labels by it
    recipe: str = ""
    source: str = ""
    images_seen: int = 0
    weights: str = "averaged"
    weights_sha256: str = ""
    origin: Origin | None = None

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what the store gives for each picture of a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it learns from")

    @property
    def made_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what it makes."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it makes")

    def build(self) -> nn.Module:
        """The network, with fresh weights."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it builds")

    def try_out(self, G: nn.Module) -> None:
        """Let G make one picture of nothing, to count what that takes."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it is given")

    def holding(self, G: nn.Module, device: torch.device) -> Any:
        """The trained network G as its user sees it."""
        raise NotImplementedError(f"{type(self).__name__} does not say what holds a network")


AnyConfig = TypeVar("AnyConfig", bound=Config)


def save_folder(folder: Path, G: nn.Module, config: AnyConfig) -> AnyConfig:
    """Write both files; the folder appears whole or stays as it was. The config with the hash of the weights."""
    partial = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        save_weights(partial / WEIGHTS, G.state_dict())
        config = config.model_copy(update={"weights_sha256": sha256_of(partial / WEIGHTS)})
        (partial / CONFIG).write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            old = folder.with_name(f"{folder.name}.old.tmp-{os.getpid()}")
            folder.rename(old)
            partial.rename(folder)
            shutil.rmtree(old)
        else:
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return config


class Kept(Generic[AnyConfig]):
    """A trained network and its config, which can be written as a folder."""

    G: nn.Module
    config: AnyConfig

    def save(self, folder: str | Path) -> Path:
        """Write config.json and model.safetensors; the folder appears whole or stays as it was."""
        self.config = save_folder(Path(folder), self.G, self.config)
        return Path(folder)

    @property
    def hash(self) -> str:
        """SHA-256 of the weights file: which network made a picture."""
        return self.config.weights_sha256


def find_model_folder(path: Path) -> Path:
    """`path` itself or its `model/`; raises GanvasError saying what is missing."""
    if not path.exists():
        raise GanvasError(f"there is no folder {path}: give a run folder or a model folder")
    for folder in (path, path / "model"):
        if (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file():
            return folder
    raise GanvasError(
        f"{path} is neither a run nor a model folder: expected {CONFIG} and {WEIGHTS} in it or in its model/. "
        "A run that never finished has none yet: go on with `ganvas train ... --resume`"
    )


def task_of(folder: Path) -> str:
    """The task of a model folder, "generate" where config.json names none or cannot be read: reading it says why."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return GENERATE
    return str(found.get("task", GENERATE)) if isinstance(found, dict) else GENERATE


def read_config_file(path: Path, kind: type[AnyConfig]) -> AnyConfig:
    """The checked config.json; raises GanvasError naming the first thing wrong."""
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GanvasError(f"{path} cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise GanvasError(f"{path} is damaged: {where}: {first['msg'].lower()}") from None


def load_network(folder: Path, config: Config) -> nn.Module:
    """The network of a folder with its weights. Raises GanvasError when they are damaged or do not fit."""
    weights = folder / WEIGHTS
    found = sha256_of(weights)
    if found != config.weights_sha256:
        raise GanvasError(
            f"{weights} is damaged: its SHA-256 is {found[:12]}..., {CONFIG} says {config.weights_sha256[:12]}.... "
            "Copy it again, or train again"
        )
    try:
        G = config.build()
        G.load_state_dict(load_weights(weights), strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise GanvasError(f"{weights} does not fit the network of {folder / CONFIG}: {reason}") from None
    return G
