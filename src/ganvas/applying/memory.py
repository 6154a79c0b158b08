"""How large a tile may be: found by painting small ones and looking at what they take."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from weakref import WeakKeyDictionary

import numpy as np
import torch

from ganvas.applying.contract import Paints, picture_channels
from ganvas.applying.painting import painted_rows
from ganvas.applying.tiling import Tiling, rounded_up, smallest_tile, tiling_for
from ganvas.errors import UsageError

DEFAULT_LIMIT = 2_000_000_000  # bytes that the whole process may take
LARGEST = 1024  # pixels of a tile's side: larger ones gain nothing
TRIALS = (64, 128, 256)  # sides; the first one warms up
LONGEST_TRIAL_S = 4.0
SAFETY = 0.7  # of what is left is planned with


@dataclass(frozen=True)
class Need:
    """What a network takes, measured: bytes for each pixel of its input."""

    per_pixel: float

    def bytes(self, model: Paints, height: int, width: int, columns: int, batch: int = 1) -> float:
        """While a row of tiles of height x width is painted, `columns` pixels wide, all in pixels of the input."""
        strip = height * columns * model.config.scale**2 * model.config.out_channels * 4
        return batch * self.per_pixel * height * width + 1.5 * strip


_measured: WeakKeyDictionary[Paints, Need] = WeakKeyDictionary()


class Watcher:
    """Within the block, the most memory above that at the beginning: `most`, in bytes."""

    def __init__(self, device: torch.device) -> None:
        self.most, self._device = 0, device
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watcher:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        else:
            self._before = resident_bytes()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._device.type == "cuda":
            self.most = torch.cuda.max_memory_allocated(self._device) - self._before
        else:
            self._ended.set()
            self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.001):
            self.most = max(self.most, resident_bytes() - self._before)


def resident_bytes() -> int:
    """Memory this process holds now; where the system does not tell (macOS), the most it ever held; else 0."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def memory_left(device: torch.device, limit: int | None) -> float:
    """Bytes that painting may take: of `limit` for the whole process, or of what is free.

    Without a limit: up to 2 GB in all, or half of what the machine has left if that is less; of a GPU, half of what is
    free there.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return min(free, limit) if limit else free / 2
    held = resident_bytes()
    if limit is not None:
        return limit - held
    return min(DEFAULT_LIMIT - held, _available() / 2)


def need_of(model: Paints, label: int | None) -> Need:
    """As `measure`, once a model."""
    if model not in _measured:
        _measured[model] = measure(model, label)
    return _measured[model]


def measure(model: Paints, label: int | None) -> Need:
    """Paint tiles of growing size and keep what the last one took for each pixel."""
    config = model.config
    least = 4.0 * (config.in_channels + 2 * config.out_channels * config.scale**2)
    for side in dict.fromkeys(rounded_up(trial, config.multiple) for trial in TRIALS):
        picture = np.zeros((side, side, picture_channels(config)), np.uint8)
        mask = np.ones((side, side), np.bool_) if config.masked else None
        began = time.monotonic()
        with Watcher(model.device) as watcher:
            for _ in painted_rows(model, picture, mask=mask, label=label):
                pass
        per_pixel = max(least, watcher.most / side**2)
        if 4 * (time.monotonic() - began) > LONGEST_TRIAL_S:
            break
    return Need(per_pixel)


def fitting(model: Paints, need: Need, height: int, width: int, left: float, batch: int = 1) -> Tiling | None:
    """The largest tiles that `left` bytes allow for a picture of that size; None if it can be painted whole.

    Raises UsageError if not even the smallest do.
    """
    config, usable = model.config, SAFETY * left
    multiple, smallest = config.multiple, smallest_tile(config)
    rows, columns = rounded_up(height, multiple), rounded_up(width, multiple)
    if need.bytes(model, rows, columns, columns) <= usable:
        return None
    side = max(smallest, min(LARGEST, max(rows, columns)) // multiple * multiple)
    while side > smallest and need.bytes(model, side, side, columns, batch) > usable:
        side = max(smallest, int(side * 0.9) // multiple * multiple)
    needed = need.bytes(model, side, side, columns, batch)
    if needed > usable:
        raise UsageError(
            f"the smallest tile of {side} pixels needs about {needed / SAFETY / 1e6:.0f} MB, and "
            f"{max(left, 0) / 1e6:.0f} MB are left: give a larger --memory, or a smaller --batch"
        )
    return tiling_for(side, config)


def _available() -> float:
    """Bytes that the machine could still give; infinite where it does not tell."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024.0
    except OSError:
        pass
    return float("inf")
