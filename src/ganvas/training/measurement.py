"""What one inspection of a run found: numbers by name, what the names mean, and how often to look. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEANINGS: dict[str, str] = {
    "spread": "variance of G_ema's pictures over that of the reals, in features: 1 is as diverse, 0 all the same",
    "spread_within": "the same inside the classes that were asked for",
    "raw_spread": "spread of G's own pictures, not averaged over time",
    "pixel_spread": "variance of G_ema's pixels over that of the reals",
    "twin_share": "share of pairs of G_ema's pictures that are nearly the same picture",
    "real_twin_share": "the same of the reals",
    "far": "squared distance of the mean features of G_ema's pictures and the reals, over the reals' variance",
    "coverage": "share of the reals with a picture of G_ema as near as their fifth neighbour",
    "copy_share": "share of G_ema's pictures much nearer to one of the watched reals than reals are to each other",
    "saturation": "share of G_ema's values above 0.99 in size",
    "real_saturation": "the same of the reals",
    "ema_raw": "distance of G_ema's pictures and G's, root mean square, over the reals' pixel spread",
    "moving": "distance of G_ema's weights and G's over the length of G's: how far G moved lately",
    "d_right": "share of pairs of a real and a fake of which D rates the real higher: 0.5 is blind, 1 all",
    "margin": "mean logit of the reals less that of the fakes",
    "logit_size": "largest logit in size",
    "real_sign": "mean sign of D's logits on training reals (r_t of Karras et al., 2020)",
    "held_gap": "how far D takes held-out reals for fakes (r_v of Karras et al., 2020): 0 not at all, 1 quite",
    "held_sigmas": "the difference of D's logits on training and held-out reals, in standard errors",
    "g_grad": "length of G's gradient in the last step",
    "d_grad": "length of D's gradient in the last step",
    "grad_ratio": "G's over D's",
    "class_coverage": "share of the classes expected among the samples that a classifier finds there",
    "class_agreement": "share of the samples that a classifier takes for the class that was asked for",
    "error": "root mean square difference of what is painted and its target, over that of two targets: 0 is the same",
    "changed": "root mean square difference of what is painted and the input, over that of the target: 0 is untouched",
    "beside_input": "root mean square difference from the target, over that of the input as it is: below 1 is better",
    "contrast_of_chance": "cross entropy of patches that find where they come from, over that of guessing",
    "distance": "distance to the reals, as judged",
    "nearest_copy_share": "share of the samples unusually near to one training picture, as judged",
    "real_copy_share": "the same of reals that were left out",
    "not_finite": "how many of these numbers were not finite and are left out",
}


@dataclass(frozen=True)
class Measurement:
    """What one inspection found, after so many images; JSON can hold it. The names stand in `MEANINGS`."""

    images: int
    numbers: Mapping[str, float]

    @classmethod
    def of(cls, images: int, numbers: Mapping[str, float]) -> Measurement:
        """Numbers that are not finite are counted in `not_finite` and left out: JSON has no word for them."""
        finite = {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
        return cls(images, {**finite, "not_finite": float(len(numbers) - len(finite))})

    def plus(self, **numbers: float) -> Measurement:
        """The same with more numbers, such as the distance and copy share of a judge."""
        before = {name: value for name, value in self.numbers.items() if name != "not_finite"}
        together = Measurement.of(self.images, {**before, **numbers})
        lost = together.numbers["not_finite"] + self.numbers.get("not_finite", 0.0)
        return Measurement(self.images, {**together.numbers, "not_finite": lost})

    def to_json(self) -> dict[str, Any]:
        """{"images": ..., "numbers": {...}}, exactly."""
        return {"images": self.images, "numbers": dict(self.numbers)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Measurement:
        """Undo `to_json`."""
        return cls(int(kept["images"]), {name: float(value) for name, value in kept["numbers"].items()})


LEAST_IMAGES, MOST_IMAGES, LEAST_STEPS = 3_200, 50_000, 25


def inspection_interval(total_images: int | None, images_per_step: int, least: int = LEAST_IMAGES) -> int:
    """Images between inspections: 1.5 % of the run, or 10 000 where its length is not known.

    At least 3 200, below which inspecting takes more than 2 % of the time, and at least 25 steps, so that patience in
    inspections is patience with the game; else at most 50 000. `images_per_step`: batch times D turns. `least`: other
    than 3 200, where an inspection costs less beside a step.
    """
    wanted = 10_000 if total_images is None else total_images * 3 // 200
    return max(min(max(wanted, least), MOST_IMAGES), LEAST_STEPS * images_per_step)
