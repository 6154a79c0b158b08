"""Adversarial objectives: pure functions on logits, [N], [N] -> [N], one value per image, to be minimised.

Each objective is a pair: what D minimises and what G minimises. Both take the logits of real and of generated pictures;
G's side uses the reals only where the objective is relativistic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ganvas.objectives.relativistic_average import relativistic_average_d_loss, relativistic_average_g_loss
from ganvas.settings import ObjectiveName

Loss = Callable[[Tensor, Tensor], Tensor]


class Objective(NamedTuple):
    """What D and what G minimise."""

    d_loss: Loss
    g_loss: Loss


def minimax_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))) with D = sigmoid(logit); 2 log 2 if D is blind (Goodfellow et al., 2014, eq. 1)."""
    return F.softplus(-real_logits) + F.softplus(fake_logits)


def minimax_g_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """log(1 - D(G(z))): the saturating original, whose gradient vanishes where D is sure (Goodfellow et al., 2014)."""
    return -F.softplus(fake_logits)


def non_saturating_g_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log D(G(z)): the same fixed point, a gradient that stays (Goodfellow et al., 2014, section 3)."""
    return F.softplus(-fake_logits)


def least_squares_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """1/2 (D(x) - 1)^2 + 1/2 D(G(z))^2 (Mao et al., 2017, eq. 9)."""
    return 0.5 * (real_logits - 1).square() + 0.5 * fake_logits.square()


def least_squares_g_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """1/2 (D(G(z)) - 1)^2 (Mao et al., 2017, eq. 9)."""
    return 0.5 * (fake_logits - 1).square()


def wasserstein_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """f(G(z)) - f(x): minus the estimate of the Wasserstein distance (Arjovsky et al., 2017, algorithm 1)."""
    return fake_logits - real_logits


def wasserstein_g_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-f(G(z)) (Arjovsky et al., 2017, algorithm 1); also G's side of the hinge objective."""
    return -fake_logits


def hinge_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim and Ye, 2017; Miyato et al., 2018, eq. 16)."""
    return F.relu(1 - real_logits) + F.relu(1 + fake_logits)


def relativistic_d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """softplus(D(G(z)) - D(x)) on pairs: a real must beat its fake (Jolicoeur-Martineau, 2019; Huang et al., 2024)."""
    return F.softplus(fake_logits - real_logits)


def relativistic_g_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """softplus(D(x) - D(G(z))) on pairs."""
    return F.softplus(real_logits - fake_logits)


OBJECTIVES: dict[ObjectiveName, Objective] = {
    "minimax": Objective(minimax_d_loss, minimax_g_loss),
    "non_saturating": Objective(minimax_d_loss, non_saturating_g_loss),
    "least_squares": Objective(least_squares_d_loss, least_squares_g_loss),
    "wasserstein": Objective(wasserstein_d_loss, wasserstein_g_loss),
    "hinge": Objective(hinge_d_loss, wasserstein_g_loss),
    "relativistic": Objective(relativistic_d_loss, relativistic_g_loss),
    "relativistic_average": Objective(relativistic_average_d_loss, relativistic_average_g_loss),
}
