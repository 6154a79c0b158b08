"""What is looked at in a generated picture before it is kept: its class, how real D finds it, whether it is a copy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.evaluation.feature_training import load
from ganvas.evaluation.features import Features
from ganvas.evaluation.metrics.modes import SURE
from ganvas.images import Integers
from ganvas.networks.contract import Discriminator
from ganvas.synthetic.copies import CopyFilter

AT_ONCE = 64

Numbers = NDArray[np.float64]


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
    copies: CopyFilter

    def look(self, images: Integers, asked: int | None) -> Seen:
        """images: [N, C, H, W], drawn as the class `asked`, or by a generator that knows none."""
        probabilities = self.features.probabilities(images)
        assert probabilities is not None, "sets are only made for data with classes"
        likeliest = probabilities.argmax(1)
        classes = likeliest if asked is None else torch.full_like(likeliest, asked)
        certainty = probabilities.gather(1, classes[:, None])[:, 0].double().numpy()
        agrees = certainty > SURE if asked is None else (likeliest == classes).numpy()
        return Seen(classes.numpy(), certainty, agrees, self._logits(images, None if asked is None else classes))

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
