"""CUT: one painter, whose patches must tell which patch of the input they come from (Park et al., 2020).

players: "G", a painter that can `encode`, "heads", which look at its inner maps and learn with it, and "D" for the side
that is painted. With `identity_weight` pictures of the wanted kind are painted too and must stay theirs (equation 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ganvas.games.contract import Batch, Stats, frozen, summed
from ganvas.games.engine import Engine
from ganvas.games.noise import Draws
from ganvas.games.two_sides import D_TURN, G_TURN, PAINTING, TwoSided
from ganvas.networks.contract import Encoding
from ganvas.networks.patch_heads import PatchHeads, drawn_places
from ganvas.objectives.patch_contrast import multilayer_patch_contrast_loss
from ganvas.settings import TrainSettings


class ContrastGame(TwoSided):
    """channels: of either side. backwards: paints A from B."""

    D: nn.Module

    def __init__(
        self,
        players: Mapping[str, nn.Module],
        channels: int,
        settings: TrainSettings,
        engine: Engine | None = None,
        on_problem: Callable[[str], None] = print,
        *,
        backwards: bool = False,
    ) -> None:
        super().__init__(players, settings, engine, on_problem)
        self.channels, self.backwards = channels, backwards
        heads = players["heads"]
        assert isinstance(heads, PatchHeads)
        assert isinstance(self.G, Encoding)
        self.heads, self.encoder = heads, self.G
        self._learners = nn.ModuleList([self.G, heads])
        self._paint, self._critic = self.compiled(self.G), self.critic(self.D)

    def step(self, reals: Sequence[Batch], random: Draws, progress: float) -> Stats:
        """One update of D, then one of G and the heads."""
        self.begin_step(progress)
        pictures = reals[-1][0]
        sides = pictures[:, : self.channels], pictures[:, self.channels :]
        given, wanted = sides[::-1] if self.backwards else sides
        given_up = self._paint.given_up
        painted = [
            self.parts.fitting(lambda: self.in_parts(len(given), lambda part: [self._some(given, part, random)]))
        ]
        due, fake = self.penalty_is_due(), painted[0][0].detach()
        stats = self.parts.fitting(lambda: self.discriminator_turn(wanted, fake, random.at(D_TURN), due))
        if self._paint.given_up and not given_up:
            painted.clear()  # their way back was compiled

        def learn() -> Stats:
            own = painted.pop()[0] if painted else None  # once: a turn that fails may have used up its graph
            return self.generator_turn(given, wanted, own, random)

        stats |= self.parts.fitting(learn)
        self.scaler.update()
        return stats

    def _some(self, given: Tensor, part: slice, random: Draws) -> Tensor:
        return self.paint(self._paint, self.G, given[part], random.at(PAINTING, offset=part.start))

    def discriminator_turn(self, real: Tensor, fake: Tensor, random: Draws, due: bool) -> Stats:
        """One update of D. `fake` must be detached from G."""
        assert not fake.requires_grad, "the D turn must not reach into G: detach the fakes"
        self._d_optimizer.zero_grad(set_to_none=True)
        stats = [
            self.learn(
                self._critic,
                real[part],
                fake[part],
                random.at(offset=part.start),
                (part.stop - part.start) / len(real),
                due,
            )
            for part in self.parts.of(len(real))
        ]
        return self._update(summed(stats), (self._d_optimizer, self.D))

    def generator_turn(self, given: Tensor, wanted: Tensor, fake: Tensor | None, random: Draws) -> Stats:
        """One update of G and the heads. fake: what was painted already, with its graph."""
        self.g_optimizer.zero_grad(set_to_none=True)
        stats, n = [], len(given)
        if fake is not None and fake.requires_grad and self.parts.hold(n):
            stats.append(self._gradients(given, wanted, fake, random.at(G_TURN), n))
        else:
            del fake  # its graph takes the memory that is short
            for part in self.parts.of(n):
                again, own = self._some(given, part, random), random.at(G_TURN, offset=part.start)
                stats.append(self._gradients(given[part], wanted[part], again, own, n))
        return self._update(summed(stats), (self.g_optimizer, self._learners))

    def _gradients(self, given: Tensor, wanted: Tensor, fake: Tensor, random: Draws, of: int) -> Stats:
        """Add the gradients of some pictures of `of` in all."""
        s, share = self.settings, len(given) / of
        with frozen(self.D):
            adversarial, matching = self._critic.of_painted(fake, wanted, random.at(0))
        contrast = self._contrast(given, fake, random.at(1))
        loss = s.adversarial_weight * adversarial + s.feature_matching_weight * matching + s.contrast_weight * contrast
        stats = {"g_loss": adversarial.detach(), "contrast": contrast.detach()}
        if s.identity_weight:
            same = self.paint(self._paint, self.G, wanted, random.at(2))
            kept = self._contrast(wanted, same, random.at(3))
            loss, stats["identity"] = loss + s.identity_weight * kept, kept.detach()
        torch.autograd.backward(self.scaler.scale(share * loss))
        return {name: share * value for name, value in stats.items()}

    def _contrast(self, source: Tensor, painted: Tensor, random: Draws) -> Tensor:
        """How badly patches of what was painted find theirs in the source: a scalar."""
        with self._precision():
            with torch.no_grad():
                of_source = self.encoder.encode(source)
                places = drawn_places(of_source, random)
                keys = self.heads(of_source, places)
            queries = self.heads(self.encoder.encode(painted), places)
        return multilayer_patch_contrast_loss(queries, keys).mean()
