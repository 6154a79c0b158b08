"""One model or several in a row, and how large pictures are divided for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal

from ganvas.applying.contract import Paints, check_chain, class_indices
from ganvas.applying.memory import SAFETY, TRIALS, fitting, memory_left, need_of
from ganvas.applying.painting import Mask, Show, gathered, painted_pictures, painted_rows
from ganvas.applying.tiling import Tiling, smallest_tile, tiling_for
from ganvas.errors import UsageError
from ganvas.images import Integers

Tile = Literal["auto", "none"] | int


@dataclass(eq=False)
class Chain:
    """What is done to every picture. memory: bytes that the process may take; None: as `memory_left` has it.

    tile: a side in pixels, "none" for whole pictures, or "auto" for what the memory allows, tried out once a model.
    """

    models: Sequence[Paints]
    class_name: str | None = None
    tile: Tile = "auto"
    memory: int | None = None
    batch: int = 1
    _labels: list[int | None] = field(init=False)

    def __post_init__(self) -> None:
        check_chain(self.models)
        self._labels = class_indices(self.models, self.class_name)
        if self.batch < 1:
            raise UsageError(f"--batch {self.batch}: give at least 1")
        if isinstance(self.tile, int):
            least = max(smallest_tile(model.config) for model in self.models)
            if self.tile < least:
                raise UsageError(f"--tile {self.tile}: this model needs tiles of at least {least} pixels")

    @property
    def scale(self) -> int:
        return prod(model.config.scale for model in self.models)

    @property
    def channels(self) -> int:
        """Of what comes out."""
        return self.models[-1].config.out_channels

    def rows(
        self, picture: Integers, bits: int, mask: Mask | None = None, show: Show = lambda _done, _of: None
    ) -> Iterator[Integers]:
        """As `painted_rows`, through all models. Between them pictures have 16 bits."""
        for place, (model, label) in enumerate(zip(self.models, self._labels, strict=True)):
            is_last = place == len(self.models) - 1
            painted = painted_rows(
                model,
                picture,
                self._tiling(place, *picture.shape[:2]),
                bits=bits if is_last else 16,
                mask=mask if model.config.masked else None,
                label=label,
                batch=self.batch,
                show=show,
            )
            if is_last:
                yield from painted
            else:
                picture = gathered(painted, picture.shape[0] * model.config.scale)

    def together(self, pictures: Integers, bits: int) -> Integers:
        """As many pictures as `at_once` allows: [N, H, W, C] -> [N, scale * H, scale * W, channels]."""
        for place, (model, label) in enumerate(zip(self.models, self._labels, strict=True)):
            is_last = place == len(self.models) - 1
            pictures = painted_pictures(model, pictures, bits=bits if is_last else 16, label=label)
        return pictures

    def at_once(self, height: int, width: int) -> int:
        """How many pictures of that size can be painted at once: up to `batch`, 1 where there is a mask or tiles."""
        most = self.batch
        for place, model in enumerate(self.models):
            if model.config.masked or self._tiling(place, height, width) is not None:
                return 1
            if self.tile == "auto" and max(height, width) > TRIALS[0]:
                need, left = need_of(model, self._labels[place]), memory_left(model.device, self.memory)
                most = min(most, int(SAFETY * left / need.bytes(model, height, width, width)))
            height, width = height * model.config.scale, width * model.config.scale
        return max(1, most)

    def _tiling(self, place: int, height: int, width: int) -> Tiling | None:
        """Tiles of the model at that place in the row for a picture of that size, or None."""
        model, longest = self.models[place], max(height, width)
        if self.tile == "none" or longest <= (TRIALS[0] if self.tile == "auto" else self.tile):
            return None
        if self.tile != "auto":
            return tiling_for(self.tile, model.config)
        need, left = need_of(model, self._labels[place]), memory_left(model.device, self.memory)
        return fitting(model, need, height, width, left, self.batch)
