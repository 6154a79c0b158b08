"""Training batches that depend on a seed and a step number alone: any of them can be made again, anywhere."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.decode import Pixels
from ganvas.errors import UsageError
from ganvas.images import to_float

_ORDER, _COINS = 0, 1  # two independent random streams of one seed


class Batches:
    """Endless shuffled batches of [N, C, H, W] uint8 or uint16 pictures, with [N] labels or None.

    Every epoch is its own shuffle of all pictures, drawn from (seed, epoch); batches run on across its
    border: after k steps every picture was seen k * batch / N times, rounded up or down. `mirror` flips each
    picture left to right with probability 1/2. `rows`: the part of each batch that is wanted, where several processes
    share it. among: only the pictures with these numbers. Raises UsageError for arguments that cannot be.
    """

    def __init__(
        self,
        images: Pixels,
        labels: NDArray[np.int64] | None,
        batch: int,
        seed: int,
        device: torch.device,
        mirror: bool = False,
        rows: slice = slice(None),
        among: NDArray[np.int64] | None = None,
    ) -> None:
        if len(images) == 0 or (among is not None and len(among) == 0):
            raise UsageError("there are no pictures to make batches of: give at least one")
        if batch < 1 or seed < 0:
            raise UsageError(f"batch {batch} and seed {seed} cannot be: batch must be at least 1, seed at least 0")
        if labels is not None and len(labels) != len(images):
            raise UsageError(f"{len(labels)} labels for {len(images)} pictures: give one label per picture")
        self._images = cast(Pixels, np.asarray(images))  # a plain view: indexing a memmap object is slower
        self._labels = labels
        self.batch, self.seed, self.device, self.mirror = batch, seed, device, mirror
        self.rows, self._among = rows, among

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self._images) if self._among is None else len(self._among)

    def close(self) -> None:
        """Nothing: no file is open. Batches of a stream have something to close."""

    def indices(self, step: int) -> NDArray[np.int64]:
        """Which pictures make up batch number `step` (from 0): [batch] int64."""
        if step < 0:
            raise UsageError(f"step {step} cannot be: steps count from 0")
        n = len(self)
        position, end = step * self.batch, (step + 1) * self.batch
        pieces = []
        while position < end:
            epoch, start = divmod(position, n)
            piece = _epoch_order(n, self.seed, epoch)[start : start + end - position]
            pieces.append(piece.astype(np.int64))
            position += len(piece)
        chosen = np.concatenate(pieces)
        return chosen if self._among is None else self._among[chosen]

    def at(self, step: int) -> tuple[Tensor, Tensor | None]:
        """Batch `step` on the device: pictures [rows, C, H, W] float32 in [-1, 1], labels [rows] int64."""
        chosen = self.indices(step)[self.rows]
        pixels = to_device(torch.from_numpy(self._images[chosen]), self.device)
        if self.mirror:  # before the conversion: a quarter of the bytes to move
            pixels = mirror_some(pixels, self.seed, step, self.batch, self.rows)
        labels = None if self._labels is None else to_device(torch.from_numpy(self._labels[chosen]), self.device)
        return to_float(pixels), labels


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on the device; pinned memory lets the copy to a GPU run beside the computation."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def mirror_some(pixels: Tensor, seed: int, step: int, batch: int, rows: slice = slice(None)) -> Tensor:
    """The `rows` of a batch, [N, C, H, W] integers, each flipped with probability 1/2, drawn from (seed, step)."""
    return _mirrored(pixels, to_device(torch.from_numpy(_coins(batch, seed, step)[rows]), pixels.device))


def _mirrored(pixels: Tensor, coins: Tensor) -> Tensor:
    """[N, C, H, W] integers, flipped left to right where [N] bool says so."""
    if pixels.dtype == torch.uint16:  # for which torch has few operations
        return _mirrored(pixels.view(torch.int16), coins).view(torch.uint16)
    return torch.where(coins[:, None, None, None], pixels.flip(3), pixels)


@lru_cache(maxsize=2)  # a batch may reach into the next epoch
def _epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.int32] | NDArray[np.int64]:
    """A shuffle of 0 to n - 1. Sorting raw Philox words gives the same one in every version of numpy."""
    order = np.argsort(_random_words(n, seed, _ORDER, epoch), kind="stable")
    return order.astype(np.int32) if n < 2**31 else order


def _coins(count: int, seed: int, step: int) -> NDArray[np.bool_]:
    return np.asarray(_random_words(count, seed, _COINS, step) >> np.uint64(63), np.bool_)


def _random_words(count: int, seed: int, stream: int, number: int) -> NDArray[np.uint64]:
    return np.random.Philox(np.random.SeedSequence((seed, stream, number))).random_raw(count)
