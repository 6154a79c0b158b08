"""What is looked at in a generated picture before it is kept: its class, how real D finds it, whether it is a copy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.evaluation.feature_training import load
from ganvas.evaluation.features import Features
from ganvas.evaluation.metrics.modes import SURE
from ganvas.evaluation.nearest import (
    MOST_COMPARED,
    MOST_SEARCHED,
    NEIGHBOURS,
    copy_threshold,
    neighbours,
    pixel_pieces,
    pixel_vectors,
)
from ganvas.evaluation.rows import spread
from ganvas.images import Integers
from ganvas.networks.contract import Discriminator

if TYPE_CHECKING:
    from ganvas.data.store import Store

FEWEST_UNSEEN = 8  # held-out pictures that can set the scale of closeness
IN_MEMORY = 256 << 20  # bytes of training pictures kept ready for the search
AT_ONCE = 64

Numbers = NDArray[np.float64]


class Copies:
    """Tells pictures that are nearer to one training picture than real pictures come (see `evaluation.nearest`)."""

    def __init__(self, store: Store) -> None:
        self._images = store.train.images
        self._rows = spread(len(self._images), MOST_SEARCHED)
        self._pieces: list[Tensor] | None = None
        bytes_a_picture = 4 * pixel_vectors(self._images, self._rows[:1]).shape[1]
        if bytes_a_picture * len(self._rows) <= IN_MEMORY:
            self._pieces = list(pixel_pieces(self._images, self._rows))
        held_out = store.held_out if store.held_out_count >= FEWEST_UNSEEN else None
        if held_out is not None:
            queries, own = pixel_vectors(held_out.images, spread(len(held_out), MOST_COMPARED)), None
        else:
            chosen = spread(len(self._rows), MOST_COMPARED)
            queries, own = pixel_vectors(self._images, self._rows[chosen]), torch.from_numpy(chosen)
        self.threshold = copy_threshold(neighbours(queries, self._base(), NEIGHBOURS, own).closeness())

    def closeness(self, images: Integers) -> Numbers:
        """Nearest distance over the mean of the 50 nearest: [N, C, H, W] -> [N] in [0, 1]; 0 for an exact copy."""
        if not len(images):
            return np.empty(0)
        return neighbours(pixel_vectors(images), self._base(), NEIGHBOURS).closeness().double().numpy()

    def _base(self) -> list[Tensor] | Iterator[Tensor]:
        return pixel_pieces(self._images, self._rows) if self._pieces is None else self._pieces


def copy_scale(store: Store) -> str:
    """Which real pictures say how near to a training picture honest ones come."""
    if store.held_out_count >= FEWEST_UNSEEN:
        return "held-out pictures"
    return "training pictures, each left out of its own search"


@dataclass(frozen=True)
class Seen:
    """Candidates as the filters see them: [N] each.

    classes: the one asked for, or where none was, the one that the classifier sees. certainty: its probability.
    agrees: whether the classifier sees the class that was asked for, or without one, is over 90 % sure. logits: of D,
    larger is more real; zeros without D.
    """

    classes: NDArray[np.int64]
    certainty: Numbers
    agrees: NDArray[np.bool_]
    logits: Numbers


@dataclass(frozen=True)
class Filters:
    """features: with a classifier of the wanted classes. D: None to keep whatever it would think."""

    features: Features
    D: Discriminator | None
    copies: Copies

    def look(self, images: Integers, asked: int | None) -> Seen:
        """images: [N, C, H, W], drawn as the class `asked`, or by a generator that knows none. Copies: see `copied`."""
        probabilities = self.features.probabilities(images)
        if probabilities is None:
            raise GanvasError("the pictures have no classes to tell apart: give --data with labelled pictures")
        likeliest = probabilities.argmax(1)
        classes = likeliest if asked is None else torch.full_like(likeliest, asked)
        certainty = probabilities.gather(1, classes[:, None])[:, 0].double().numpy()
        agrees = certainty > SURE if asked is None else (likeliest == classes).numpy()
        return Seen(classes.numpy(), certainty, agrees, self._logits(images, None if asked is None else classes))

    def copied(self, images: Integers) -> NDArray[np.bool_]:
        """Which of them are nearer to a training picture than real pictures come: [N, C, H, W] -> [N]."""
        return self.copies.closeness(images) <= self.copies.threshold

    def _logits(self, images: Integers, labels: Tensor | None) -> Numbers:
        if self.D is None:
            return np.zeros(len(images))
        device = next(self.D.parameters()).device
        found = []
        with torch.inference_mode():
            for start in range(0, len(images), AT_ONCE):
                rows = np.arange(start, min(start + AT_ONCE, len(images)))
                c = None if labels is None else labels[start : start + AT_ONCE].to(device)
                logits = self.D(load(images, rows, device), c)
                found.append(logits.reshape(len(rows), -1).mean(1).double().cpu())  # of several judgements their mean
        together: Numbers = torch.cat(found).numpy()
        if not np.isfinite(together).all():
            raise GanvasError("the discriminator gives no finite numbers: use --keep 1 to do without it")
        return together


def digest(picture: Integers) -> str:
    """The same for pictures that are equal: [C, H, W] -> 16 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()[:16]
