"""Batches of two kinds of pictures that do not belong together: A's channels first, then B's, as pairs come."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.batches import Batches
from ganvas.data.decode import Pixels


class UnpairedBatches(Batches):
    """Each batch is of both kinds, each in an order of its own, so that no two pictures come together twice in a row.

    a, b: [N] numbers of the pictures of either kind in `images`.
    """

    def __init__(
        self,
        images: Pixels,
        a: NDArray[np.int64],
        b: NDArray[np.int64],
        batch: int,
        seed: int,
        device: torch.device,
        mirror: bool = False,
        rows: slice = slice(None),
    ) -> None:
        super().__init__(images, None, batch, seed, device, mirror, rows, a)
        self._other = Batches(images, None, batch, seed + 1, device, mirror, rows, b)

    def at(self, step: int) -> tuple[Tensor, Tensor | None]:
        """Batch `step` on the device: [rows, 2C, H, W] float32 in [-1, 1], no labels."""
        return torch.cat([super().at(step)[0], self._other.at(step)[0]], dim=1), None
