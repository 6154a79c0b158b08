"""The game of pairs: G paints the target of each input, D tells targets from what was painted.

With D conditional on the input and an L1 of weight 100 it is pix2pix (Isola et al., 2017), with several scales and
feature matching instead of the L1 pix2pixHD (Wang et al., 2018), without D plain regression, as super-resolution is
trained (Ledig et al., 2017), and with a perceptual distance ESRGAN (Wang et al., 2018b). Which, the weights say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ganvas.games.contract import Batch, Game, Stats, frozen, summed
from ganvas.games.critic import Critic
from ganvas.games.engine import Engine
from ganvas.games.gradient_penalties import PENALTIES
from ganvas.games.noise import Draws
from ganvas.games.pairing import Pair, Pairing
from ganvas.networks.contract import Discriminator, Painter
from ganvas.settings import TrainSettings

PAIRING, PAINTING, D_TURN, G_TURN = range(5, 9)  # what a step draws numbers for

Perceive = Callable[[Tensor, Tensor], Tensor]  # painted and target, [N, C, H, W] in [-1, 1] -> distances [N]


class PairedGame(Game):
    """players: "G", a painter, and "D" where `adversarial_weight` is above 0. perceive: for `perceptual_weight`."""

    G: Painter

    def __init__(
        self,
        players: Mapping[str, nn.Module],
        pairing: Pairing,
        settings: TrainSettings,
        engine: Engine | None = None,
        on_problem: Callable[[str], None] = print,
        perceive: Perceive | None = None,
    ) -> None:
        super().__init__(players, settings, engine, on_problem)
        self.pairing, self.perceive = pairing, perceive
        self._paint = self.compiled(self.G)
        D = players.get("D")
        assert D is None or isinstance(D, Discriminator)
        self.critic = None if D is None else Critic(D, settings, self._precision, self.compiled)

    def step(self, reals: Sequence[Batch], random: Draws, progress: float) -> Stats:
        """One update of D, where there is one, and one of G."""
        self.begin_step(progress)
        pictures, labels = reals[-1]
        pair = self.pairing(pictures, random.at(PAIRING))
        if self.G.classes:
            pair = replace(pair, labels=labels)
        stats: Stats = {}
        painted: list[Tensor] = []
        if self.critic is not None:
            given_up = self._paint.given_up
            # Painted once and used by both turns where the memory holds it, or again in parts by the G turn.
            painted = [self.parts.fitting(lambda: self._painted(pair, random))]
            due = self._penalty_is_due()
            fakes = painted[0].detach()
            stats = self.parts.fitting(lambda: self.discriminator_turn(pair, fakes, random.at(D_TURN), due))
            if self._paint.given_up and not given_up:
                painted.clear()  # their way back was compiled

        def learn() -> Stats:
            fake = painted.pop() if painted else None  # once: a turn that fails may have used up their graph
            return self.generator_turn(pair, fake, random)

        stats |= self.parts.fitting(learn)
        self.scaler.update()
        return stats

    def paint(self, pair: Pair, random: Draws) -> Tensor:
        """What G makes of the inputs: [N, C', H, W] float32."""
        with self._precision():
            painted: Tensor = self._paint(pair.inputs, pair.labels, random if self.G.uses_random else None)
        return painted.float()

    def _painted(self, pair: Pair, random: Draws) -> Tensor:
        """Of the whole batch, with a graph for the G turn if it comes in one part."""
        with torch.set_grad_enabled(self.parts.hold(len(pair))):
            parts = [
                self.paint(pair.part(part), random.at(PAINTING, offset=part.start)) for part in self.parts.of(len(pair))
            ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def discriminator_turn(self, pair: Pair, fake: Tensor, random: Draws, due: bool) -> Stats:
        """One update of D. `fake` must be detached from G."""
        assert not fake.requires_grad, "the D turn must not reach into G: detach what was painted"
        assert self.critic is not None
        assert self.d_optimizer is not None
        self.d_optimizer.zero_grad(set_to_none=True)
        stats = []
        for part in self.parts.of(len(pair)):
            some, share = pair.part(part), (part.stop - part.start) / len(pair)
            loss, found = self.critic.learn(
                self._shown(some, some.targets),
                self._shown(some, fake[part]),
                random.at(offset=part.start),
                labels=some.labels,
                due=due,
                progress=self.progress,
            )
            torch.autograd.backward(self.scaler.scale(share * loss))
            stats.append({name: share * value for name, value in found.items()})
        return self._update(summed(stats), (self.d_optimizer, self.critic.D))

    def generator_turn(self, pair: Pair, fake: Tensor | None, random: Draws) -> Stats:
        """One update of G through a D whose weights stand still. fake: what was painted already, with its graph."""
        self.g_optimizer.zero_grad(set_to_none=True)
        if fake is not None and fake.requires_grad and self.parts.hold(len(pair)):
            stats = [self._generator_gradients(pair, fake, random.at(G_TURN), len(pair))]
        else:
            del fake  # its graph takes the memory that is short
            stats = []
            for part in self.parts.of(len(pair)):
                some = pair.part(part)
                again = self.paint(some, random.at(PAINTING, offset=part.start))
                stats.append(self._generator_gradients(some, again, random.at(G_TURN, offset=part.start), len(pair)))
        return self._update(summed(stats), (self.g_optimizer, self.G))

    def _generator_gradients(self, pair: Pair, fake: Tensor, random: Draws, of: int) -> Stats:
        """Add the gradients of some pairs of `of` in all."""
        s, share = self.settings, len(pair) / of
        distance = mean_distance(fake, pair.targets, pair.mask).mean()
        loss, stats = s.l1_weight * distance, {"l1": distance.detach() / 2}  # of black to white, which is 2 here
        if self.critic is not None:
            with frozen(self.critic.D):
                adversarial, matching = self.critic.of_painted(
                    self._shown(pair, fake), self._shown(pair, pair.targets), random, pair.labels
                )
                loss = loss + s.adversarial_weight * adversarial + s.feature_matching_weight * matching
            stats["g_loss"] = adversarial.detach()
            if s.feature_matching_weight:
                stats["feature_matching"] = matching.detach()
        if s.perceptual_weight:
            assert self.perceive is not None, "a perceptual weight comes with eyes"
            perceptual = self.perceive(fake, pair.targets).mean()
            loss, stats["perceptual"] = loss + s.perceptual_weight * perceptual, perceptual.detach()
        torch.autograd.backward(self.scaler.scale(share * loss))
        return {name: share * value for name, value in stats.items()}

    def _shown(self, pair: Pair, picture: Tensor) -> Tensor:
        """What D sees of a target or of what was painted: [N, C', H, W], behind the input where D is to see that."""
        return torch.cat([pair.inputs, picture], dim=1) if self.settings.d_sees_input else picture

    def _penalty_is_due(self) -> bool:
        due = self.d_turns % self.settings.penalty_every == 0
        self.d_turns += 1
        return due and any(getattr(self.settings, weight) for weight in PENALTIES)


def mean_distance(painted: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """Mean absolute difference of each, where the mask is 1: [N, C, H, W] twice, [N, 1, H, W] or None -> [N]."""
    apart = (painted - target).abs()
    if mask is None:
        return apart.mean(dim=(1, 2, 3))
    counted = mask.sum(dim=(1, 2, 3)) * painted.shape[1]
    return (apart * mask).sum(dim=(1, 2, 3)) / counted.clamp(min=1)
