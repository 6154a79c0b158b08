"""Where the discriminator looks: saliency and occlusion of some real and some generated pictures, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganvas.evaluation.rows import spread
from ganvas.explaining.occlusion import occlusion, patch_size
from ganvas.explaining.pictures import Tiles, heat, over, rows, tiles
from ganvas.explaining.saliency import (
    border_share,
    half_area,
    half_area_of_noise,
    places,
    saliency,
    smooth_saliency,
)
from ganvas.explaining.subject import Pictures, Show, Subject

SHOWN = 8
MUCH_MORE = 1.25  # times as much counts as a difference worth a word


@dataclass(frozen=True)
class Looked:
    """Maps [N, H, W] of some pictures. occlusion is in logits, the others in logits per unit of a pixel's value.

    changes: [N], the largest change of the logit, up or down, by hiding one patch.
    """

    shown: Pictures
    saliency: Tensor
    smooth: Tensor
    occlusion: Tensor
    changes: Tensor

    @property
    def half_area(self) -> float:
        return half_area(places(self.smooth))

    @property
    def largest_change(self) -> float:
        """The most that hiding one patch changes a logit by, mean over the pictures."""
        return float(self.changes.double().mean())

    def to_json(self) -> dict[str, Any]:
        share, area = border_share(self.smooth)
        return {
            "numbers": self.shown.numbers.tolist(),
            "half_of_saliency_in_area": self.half_area,
            "border_share": share,
            "border_area": area,
            "mean_largest_change_by_hiding": self.largest_change,
        }


@dataclass(frozen=True)
class Looks:
    """The same for real pictures and for samples, and the gap that the changes are to be seen beside."""

    real: Looked
    fake: Looked
    gap: float  # mean logit of real pictures less that of samples
    even: float  # the half area of slopes that are noise
    patch: tuple[int, int]

    def sheet(self, which: Looked) -> Tiles:
        """Pictures, saliency, smoothed saliency and occlusion below each other."""
        largest = max(float(side.occlusion.abs().max()) for side in (self.real, self.fake))
        pictures = tiles(which.shown.images)
        return rows(pictures, heat(which.saliency), heat(which.smooth), over(pictures, which.occlusion, largest))

    @property
    def words(self) -> list[str]:
        real, fake = self.real.half_area, self.fake.half_area
        said = []
        if math.isfinite(real) and math.isfinite(fake):
            said.append(
                f"Half of what would move the discriminator's judgement lies in {100 * real:.0f} % of the area of real "
                f"pictures and in {100 * fake:.0f} % of that of samples; if it looked everywhere alike, it would be "
                f"{100 * self.even:.0f} %."
            )
        else:
            said.append("The discriminator's judgement has no slope here: it is saturated, or does not look at pixels.")
        for what, side in (("real pictures", self.real), ("samples", self.fake)):
            share, area = border_share(side.smooth)
            if share > MUCH_MORE * area:
                said.append(
                    f"On {what} it looks at the border more than its area explains: {100 * share:.0f} % of the "
                    f"saliency in {100 * area:.0f} % of the pixels. Frames or padding may give pictures away."
                )
        down, across = self.patch
        said.append(
            f"Hiding the place of {down}x{across} pixels that counts most changes the judgement by "
            f"{self.real.largest_change:.2g} on a real picture and by {self.fake.largest_change:.2g} on a sample, on "
            f"average; real pictures and samples lie {self.gap:.2g} apart."
        )
        return said

    def to_json(self) -> dict[str, Any]:
        sides = {"real": self.real.to_json(), "fake": self.fake.to_json()}
        even = {"half_of_noise_in_area": self.even}
        return {**sides, **even, "logit_gap": self.gap, "patch": list(self.patch)}


def look(subject: Subject, reals: Pictures, samples: Pictures, show: Show) -> Looks:
    """Of eight real pictures spread over the set, and of the first eight samples."""
    store = subject.store
    patch = patch_size(store.height, store.width)
    sides = [
        _looked(subject, reals.some(spread(len(reals), SHOWN).tolist()), "where D looks, real pictures", show),
        _looked(subject, samples.some(list(range(min(SHOWN, len(samples))))), "where D looks, samples", show),
    ]
    gap = float(reals.logits.mean() - samples.logits.mean())
    return Looks(sides[0], sides[1], gap, half_area_of_noise(store.channels, store.height, store.width), patch)


def _looked(subject: Subject, shown: Pictures, what: str, show: Show) -> Looked:
    images, labels = subject.to_d(shown.images), subject.labels_to_d(shown.labels)

    def judge(x: Tensor) -> Tensor:
        return subject.judge(x, labels)

    with torch.enable_grad():
        rough = saliency(judge, images).cpu()
        smooth = smooth_saliency(judge, images, progress=lambda n, of: show(f"{what}: gradients", n, of)).cpu()
    hidden, changes = occlusion(judge, images, progress=lambda n, of: show(f"{what}: patches", n, of))
    return Looked(shown, rough, smooth, hidden, changes.abs().amax(1))
