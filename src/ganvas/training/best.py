"""Which moment of a run was best, and whether anything has been gained lately."""

from __future__ import annotations

import math
from typing import Any


class BestSoFar:
    """The least distance offered, and how many offers have passed without a gain worth the name."""

    def __init__(self, least_gain: float = 0.01) -> None:
        """`least_gain`: share of the distance that must be gained for the run not to count as flat."""
        self.least_gain = least_gain
        self.images: int | None = None  # when the best was
        self.distance = math.inf
        self._mark = math.inf  # the distance to be beaten by `least_gain`
        self._offers_since = 0

    def offer(self, images: int, distance: float) -> bool:
        """Whether this distance is the least so far. One that is not finite never is."""
        better = math.isfinite(distance) and distance < self.distance
        if better:
            self.images, self.distance = images, distance
        if math.isfinite(distance) and distance < self._mark * (1 - self.least_gain):
            self._mark, self._offers_since = distance, 0
        else:
            self._offers_since += 1
        return better

    def flat(self, patience: int) -> bool:
        """Whether the last `patience` offers together gained less than `least_gain`."""
        return self._offers_since >= patience

    def forget_after(self, images: int) -> None:
        """After going back to an earlier moment: patience begins anew. The best stays the best."""
        if self.images is None or self.images > images:
            self._mark = math.inf
        self._offers_since = 0

    def to_json(self) -> dict[str, Any]:
        """All there is to remember, for a checkpoint; what is not a number yet is None."""
        return {
            "least_gain": self.least_gain,
            "images": self.images,
            "distance": self.distance if self.images is not None else None,
            "mark": self._mark if math.isfinite(self._mark) else None,
            "offers_since": self._offers_since,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> BestSoFar:
        """Undo `to_json`."""
        best = cls(float(kept["least_gain"]))
        best.images = kept["images"]
        best.distance = math.inf if kept["distance"] is None else float(kept["distance"])
        best._mark = math.inf if kept["mark"] is None else float(kept["mark"])
        best._offers_since = int(kept["offers_since"])
        return best
