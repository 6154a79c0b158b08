"""Which weight of the R1 and R2 penalties to begin with, by the size of the pictures and the batch: advice, no more.

The same D on pictures of twice the side has a quarter of the slope at each of four times the pixels, so the squared
length of its gradient falls to a quarter: gamma must grow with the pixels to weigh the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganvas.settings import TrainSettings

WEIGHTS = ("r1_gamma", "r2_gamma")
ROW_SIDE = 32  # pixels on a side: about those at which the recipes' own gammas were tried
R3GAN_AT_64, R3GAN_POWER, R3GAN_LEAST_SIDE = 1.5, 3.3, 32
FEW = 5_000  # pictures
WORTH_SAYING = 5.0  # times the gamma that is used, or a share of it as small


@dataclass(frozen=True)
class Suggestion:
    """A weight of R1 (and of R2, where both are used), and where it comes from in words."""

    gamma: float
    why: str


def suggest_gamma(settings: TrainSettings, row: Mapping[str, Any], pictures: int) -> Suggestion | None:
    """A gamma for the resolution and batch of `settings`; None for a recipe without R1 and R2.

    row: the cells of the recipe, whose gamma is the measure for networks of its size. pictures: to train on. They
    change the words alone: few let D overfit, which a larger gamma delays, but no published rule says by how much.
    """
    own = max((float(row.get(name, 0.0)) for name in WEIGHTS), default=0.0)
    used = [name for name in WEIGHTS if getattr(settings, name)]
    if not own or not used or settings.resolution is None:
        return None
    height, width = settings.resolution
    if settings.objective == "relativistic" and len(used) == 2:
        gamma = r3gan_gamma(height, width)
        rule = "between the five that R3GAN was published with, for 32 to 256 pixels (Huang et al., 2024)"
    else:
        batch = int(row.get("batch", settings.batch))
        pixels = max(height * width, ROW_SIDE**2)  # for fewer, a smaller gamma did worse (digits at 16x16)
        gamma = own * pixels / ROW_SIDE**2 * batch / settings.batch
        theirs = stylegan2_gamma(height, width, settings.batch)
        rule = (
            f"the recipe's {own:g}, tried at about {ROW_SIDE} pixels, times the pixels and over the batch as "
            f"StyleGAN2's rule goes (for its larger networks that rule says {theirs:.2g}; "
            "Karras et al., 2020)"
        )
    few = f"; {pictures} pictures are few: rather more than less" if pictures < FEW else ""
    return Suggestion(
        gamma,
        f"the suggestion for {height}x{width} pixels in batches of {settings.batch} is about {gamma:.2g}: {rule}{few}",
    )


def stylegan2_gamma(height: int, width: int, batch: int) -> float:
    """R1's weight by StyleGAN2's rule: 0.0002 times the pixels, over the batch (Karras et al., 2020, ADA)."""
    return 0.0002 * height * width / batch


def r3gan_gamma(height: int, width: int) -> float:
    """The first weight of R1 and R2 in R3GAN, by a power of the side that is fitted to its published values.

    Within a factor of 3.4 of each of them: 0.05 and 0.5 at 32 pixels, 2 and 1 at 64, 150 at 256. Below 32: that of 32.
    """
    side = max(math.sqrt(height * width), R3GAN_LEAST_SIDE)
    return R3GAN_AT_64 * float((side / 64) ** R3GAN_POWER)


def advice(settings: TrainSettings, row: Mapping[str, Any], pictures: int) -> str:
    """What to say of the gamma before a run that does not probe; "" where the suggestion is not far from it."""
    suggestion = suggest_gamma(settings, row, pictures)
    if suggestion is None:
        return ""
    used = max(float(getattr(settings, name)) for name in WEIGHTS)
    if 1 / WORTH_SAYING < suggestion.gamma / used < WORTH_SAYING:
        return ""
    return f"gamma is {used:g}; {suggestion.why}"
