"""How much of a run is done: by images shown, or by the wall time of the whole command."""

from __future__ import annotations

import time

DEFAULT_MINUTES = 10.0
TRAINING_SHARE = 0.75  # of --minutes, at the least; starting and judging must fit into the rest


def training_seconds(minutes: float, *, spent_s: float, finishing_s: float, probed_s: float = 0.0) -> float:
    """What `--minutes` leaves for training after the start, which took `spent_s`, and before the verdict and report.

    probed_s: how much of the start was a probe, which counts as neither.
    """
    return max(60 * minutes - spent_s - finishing_s, TRAINING_SHARE * (60 * minutes - probed_s))


class Budget:
    """Progress from 0 to 1, by images where they are given, else by seconds of training."""

    def __init__(self, *, images: int | None, training_s: float, used_s: float = 0.0) -> None:
        """`used_s`: training seconds of an earlier part of the run, spent from the same budget."""
        self.images = images
        self.training_s = training_s
        self.used_s = used_s
        self._began = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, an earlier part of a resumed run included."""
        return self.used_s + time.monotonic() - self._began

    def progress(self, images_seen: int) -> float:
        """Share of the run that is done, in [0, 1]."""
        if self.images is not None:
            return min(1.0, images_seen / self.images)
        return min(1.0, self.elapsed_s / self.training_s)

    def done(self, images_seen: int) -> bool:
        return self.progress(images_seen) >= 1.0
