"""May pictures of a set be shown mirrored? Only if nobody could tell a mirrored one from the others.

A straight line through simple features is taught to tell pictures from their mirror images on one half of the set
and asked about the other half. Right half of the time: mirroring shows nothing new. Mostly right: the set has text,
digits, a heart on the left; mirrored it would show what never occurs ("visual chirality", Lin et al., CVPR 2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LEAST_PICTURES = 40
UNSAFE_ABOVE = 0.62  # faces of cats have 0.60, emoji 0.64, digits 0.98
LEAST_SIGMAS = 4.0
_RIDGE = 0.1  # of the mean variance, added to each feature's
_ORIENTATIONS = 8


@dataclass(frozen=True)
class MirrorSafety:
    """verdict: in one word. accuracy: how often a mirrored picture is told, 0.5 is guessing. error: one sigma of it."""

    verdict: Literal["safe", "unsafe", "unknown"]
    accuracy: float | None
    error: float | None
    pictures: int

    @property
    def words(self) -> str:
        """One sentence."""
        if self.accuracy is None:
            return f"{self.pictures} pictures are not enough to tell whether they may be mirrored"
        told = f"a simple test tells {self.accuracy:.0%} of them from the others"
        if self.verdict == "unsafe":
            return (
                f"mirroring would show what never occurs (text, asymmetric things, light from one side): {told}; "
                "leave it off"
            )
        return f"mirrored pictures look much like the others ({told}, 50% is guessing)"


def mirror_safety(thumbnails: NDArray[np.uint8]) -> MirrorSafety:
    """[N, 16, 16, 3] uint8, no two alike -> whether the set is the same mirrored."""
    count = len(thumbnails)
    if count < LEAST_PICTURES:
        return MirrorSafety("unknown", None, None, count)
    grey = thumbnails.astype(np.float32).mean(axis=3) / 255
    difference = _features(grey) - _features(grey[:, :, ::-1])  # [N, F]; of the mirrored picture: the negative
    difference = difference[np.abs(difference).max(axis=1) > 1e-6]  # even ones cannot be told, nor do any harm
    even = count - len(difference)
    right = 0.5 * even
    halves = (difference[::2], difference[1::2])
    for learn, ask in (halves, halves[::-1]):
        if len(learn) and len(ask):
            right += float(np.count_nonzero(ask @ _direction(learn) > 0))
        else:
            right += 0.5 * len(ask)
    accuracy, error = right / count, 0.5 / math.sqrt(count)  # binomial, as if guessed
    unsafe = accuracy > UNSAFE_ABOVE and accuracy - 0.5 > LEAST_SIGMAS * error
    return MirrorSafety("unsafe" if unsafe else "safe", accuracy, error, count)


def _direction(difference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fisher's direction between differences and their negatives, with a ridge: [N, F] -> [F]."""
    second_moment = difference.T @ difference / len(difference)
    second_moment += (
        np.eye(len(second_moment), dtype=np.float32) * _RIDGE * np.trace(second_moment) / len(second_moment)
    )
    direction: NDArray[np.float32] = np.linalg.solve(second_moment, difference.mean(axis=0))
    return direction


def _features(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N, 16, 16] in [0, 1] -> [N, 256 + 128]: the levels, and 8 directions of edges in 4x4 places."""
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    angle = np.mod(np.arctan2(down, right), np.pi) * (_ORIENTATIONS / np.pi)
    lower = np.floor(angle).astype(int) % _ORIENTATIONS
    share = angle - np.floor(angle)
    directions = np.arange(_ORIENTATIONS)
    spread = strength[..., None] * (
        (lower[..., None] == directions) * (1 - share)[..., None]
        + ((lower + 1)[..., None] % _ORIENTATIONS == directions) * share[..., None]
    )
    cells = spread.reshape(len(grey), 4, 4, 4, 4, _ORIENTATIONS).sum(axis=(2, 4)).reshape(len(grey), -1)
    return np.concatenate((grey.reshape(len(grey), -1), cells), axis=1).astype(np.float32)
