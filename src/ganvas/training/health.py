"""What can be seen from the numbers of a run, in words, and the checks of its first batch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

# Of G's first values: those of networks without a tanh at their end have a spread of 1 or less.
TOO_SPREAD = 1.5


def in_words(stats: Mapping[str, float], objective: str) -> str:
    """What D's answers say about the balance of the game. A loss says nothing about quality, so none is read here."""
    if not all(math.isfinite(value) for value in stats.values()):
        return "diverged: a number is not finite"
    if objective in ("wasserstein", "relativistic", "relativistic_average", "least_squares"):
        gap = stats["real_logit"] - stats["fake_logit"]
        if gap < 0:
            return "D cannot tell them apart just now"
        return f"D rates reals {gap:.2g} above fakes"
    right = stats["d_accuracy"]
    if right > 0.98:
        return "D tells nearly all apart: G learns slowly"
    if right < 0.52:
        return "D is fooled: it must catch up"
    return f"balanced: D is right {right:.0%} of the time"


def is_finite(stats: Mapping[str, float]) -> bool:
    return all(math.isfinite(value) for value in stats.values())


@torch.no_grad()
def check_first_batch(D: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> list[str]:
    """Mistakes that the first batch shows, one line each: wrong range, wrong shape, a sigmoid in D.

    real, fake: [N, C, H, W], both meant to be in [-1, 1].
    """
    found = []
    if real.shape != fake.shape:
        found.append(f"G draws {tuple(fake.shape[1:])} but the pictures are {tuple(real.shape[1:])}")
    if real.min() < -1.001 or real.max() > 1.001:
        found.append(f"real pictures reach from {real.min():.2f} to {real.max():.2f}, outside [-1, 1]")
    elif real.min() >= 0 and real.max() > 0.5:
        found.append("real pictures hold no negative value: they look like [0, 1], not [-1, 1]")
    if fake.std() > TOO_SPREAD:
        found.append(f"G's pictures reach from {fake.min():.2f} to {fake.max():.2f}, meant is about -1 to 1")
    if real.shape == fake.shape:
        # An untrained D may answer between 0 and 1 by chance; only a squeezed one still does a millionfold.
        answers = torch.cat([D(scale * images, labels) for scale in (1, 1e6) for images in (real, fake)])
        squeezed = answers.min() >= 0 and answers.max() <= 1 and answers.std() > 0.01
        if squeezed or isinstance(list(D.modules())[-1], nn.Sigmoid):
            found.append("D answers between 0 and 1: it should give logits, without a sigmoid at its end")
    return found
