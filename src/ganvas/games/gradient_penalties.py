"""The penalties on D's gradient that the settings weigh, and how R1 and R2 fade over a burn-in."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ganvas.games.noise import Draws
from ganvas.games.schedules import cosine
from ganvas.objectives.dragan import dragan_penalty, perturbed
from ganvas.objectives.penalties import gradient_penalty, interpolate, r1_penalty, r2_penalty
from ganvas.settings import TrainSettings

PENALTIES = ("r1_gamma", "r2_gamma", "gp_weight", "dragan_weight")

Judged = tuple[Tensor, Tensor]  # pictures [N, C, H, W] that require a gradient where they are penalised, logits [N]


def gradient_penalties(
    settings: TrainSettings,
    progress: float,
    real: Judged,
    fake: Judged,
    judge: Callable[[Tensor], Tensor],
    random: Draws,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighed sum, a scalar, and each by name. judge: D's logits, in full precision, on further pictures."""
    total, stats = real[1].new_zeros(()), dict[str, Tensor]()
    left = cosine(1.0, settings.gamma_final, progress, settings.burn_in) if settings.burn_in else 1.0
    if settings.r1_gamma:
        r1 = r1_penalty(*real).mean()
        total, stats["r1"] = total + left * settings.r1_gamma / 2 * r1, r1.detach()
    if settings.r2_gamma:
        r2 = r2_penalty(*fake).mean()
        total, stats["r2"] = total + left * settings.r2_gamma / 2 * r2, r2.detach()
    if settings.gp_weight:
        between = interpolate(real[0], fake[0], random.uniform(len(real[0])))
        gp = gradient_penalty(between, judge(between)).mean()
        total, stats["gp"] = total + settings.gp_weight * gp, gp.detach()
    if settings.dragan_weight:
        around = perturbed(real[0], random.normal(len(real[0]), *real[0].shape[1:]))
        dragan = dragan_penalty(around, judge(around)).mean()
        total, stats["dragan"] = total + settings.dragan_weight * dragan, dragan.detach()
    return total, stats
