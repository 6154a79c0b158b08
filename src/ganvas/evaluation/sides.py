"""Two sets of pictures as they are compared: the samples, and the real ones they should resemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.rows import spread
from ganvas.images import Integers

MOST_IN_PIXELS = 2_000  # pictures a side for measures that look at pixels: each is slow and soon steady

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Side:
    """Pictures with what a network saw in them."""

    images: Integers  # where its pictures lie: [M, C, H, W]
    rows: NDArray[np.int64]  # which of them they are: [N]
    features: Tensor  # [N, F]
    probabilities: Tensor | None  # [N, K], of a classifier of the data's own classes
    labels: Tensor | None  # [N], the class each is meant to be

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, chosen: slice) -> Side:
        """Part of it."""
        return Side(
            self.images,
            self.rows[chosen],
            self.features[chosen],
            None if self.probabilities is None else self.probabilities[chosen],
            None if self.labels is None else self.labels[chosen],
        )

    def pictures(self, most: int = MOST_IN_PIXELS) -> Integers:
        """At most so many of its pictures, spread evenly: [n, C, H, W]."""
        return cast(Integers, np.ascontiguousarray(self.images[self.rows[spread(len(self), most)]]))

    def labels_of_pictures(self, most: int = MOST_IN_PIXELS) -> NDArray[np.int64] | None:
        """Of those that `pictures` gives."""
        return None if self.labels is None else self.labels.numpy()[spread(len(self), most)]


@dataclass(frozen=True)
class Measured:
    """A number, of how many pictures it is, and where other samples could have put it 19 times of 20."""

    value: float
    samples: int
    reference_samples: int
    interval: Bounds | None = None


def in_manifold(count: int, most: int) -> Tensor:
    """Row numbers, spread evenly: [min(count, most)]."""
    return torch.from_numpy(spread(count, most))
