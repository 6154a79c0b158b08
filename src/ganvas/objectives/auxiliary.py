"""What D's second heads learn: pure functions, one value per picture, to be minimised beside an adversarial objective.

Each is a negative log likelihood in nats, constants included, so that its value can be read: a head that knows nothing
scores the entropy of what it guesses (log K for K classes, 1.42 for a standard normal code), and the entropy minus the
loss is a lower bound of the mutual information between picture and code (Chen et al., 2016, equation 4).
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


def class_loss(class_logits: Tensor, labels: Tensor) -> Tensor:
    """-log P(label | picture): [N, K], [N] int64 -> [N]; log K of a blind classifier (Odena et al., 2017, equation 3).

    In an AC-GAN D minimises it on reals and fakes, G on fakes.
    """
    return F.cross_entropy(class_logits.float(), labels, reduction="none")


def category_loss(category_logits: Tensor, category: Tensor) -> Tensor:
    """-log Q(category | picture): [N, K], [N] int64 -> [N] (Chen et al., 2016, equation 5).

    In an InfoGAN G and Q minimise it together, on fakes alone: only of those the category is known.
    """
    return class_loss(category_logits, category)


def gaussian_code_loss(mean: Tensor, log_std: Tensor, codes: Tensor) -> Tensor:
    """-log N(codes; mean, std^2), summed over the codes: [N, M] three times -> [N] (Chen et al., 2016, equation 5).

    M (1 + log 2 pi) / 2 = 1.42 M, the entropy of M standard normal codes, is what a blind Q scores on average.
    To be weighed less than the category, by a tenth or so: a number can be read back ever more exactly, so this loss
    has no floor, and at equal weight G writes it into its pictures at their expense.
    """
    mean, log_std, codes = mean.float(), log_std.float(), codes.float()
    deviations = (codes - mean) * (-log_std).exp()
    return (0.5 * deviations.square() + log_std + HALF_LOG_TAU).sum(dim=1)
