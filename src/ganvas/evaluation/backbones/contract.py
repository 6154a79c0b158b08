"""What a feature network is to the metrics: pictures in, one row of features each out, and a name for the passport.

The network's own way of resizing belongs to it: the same weights behind another resize give other numbers, so both
stand in the passport of every number measured in it.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ganvas.images import Integers


@runtime_checkable
class Backbone(Protocol):
    """A fixed map from pictures to features ("backbone"). Numbers of unlike backbones are never compared."""

    @property
    def name(self) -> str:
        """Which network, such as "inception-v3-fid"."""

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of its weights."""

    @property
    def features(self) -> int:
        """F: how many features a picture has."""

    @property
    def resize(self) -> str:
        """What is done to a picture before the network sees it, in words: channels, bits, size."""

    @property
    def value_range(self) -> str:
        """The range in which the network sees it, in words."""

    def extract(self, images: Integers, batch: int = 64, rows: NDArray[np.int64] | None = None) -> Tensor:
        """[N, C, H, W] uint8 or uint16 -> [N, F] float32 on the CPU; `rows`: only those pictures, in that order.

        A picture's features do not depend on its batch. Raises GanvasError for pictures that the network cannot see.
        """

    def probabilities(self, images: Integers, batch: int = 64, rows: NDArray[np.int64] | None = None) -> Tensor | None:
        """As `extract` -> [N, K] class probabilities, float32 on the CPU; None for a network without classes."""

    def probabilities_of(self, features: Tensor) -> Tensor | None:
        """[N, F] as `extract` gives them -> [N, K] as `probabilities`: spares the network a second pass."""
