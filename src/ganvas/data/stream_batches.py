"""Training batches from a stream of shards, one after the other, and where to go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.data.batches import mirror_some, to_device
from ganvas.data.shards.stream import SampleStream
from ganvas.images import to_float


class StreamBatches:
    """Batches in the order of a stream. Each is made once: `at` gives the last one again, or the next.

    class_names: the classes in the order of their numbers, or None without labels. first: the number of the batch
    that the stream stands before.
    """

    def __init__(
        self,
        stream: SampleStream,
        class_names: Sequence[str] | None,
        batch: int,
        seed: int,
        device: torch.device,
        mirror: bool = False,
        first: int = 0,
    ) -> None:
        self._stream, self.batch, self.seed, self.device, self.mirror = stream, batch, seed, device, mirror
        self._numbers = None if class_names is None else {name: i for i, name in enumerate(class_names)}
        self._next = first
        self._before = stream.position()  # of the last batch
        self._last: tuple[Tensor, Tensor | None] | None = None

    def at(self, step: int) -> tuple[Tensor, Tensor | None]:
        """Batch `step` on the device: pictures [batch, C, H, W] float32 in [-1, 1], labels [batch] int64."""
        if self._last is not None and step == self._next - 1:
            return self._last
        if step != self._next:
            raise ValueError(f"a stream gives batch {self._next} next, not {step}")
        self._before = self._stream.position()
        taken = self._stream.take(self.batch)
        pixels = to_device(torch.from_numpy(np.stack([one.pixels for one in taken])), self.device)
        if self.mirror:
            pixels = mirror_some(pixels, self.seed, step, len(pixels))
        labels = None
        if self._numbers is not None:
            found = np.array([self._numbers[str(one.label)] for one in taken], np.int64)
            labels = to_device(torch.from_numpy(found), self.device)
        self._next, self._last = step + 1, (to_float(pixels), labels)
        return self._last

    def position(self, step: int) -> dict[str, Any]:
        """Where a stream must begin to give batch `step` next: after the last one, or before it."""
        place = self._stream.position() if step == self._next else self._before
        return place.to_json()

    def problems(self) -> list[str]:
        """What was left out so far, in words."""
        skipped = [f"{count} pictures skipped: {reason}" for reason, count in self._stream.skipped.most_common(5)]
        return [*(f"{name}: {reason}" for name, reason in self._stream.problems[:5]), *skipped]

    def close(self) -> None:
        """End the reading."""
        self._stream.close()
