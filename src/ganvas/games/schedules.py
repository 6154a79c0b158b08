"""Settings that move while a network is trained: pure functions of progress, which runs from 0 to 1.

A value depends on the progress alone, so a resumed run continues exactly where it stopped.
"""

from __future__ import annotations

import math


def cosine(start: float, end: float, progress: float, until: float = 1.0) -> float:
    """From `start` to `end` along half a cosine over the first `until` of the run, then `end`.

    So R3GAN moves its learning rate, the gamma of its penalties, beta2 of Adam, the half-life of its average and the
    strength of its augmentation, all over the same share of the run (Huang et al., 2024).

    progress: from 0 to 1, of the whole run. until: above 0 up to 1; 0 gives `end` at once. Both ends are met exactly.
    """
    if progress >= until:
        return end
    share = max(0.0, progress) / until
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
