"""A discriminator's part in a game of pictures from pictures: what it learns from, what it says of what is painted.

Each scale of a multi-scale discriminator counts alike, and so does each patch of a scale (Wang et al., 2018, eq. 3).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganvas.games.augmenter import Augmenter
from ganvas.games.compiling import MaybeCompiled
from ganvas.games.contract import Stats, logit_stats
from ganvas.games.gradient_penalties import gradient_penalties
from ganvas.games.noise import Draws
from ganvas.networks.contract import Discriminator
from ganvas.networks.patch_discriminator import maps_of
from ganvas.objectives.adversarial import OBJECTIVES, Loss
from ganvas.objectives.feature_matching import layer_matching_loss
from ganvas.settings import TrainSettings

Seen = dict[str, Tensor]


class Critic:
    """One discriminator D. autocast: the precision of a pass, in float32 if called with True."""

    def __init__(
        self,
        D: Discriminator,
        settings: TrainSettings,
        autocast: Callable[[bool], torch.autocast],
        compiled: Callable[[Discriminator], MaybeCompiled],
    ) -> None:
        self.D, self.settings, self._autocast = D, settings, autocast
        self.objective, self.augmenter = OBJECTIVES[settings.objective], Augmenter(settings)
        self._judge = compiled(D)

    def look(self, images: Tensor, random: Draws, labels: Tensor | None = None, *, exact: bool = False) -> Seen:
        """All that D says of augmented pictures: [N, C, H, W], labels [N] for a D of classes -> details in float32.

        `exact` computes in float32 whatever the precision: a penalty on a rounded gradient is another penalty.
        """
        with self._autocast(exact):
            seen = self.D.details(self.augmenter(images, random), labels)
        return {name: value.float() for name, value in seen.items()}

    def learn(
        self,
        real: Tensor,
        fake: Tensor,
        random: Draws,
        *,
        labels: Tensor | None = None,
        due: bool,
        progress: float,
    ) -> tuple[Tensor, Stats]:
        """D's loss on reals and fakes of the same labels, [N, C, H, W] each, with the penalties that are due.

        A scalar, and stats.
        """
        s = self.settings
        real = real.detach().requires_grad_(bool(due and s.r1_gamma))
        fake = fake.detach().requires_grad_(bool(due and s.r2_gamma))
        real_seen, fake_seen = (self.look(images, random, labels, exact=due) for images in (real, fake))
        loss = _mean(self.objective.d_loss, real_seen, fake_seen)
        stats = {
            "d_loss": loss.detach(),
            **logit_stats(real_seen["logits"], fake_seen["logits"], self.settings.objective),
        }
        if due:
            judged = (real, real_seen["logits"]), (fake, fake_seen["logits"])
            penalty, more = gradient_penalties(
                s, progress, *judged, lambda images: self.look(images, random, labels, exact=True)["logits"], random
            )
            loss, stats = loss + s.penalty_every * penalty, {**stats, **more}
        return loss, stats

    def of_painted(
        self, fake: Tensor, real: Tensor, random: Draws, labels: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What G minimises about D: the adversarial loss, and the distance of D's maps on fake and real.

        Both scalars; the second is 0 where it is not asked for. Call it with D frozen.
        """
        # Both augmented alike, or matched features would be of other places.
        fake_seen = self.look(fake, random.at(0), labels)
        real_seen = fake_seen
        if self.settings.objective.startswith("relativistic") or self.settings.feature_matching_weight:
            with torch.no_grad():
                real_seen = self.look(real, random.at(0), labels)
        loss = _mean(self.objective.g_loss, real_seen, fake_seen)
        if not self.settings.feature_matching_weight:
            return loss, loss.new_zeros(())
        return loss, layer_matching_loss(maps_of(real_seen), maps_of(fake_seen)).mean() / self.settings.d_scales


def _mean(loss: Loss, real_seen: Seen, fake_seen: Seen) -> Tensor:
    """Over the scales, and over all patches and pictures of each."""
    scales = [name for name in fake_seen if name.startswith("logits") and name != "logits"] or ["logits"]
    return torch.stack([loss(real_seen[name], fake_seen[name]).mean() for name in scales]).mean()
