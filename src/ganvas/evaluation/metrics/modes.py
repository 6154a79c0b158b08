"""Which classes were drawn, how surely and how evenly, from a classifier's probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

SURE = 0.9  # a picture is sure when its likeliest class has more than this probability
ENOUGH = 0.1  # a class counts as drawn from this fraction of its share among the real pictures


def class_shares(labels: Tensor, classes: int) -> Tensor:
    """Share of each class: [N] int64 -> [classes] float64 that sum to 1."""
    if len(labels) == 0:
        raise ValueError("no labels were given, expected at least one: judge at least one picture")
    return torch.bincount(labels, minlength=classes).to(torch.float64) / len(labels)


def missing_classes(drawn: Tensor, real_shares: Tensor) -> list[int]:
    """The real classes that were hardly drawn: less than a tenth as often as among the reals, or never.

    drawn: [N] int64, the class of each picture. real_shares: [K]. A single stray picture among thousands does
    not make a class drawn; in a handful it does.
    """
    shares = class_shares(drawn, len(real_shares))
    hardly = (shares < ENOUGH * real_shares) | (shares == 0)
    return [int(i) for i in torch.nonzero(hardly & (real_shares > 0)).flatten()]


def class_coverage(drawn: Tensor, real_shares: Tensor) -> float:
    """Share of the real classes that were drawn (see `missing_classes`), in [0, 1]."""
    present = int((real_shares > 0).sum())
    return 1 - len(missing_classes(drawn, real_shares)) / present


def class_divergence(drawn: Tensor, real_shares: Tensor, real_count: int) -> float:
    """KL(drawn || real) between the class histograms, in nats; 0 means the same mixture.

    A class that no real picture has counts as half a picture there, so that one stray does not make it
    infinite.
    """
    p = class_shares(drawn, len(real_shares))
    q = real_shares.to(torch.float64).clamp_min(0.5 / real_count)
    q = q / q.sum()
    return max(0.0, float(torch.special.xlogy(p, p / q).sum()))


def count_modes(drawn: Tensor, real_shares: Tensor) -> tuple[int, float]:
    """(modes drawn at least once, KL(drawn || real) of their shares in nats): [N] int64, [K] (Srivastava et al., 2017).

    As papers on mode collapse count them; it is infinite if a mode was drawn that the real shares do not have. One
    stray sample makes a mode found, so with few samples a mode compare only counts of as many samples.
    """
    shares = class_shares(drawn, len(real_shares))
    divergence = torch.special.xlogy(shares, shares / real_shares.to(torch.float64)).sum()
    return int((shares > 0).sum()), max(0.0, float(divergence))


def sure_share(probabilities: Tensor) -> float:
    """Share of pictures whose likeliest class has a probability above 0.9: [N, K] -> [0, 1]."""
    return float((probabilities.amax(1) > SURE).to(torch.float64).mean())


def class_agreement(probabilities: Tensor, wanted: Tensor) -> float:
    """Share of pictures that the classifier takes for the class they were drawn as: [N, K], [N] -> [0, 1]."""
    return float((probabilities.argmax(1) == wanted.to(probabilities.device)).to(torch.float64).mean())
