"""A trained generator as its user sees it: a folder with config.json and model.safetensors, loaded, sampled, saved."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ganvas.errors import GanvasError, UsageError
from ganvas.images import Integers, enlarge, grid, to_pillow, to_rows_last
from ganvas.model_folder import (
    CONFIG,
    GENERATE,
    WEIGHTS,
    Config,
    Kept,
    find_model_folder,
    load_network,
    read_config_file,
    task_of,
)
from ganvas.networks.contract import Generator, Mapped
from ganvas.networks.table import NETWORKS, build_generator
from ganvas.seeds import choices, normals

if TYPE_CHECKING:
    from ganvas.picture_model import PictureModel

__all__ = ["CONFIG", "WEIGHTS", "Model", "ModelConfig", "find_model_folder", "load", "load_generator", "read_config"]


class ModelConfig(Config):
    """All that is needed to build the generator again and to say what it is."""

    resolution: tuple[int, int]
    channels: int = Field(ge=1, le=4)
    z_dim: int = Field(ge=1, le=65536)

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        return (self.channels, *self.resolution)

    @property
    def made_shape(self) -> tuple[int, int, int]:
        return self.stored_shape

    def build(self) -> Generator:
        """A fresh generator."""
        return build_generator(
            self.network,
            resolution=self.resolution,
            channels=self.channels,
            z_dim=self.z_dim,
            width=self.width,
            max_width=self.max_width,
            options=self.network_options,
            classes=self.classes,
        )

    def try_out(self, G: nn.Module) -> None:
        G(torch.zeros(1, self.z_dim), torch.zeros(1, dtype=torch.int64) if self.classes else None)

    def holding(self, G: nn.Module, device: torch.device) -> Model:
        assert isinstance(G, Generator), "it was built by `build`"
        return Model(G, self, device)


class Model(Kept[ModelConfig]):
    """A generator ready to draw. `model.sample(seeds=range(64))` gives uint8 pictures [N, H, W, C]."""

    G: Generator

    def __init__(self, G: Generator, config: ModelConfig, device: torch.device | str = "cpu") -> None:
        self.config = config
        self.device = torch.device(device)
        self.G = G.eval().requires_grad_(False).to(self.device)
        # Sampling needs no statistics of its own batch, so BatchNorm becomes part of the layer before it.
        self._drawing = fold_batch_norm(self.G).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def sample(
        self,
        seeds: Sequence[int],
        *,
        class_name: str | int | None = None,
        trunc: float = 1.0,
        batch: int = 64,
        labels: Sequence[int] | None = None,
    ) -> Integers:
        """One picture per seed: [N, H, W, C] uint8, or uint16 for 16-bit models.

        A seed's picture is the same at any batch size and in any company, within one grey level. `trunc` pulls the
        noise (or w) towards its mean: 1 draws as trained, smaller is safer and less varied. A conditional model draws
        the label by the seed from the training data's shares, unless `class_name` (name or number) or `labels` says.
        """
        parts = list(self.sample_batches(seeds, class_name=class_name, trunc=trunc, batch=batch, labels=labels))
        return stack(parts)

    def sample_batches(
        self,
        seeds: Sequence[int],
        *,
        class_name: str | int | None = None,
        trunc: float = 1.0,
        batch: int = 64,
        labels: Sequence[int] | None = None,
    ) -> Iterator[Integers]:
        """As `sample`, batch by batch: memory stays flat however many seeds there are."""
        seeds = [int(seed) for seed in seeds]
        if not seeds:
            raise UsageError("no seeds were given: give at least one, as in --seeds 0-31,57")
        if min(seeds) < 0 or max(seeds) >= 2**63:
            raise UsageError(f"seeds must lie in 0 to 2^63 - 1, not {min(seeds)} to {max(seeds)}")
        if batch < 1:
            raise UsageError(f"--batch {batch}: give at least 1")
        chosen = self._labels(seeds, class_name, labels)
        for start in range(0, len(seeds), batch):
            part = seeds[start : start + batch]
            c = None if chosen is None else torch.as_tensor(chosen[start : start + batch], device=self.device)
            yield to_rows_last(self.draw(self.noise(part), c, trunc), self.config.bits)

    @torch.inference_mode()
    def draw(self, z: Tensor, labels: Tensor | None = None, trunc: float = 1.0) -> Tensor:
        """Pictures from noise: [N, z_dim], [N] -> [N, C, H, W] float about [-1, 1].

        trunc: of z, or of w where the network has a mapping: towards its average (Karras et al., 2019).
        """
        G, z = self._drawing, z.to(self.device)
        if trunc == 1:
            pictures: Tensor = G(z, labels)
        elif isinstance(G, Mapped):
            ws = G.mapping(z, labels)[:, None].expand(-1, G.layers, -1)
            pictures = G.synthesis(G.truncate(ws, trunc))
        else:
            pictures = G(z * trunc, labels)
        return pictures

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """One row per seed, each from a random stream of its own: [N, z_dim]."""
        return torch.from_numpy(normals(seeds, self.config.z_dim)).to(self.device)

    def labels_for(self, seeds: Sequence[int]) -> NDArray[np.int64] | None:
        """The label each seed draws from the training data's class shares: [N] int64, None if unconditional."""
        if not self.config.classes:
            return None
        return choices(seeds, self.config.class_shares)

    def class_index(self, class_name: str | int) -> int:
        """The number of a class given by name or number; raises UsageError with the names there are."""
        names = self.config.class_names
        if not names:
            raise UsageError(
                f"--class {class_name}: this model is unconditional, it was trained without classes. Leave it out"
            )
        if str(class_name) in names:
            return names.index(str(class_name))
        if str(class_name).isdigit() and int(class_name) < len(names):
            return int(class_name)
        shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise UsageError(f"--class {class_name}: this model knows {len(names)} classes: {shown}")

    def _labels(
        self, seeds: Sequence[int], class_name: str | int | None, labels: Sequence[int] | None
    ) -> NDArray[np.int64] | None:
        if labels is not None:
            given = np.asarray(labels, np.int64)
            if given.shape != (len(seeds),) or given.min() < 0 or given.max() >= max(self.config.classes, 1):
                raise UsageError(f"labels must be {len(seeds)} numbers below {self.config.classes}, one per seed")
            return given if self.config.classes else None
        if class_name is not None:
            return np.full(len(seeds), self.class_index(class_name))
        return self.labels_for(seeds)

    def __repr__(self) -> str:
        c = self.config
        kind = f"{c.classes} classes" if c.classes else "unconditional"
        return (
            f"Model({c.recipe or c.network}, {c.resolution[0]}x{c.resolution[1]}x{c.channels}, {kind}, "
            f"{c.images_seen} images seen, {c.weights} weights, hash {self.hash[:12]})"
        )

    def _repr_png_(self) -> bytes:
        """A sheet of 32 seeds for notebooks."""
        buffer = io.BytesIO()
        to_pillow(enlarge(grid(self.sample(range(32)), columns=8), 320)).save(buffer, format="PNG")
        return buffer.getvalue()


def load(path: str | Path, device: str = "auto") -> Model | PictureModel:
    """The model of a run folder or a model folder: what draws pictures, or paints them from pictures.

    Raises GanvasError when it is neither, or damaged.
    """
    folder = find_model_folder(Path(path))
    if task_of(folder) == GENERATE:
        return load_generator(path, device)
    from ganvas.picture_model import load_picture_model

    return load_picture_model(folder, device)


def load_generator(path: str | Path, device: str = "auto") -> Model:
    """As `load`, of what draws from noise; GanvasError with the verb to use for what paints from pictures."""
    from ganvas.devices import pick_device

    folder = find_model_folder(Path(path))
    config = read_config(folder)
    G = load_network(folder, config)
    assert isinstance(G, Generator), "a ModelConfig builds one"
    return Model(G, config, pick_device(device))


def read_config(folder: Path) -> ModelConfig:
    """The checked config.json of a generator's folder; raises GanvasError naming the first thing wrong."""
    path = folder / CONFIG
    task = task_of(folder)
    if task != GENERATE:
        raise GanvasError(
            f"{folder} paints pictures from pictures (task {task}) and draws none from noise: use "
            f"`ganvas apply {folder} INPUT... --out FOLDER`"
        )
    config = read_config_file(path, ModelConfig)
    if config.network not in NETWORKS:
        raise GanvasError(f"{path} names the network '{config.network}', this version knows {', '.join(NETWORKS)}")
    if config.class_shares and len(config.class_shares) != config.classes:
        raise GanvasError(f"{path} is damaged: {config.classes} classes but {len(config.class_shares)} shares")
    return config


def fold_batch_norm(network: Generator) -> Generator:
    """A copy for evaluation in which every BatchNorm that follows a convolution within a Sequential is part of it."""
    network = copy.deepcopy(network).eval()
    for parent in [m for m in network.modules() if isinstance(m, nn.Sequential)]:
        for i in range(len(parent) - 1):
            layer, norm = parent[i], parent[i + 1]
            if isinstance(norm, nn.BatchNorm2d) and isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                _fold(layer, norm)
                parent[i + 1] = nn.Identity()
    return network


def _fold(layer: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    layer.weight, layer.bias = fuse_conv_bn_weights(
        layer.weight,
        layer.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=isinstance(layer, nn.ConvTranspose2d),
    )


def stack(parts: Sequence[Integers]) -> Integers:
    """Batches of pictures, one after the other."""
    pictures: NDArray[Any] = np.concatenate(parts)
    return pictures
