"""A backbone made of a network and of what is done to pictures before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.images import Integers


@dataclass(frozen=True)
class NetworkBackbone:
    """See `ganvas.evaluation.backbones.contract.Backbone` for the words and the methods."""

    name: str
    hash: str
    features: int
    resize: str
    value_range: str
    prepare: Callable[[Tensor], Tensor]  # [n, C, H, W] uint8 or uint16 on the CPU -> what `net` sees, on `device`
    net: Callable[[Tensor], Tensor]  # -> [n, F]
    device: torch.device
    classify: Callable[[Tensor], Tensor] | None = None  # [n, F] on `device` -> [n, K] probabilities

    def extract(self, images: Integers, batch: int = 64, rows: NDArray[np.int64] | None = None) -> Tensor:
        """As `Backbone.extract`."""
        rows = np.arange(len(images)) if rows is None else rows
        return torch.cat([*self._batches(images, rows, batch), torch.empty(0, self.features)])

    def probabilities(self, images: Integers, batch: int = 64, rows: NDArray[np.int64] | None = None) -> Tensor | None:
        """As `Backbone.probabilities`."""
        return None if self.classify is None else self.probabilities_of(self.extract(images, batch, rows))

    def probabilities_of(self, features: Tensor) -> Tensor | None:
        """As `Backbone.probabilities_of`."""
        if self.classify is None:
            return None
        with torch.inference_mode():
            return self.classify(features.to(self.device)).float().cpu()

    @torch.inference_mode()
    def _batches(self, images: Integers, rows: NDArray[np.int64], batch: int) -> Iterator[Tensor]:
        """Features batch by batch. A GPU works on one batch while the next one is prepared: nothing waits for it."""
        waiting: Tensor | None = None
        for start in range(0, len(rows), batch):
            some = torch.from_numpy(np.ascontiguousarray(images[rows[start : start + batch]]))
            ready = self.prepare(some)
            if waiting is not None:
                yield waiting.float().cpu()
            with _full_float32():
                waiting = self.net(ready)
        if waiting is not None:
            yield waiting.float().cpu()


def _full_float32() -> AbstractContextManager[None]:
    """Convolutions of GPUs in float32 and not TF32, whose 10 bits of mantissa would show in the distances."""
    cudnn = torch.backends.cudnn
    return cudnn.flags(
        enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
    )
