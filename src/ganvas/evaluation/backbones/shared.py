"""A network that several processes share: each looks at a part of the pictures, and all get the features of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.metrics.gathering import gathered, in_all, rows_here
from ganvas.images import Integers


@dataclass(frozen=True)
class SharedBackbone:
    """`network` in every process of a group. All must call the same methods in the same order, with equal pictures.

    See `ganvas.evaluation.backbones.contract.Backbone` for the words and the methods.
    """

    network: Backbone

    @property
    def name(self) -> str:
        """That of the network, as all that follow: who looked does not change a number."""
        return self.network.name

    @property
    def hash(self) -> str:
        """See `Backbone.hash`."""
        return self.network.hash

    @property
    def features(self) -> int:
        """See `Backbone.features`."""
        return self.network.features

    @property
    def resize(self) -> str:
        """See `Backbone.resize`."""
        return self.network.resize

    @property
    def value_range(self) -> str:
        """See `Backbone.value_range`."""
        return self.network.value_range

    def extract(self, images: Integers, batch: int = 64, rows: NDArray[np.int64] | None = None) -> Tensor:
        """As `Backbone.extract`; no picture is looked at twice."""
        rows = np.arange(len(images)) if rows is None else rows
        ours = np.asarray(rows_here(len(rows)), np.int64)
        return gathered(torch.from_numpy(ours), self.network.extract(images, batch, rows[ours]), len(rows))

    def probabilities(self, images: Integers, batch: int = 64, rows: NDArray[np.int64] | None = None) -> Tensor | None:
        """As `Backbone.probabilities`."""
        return self.probabilities_of(self.extract(images, batch, rows))

    def probabilities_of(self, features: Tensor) -> Tensor | None:
        """As `Backbone.probabilities_of`; every process computes them."""
        return self.network.probabilities_of(features)

    def all_have(self, kept: bool) -> bool:
        """Whether every process has features that were kept: only then does none of them need to look."""
        return in_all(kept)
