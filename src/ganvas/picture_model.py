"""A trained network that paints pictures from pictures, as its user sees it: a folder, and `paint`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from ganvas.data.fit import FitMode
from ganvas.errors import GanvasError, UsageError
from ganvas.images import Integers
from ganvas.model_folder import CONFIG, Config, Kept, find_model_folder, load_network, read_config_file
from ganvas.networks.contract import Painter
from ganvas.networks.painter_table import PAINTERS, build_painter
from ganvas.one_hot import Palette, to_one_hot

Direction = Literal["AtoB", "BtoA"]
DIRECTIONS: tuple[Direction, Direction] = ("AtoB", "BtoA")


class PictureConfig(Config):
    """All that is needed to build the painter again and to say what it is.

    in_channels: of the picture it takes; for holes one more, the mask: 1 in the hole. degradation: what it repairs, in
    the words of --degrade. palette: the colours of a label map, which the network sees as one channel each.
    keypoints: the points whose heat maps it takes, one channel each; sigma: how wide they are; fit: of its pictures.
    both: whether it holds the other direction too. multiple, reach: as of a painter.
    """

    task: Literal["translate", "unpaired", "restore"]
    direction: Literal["AtoB", "BtoA", ""] = ""
    both: bool = False
    resolution: tuple[int, int]  # of the pictures it learned to take
    in_channels: int = Field(ge=1, le=256)
    out_channels: int = Field(ge=1, le=64)
    scale: int = Field(1, ge=1, le=16)
    multiple: int = Field(1, ge=1)
    reach: int = Field(-1, ge=-1)
    domains: tuple[str, ...] = ()  # what A and B are, where they have names
    degradation: str = ""
    masked: bool = False  # whether the last channel of its input is a mask
    palette: Palette = ()
    keypoints: tuple[str, ...] = ()
    sigma: float = Field(0.02, gt=0, le=0.5)
    fit: FitMode = "crop"

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        if self.degradation:
            return self.made_shape  # the inputs are made of these
        return (self.in_channels + self.out_channels, *self.resolution)

    @property
    def made_shape(self) -> tuple[int, int, int]:
        height, width = self.resolution
        return self.out_channels, self.scale * height, self.scale * width

    def build(self) -> nn.Module:
        """A fresh painter, or one for each direction: "AtoB" and "BtoA" of a ModuleDict."""
        if not self.both:
            return self.build_painter(self.in_channels, self.out_channels)
        ways = (self.in_channels, self.out_channels), (self.out_channels, self.in_channels)
        ways = ways if self.direction != "BtoA" else (ways[1], ways[0])
        return nn.ModuleDict({name: self.build_painter(*way) for name, way in zip(DIRECTIONS, ways, strict=True)})

    def build_painter(self, in_channels: int, out_channels: int) -> Painter:
        """A fresh painter from so many channels to so many."""
        return build_painter(
            self.network,
            resolution=self.resolution,
            in_channels=len(self.palette) or in_channels,
            out_channels=out_channels,
            width=self.width,
            classes=self.classes,
            scale=self.scale,
            max_width=self.max_width,
            options=self.network_options,
        )

    def try_out(self, G: nn.Module) -> None:
        painter = G[self.direction or "AtoB"] if isinstance(G, nn.ModuleDict) else G
        labels = torch.zeros(1, dtype=torch.int64) if self.classes else None
        painter(torch.zeros(1, len(self.palette) or self.in_channels, *self.resolution), labels)

    def holding(self, G: nn.Module, device: torch.device) -> PictureModel:
        return PictureModel(G, self, device)


class PictureModel(Kept[PictureConfig]):
    """A painter ready to paint. `model.paint(images)` takes and gives tensors; `ganvas apply` takes files."""

    def __init__(self, G: nn.Module, config: PictureConfig, device: torch.device | str = "cpu") -> None:
        """G: what `config.build()` gives, trained."""
        self.device = torch.device(device)
        self.G = G.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        painter = G[config.direction or "AtoB"] if isinstance(G, nn.ModuleDict) else G
        assert isinstance(painter, Painter), "a PictureConfig builds painters"
        self.painter = painter
        self.config = config.model_copy(update={"multiple": painter.multiple, "reach": painter.reach})

    @property
    def directions(self) -> tuple[str, ...]:
        """Those it holds; () where there is no question of any."""
        return DIRECTIONS if self.config.both else (self.config.direction,) if self.config.direction else ()

    def towards(self, direction: str) -> PictureModel:
        """The same model painting in that direction. Raises UsageError if it does not hold it."""
        c = self.config
        if direction == c.direction:
            return self
        if direction not in self.directions:
            raise UsageError(f"--direction {direction}: this model paints {' and '.join(self.directions) or 'one way'}")
        turned = {"direction": direction, "in_channels": c.out_channels, "out_channels": c.in_channels}
        return type(self)(self.G, c.model_copy(update=turned), self.device)

    @torch.inference_mode()
    def paint(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """[N, in_channels, H, W] about [-1, 1] -> [N, out_channels, scale * H, scale * W] about [-1, 1].

        labels: [N] int64, places in `config.class_names`, of a model of classes. All at once and whole: `ganvas apply`
        takes large pictures in tiles. Raises GanvasError for other channels, and for a model of classes without labels.
        """
        if images.dim() != 4 or images.shape[1] != self.config.in_channels:
            raise GanvasError(
                f"this model takes [N, {self.config.in_channels}, H, W], not {list(images.shape)}: give pictures of "
                f"{self.config.in_channels} channels"
            )
        if not self.config.classes:
            labels = None
        elif labels is None:
            raise GanvasError(
                f"this model paints {self.config.classes} classes: give labels, [N] from 0 to {self.config.classes - 1}"
            )
        inputs = images.to(self.device, torch.float32)
        if self.config.palette:
            inputs = to_one_hot(inputs, self.config.palette, self.config.bits)
        painted: Tensor = self.painter(
            inputs.contiguous(memory_format=torch.channels_last), labels if labels is None else labels.to(self.device)
        )
        return painted.float()

    def apply(
        self, pictures: Integers, *, mask: NDArray[np.bool_] | None = None, class_name: str | None = None
    ) -> Integers:
        """[H, W, C] or [N, H, W, C] uint8 or uint16 -> what the model paints, of the same type, at its scale.

        Of any size: padded by mirroring, and taken in tiles where the memory asks for it. mask: [H, W] or [N, H, W],
        True in the hole, for a model that fills holes. class_name: what to paint, for a model of classes. Raises
        UsageError for arrays that the model does not take.
        """
        from ganvas.applying.arrays import apply_array

        return apply_array(self, pictures, mask=mask, class_name=class_name)

    def heat_maps(
        self, points: Mapping[str, Sequence[float] | Sequence[Sequence[float]]], size: tuple[int, int] | None = None
    ) -> Integers:
        """What `apply` takes of a model that draws from points: [height, width, names], at the model's resolution.

        points: (x, y), or several of them, by name; pixels of a picture of `size` (height, width) [default: the model's
        resolution], which is fitted as the training pictures were. Raises UsageError for names that it does not know.
        """
        from ganvas.data.keypoints.heat_maps import KeypointMaps, fitted, heat_maps

        c = self.config
        unknown = [name for name in points if name not in c.keypoints]
        if unknown:
            known = f"knows {', '.join(c.keypoints)}" if c.keypoints else "draws from pictures, not from points"
            raise UsageError(f"there is no point {unknown[0]} for this model: it {known}")
        given = [
            (c.keypoints.index(name), float(x), float(y))
            for name, places in points.items()
            for x, y in np.asarray(places, np.float64).reshape(-1, 2)
        ]
        placed = fitted(given, size or c.resolution, c.resolution, c.fit)
        maps = heat_maps(placed, KeypointMaps(c.keypoints, c.sigma), c.resolution, c.bits)
        return cast(Integers, np.ascontiguousarray(maps.transpose(1, 2, 0)))

    def __repr__(self) -> str:
        c = self.config
        what = c.degradation or c.direction
        return (
            f"PictureModel({c.recipe or c.network}, {c.task} {what}, {c.in_channels} to {c.out_channels} channels, "
            f"x{c.scale}, {c.images_seen} images seen, hash {self.hash[:12]})"
        )


def load_picture_model(path: str | Path, device: str = "auto") -> PictureModel:
    """The painter of a run folder or a model folder. Raises GanvasError when it is none, or damaged."""
    from ganvas.devices import pick_device

    folder = find_model_folder(Path(path))
    config = read_config_file(folder / CONFIG, PictureConfig)
    if config.network not in PAINTERS:
        raise GanvasError(
            f"{folder / CONFIG} names the network '{config.network}', this version knows {', '.join(PAINTERS)}"
        )
    return PictureModel(load_network(folder, config), config, pick_device(device))
