"""Settings that move while a network is trained: pure functions of progress, which runs from 0 to 1.

A value depends on the progress alone, so a resumed run continues exactly where it stopped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def cosine(start: float, end: float, progress: float, until: float = 1.0) -> float:
    """From `start` to `end` along half a cosine over the first `until` of the run, then `end`.

    progress: from 0 to 1, of the whole run. until: above 0 up to 1; 0 gives `end` at once. Both ends are met exactly.
    """
    if progress >= until:
        return end
    share = max(0.0, progress) / until
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Scheduled:
    """What the settings are at one moment of a run."""

    learning_rate: float
    gamma: float  # of R1 and R2
    beta2: float  # of Adam
    half_life: float  # of the average of G, in images; 0: the average is G itself
    augment: float  # probability that a picture is augmented


@dataclass(frozen=True)
class R3ganSchedule:
    """How R3GAN moves five settings along one cosine each (Huang et al., 2024, appendix D): (start, end) of every one.

    Early on, G changes fast: a strong penalty, a short memory in Adam and in the average, no augmentation. All reach
    their end at `until` of the run. The penalty ends at a tenth of where it starts in every published run.
    """

    gamma: tuple[float, float]
    half_life: tuple[float, float] = (0.0, 500_000.0)
    augment: tuple[float, float] = (0.0, 0.3)
    learning_rate: tuple[float, float] = (2e-4, 5e-5)
    beta2: tuple[float, float] = (0.9, 0.99)
    until: float = 1.0

    def at(self, progress: float) -> Scheduled:
        """The settings when `progress` of the run, from 0 to 1, is over."""
        return Scheduled(
            learning_rate=cosine(*self.learning_rate, progress, self.until),
            gamma=cosine(*self.gamma, progress, self.until),
            beta2=cosine(*self.beta2, progress, self.until),
            half_life=cosine(*self.half_life, progress, self.until),
            augment=cosine(*self.augment, progress, self.until),
        )
