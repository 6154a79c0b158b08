"""The game of generation: G draws pictures from noise (and a label), D tells them from real ones.

The game owns the players, their optimisers and what a turn is. The loop that plays it knows none of that. A batch may
go through the networks in parts (`micro_batch`) and be shared out among processes (`engine`): the update is that of the
whole batch, but that BatchNorm in a part sees only the part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import UsageError
from ganvas.games.apa import pseudo_reals
from ganvas.games.augmenter import Augmenter
from ganvas.games.contract import Batch, Game, Stats, frozen, logit_stats, rows, summed
from ganvas.games.engine import Engine
from ganvas.games.gradient_penalties import PENALTIES, gradient_penalties
from ganvas.games.noise import Draws
from ganvas.games.regularisers import Regularisers, Turn
from ganvas.networks.contract import Discriminator, Generator
from ganvas.objectives.adversarial import OBJECTIVES
from ganvas.objectives.penalties import clip_weights
from ganvas.objectives.top_k import top_k_share, top_k_weights
from ganvas.settings import TrainSettings

NOISE, D_TURN, G_TURN, PSEUDO, LAZY = range(5)  # what a step draws numbers for


class GenerationGame(Game):
    """G and D, and how one step of their game is played.

    G: z [N, z_dim], labels [N] -> [N, C, H, W] in [-1, 1]. D: [N, C, H, W], labels [N] -> logits [N] or [N, K].
    """

    G: Generator
    D: Discriminator
    d_optimizer: torch.optim.Optimizer

    def __init__(
        self,
        G: Generator,
        D: Discriminator,
        settings: TrainSettings,
        engine: Engine | None = None,
        on_problem: Callable[[str], None] = print,
    ) -> None:
        super().__init__({"G": G, "D": D}, settings, engine, on_problem)
        self.objective = OBJECTIVES[settings.objective]
        self.augmenter = Augmenter(settings)
        self.regularisers = Regularisers(G, D, settings, self.engine.device)
        self._draw, self._judge = self.compiled(G), self.compiled(D)

    def step(self, reals: Sequence[Batch], random: Draws, progress: float) -> Stats:
        """One G update with the D updates that belong to it: `n_critic` batches of reals, `progress` in [0, 1]."""
        self.begin_step(progress)
        self.augmenter.set_progress(progress)
        for network in (self.G, self.D):
            network.grow(progress)
        reals = [(self.D.as_far_as_grown(real), labels) for real, labels in reals]
        if self.settings.turns == "simultaneous":
            due = self._penalty_is_due()
            stats = self.parts.fitting(lambda: self.simultaneous_turn(*reals[0], random, due))
        else:
            stats = self._alternating(reals, random)
        self.scaler.update()
        self.regularisers.remember(stats)
        return self.augmenter.learn(stats, self.settings.batch * self.settings.n_critic)

    def own_tensors(self) -> dict[str, Tensor]:
        return {f"means.{name}": mean for name, mean in self.regularisers.means.items()}

    def own_counters(self) -> dict[str, Any]:
        return {"augmenter": self.augmenter.state()}

    def restore_own(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
        super().restore_own(tensors, counters)
        self.augmenter.restore(counters.get("augmenter", {}))

    def _alternating(self, reals: Sequence[Batch], random: Draws) -> Stats:
        *early, (real, labels) = reals
        for turn, batch in enumerate(early):
            self._early_turn(*batch, random, turn)
        noise, due = random.at(NOISE, len(early)), self._penalty_is_due()
        given_up = self._draw.given_up
        # Drawn once and used by both turns where the memory holds it, or again in parts by the G turn.
        fakes = [self.parts.fitting(lambda: self._fakes(labels, len(real), noise, keep=True))]
        z = self.noise(len(real), random.at(NOISE, len(early)))
        shown = self._shown_as_real(real, labels, random, len(early))
        stats = self.parts.fitting(
            lambda: self.discriminator_turn(shown, fakes[0].detach(), labels, random.at(D_TURN, len(early)), due, z)
        )

        if self._draw.given_up and not given_up:
            fakes.clear()  # their way back was compiled

        def learn() -> Stats:
            fake = fakes.pop() if fakes else None  # once: a turn that fails may have used up their graph
            if fake is not None and fake.requires_grad and self.parts.hold(len(real)):
                return self.generator_turn(real, fake, labels, random.at(G_TURN), z)
            del fake  # its graph takes the memory that is short
            return self._generator_turn_in_parts(real, labels, noise, random.at(G_TURN))

        return {**stats, **self.parts.fitting(learn)}

    def _early_turn(self, real: Tensor, labels: Tensor | None, random: Draws, turn: int) -> None:
        due = self._penalty_is_due()
        fake = self.parts.fitting(lambda: self._fakes(labels, len(real), random.at(NOISE, turn), keep=False))
        z, shown = self.noise(len(real), random.at(NOISE, turn)), self._shown_as_real(real, labels, random, turn)
        self.parts.fitting(lambda: self.discriminator_turn(shown, fake, labels, random.at(D_TURN, turn), due, z))

    def _shown_as_real(self, real: Tensor, labels: Tensor | None, random: Draws, turn: int) -> Tensor:
        """The reals of a D turn; with APA some of them are fakes."""
        if not self.settings.apa or self.augmenter.p == 0:
            return real
        own = random.at(PSEUDO, turn)
        fake = self.parts.fitting(lambda: self._fakes(labels, len(real), own.at(0), keep=False))
        return pseudo_reals(real, fake, self.augmenter.p, own.at(1))

    def _fakes(self, labels: Tensor | None, n: int, noise: Draws, *, keep: bool) -> Tensor:
        """Fakes for a whole batch, with a graph for the G turn if `keep` and if they come in one part."""
        with torch.set_grad_enabled(keep and self.parts.hold(n)):
            parts = [
                self.draw(rows(labels, part), part.stop - part.start, noise.at(offset=part.start))
                for part in self.parts.of(n)
            ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def discriminator_turn(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        random: Draws,
        due: bool | None = None,
        z: Tensor | None = None,
    ) -> Stats:
        """One update of D. `fake` must be detached from G. due: whether penalties are (None: by the count of turns).

        z: what the fakes were drawn from, for a D that is to find it again.
        """
        assert not fake.requires_grad, "the D turn must not reach into G: detach the fakes"
        due = self._penalty_is_due() if due is None else due
        self.d_optimizer.zero_grad(set_to_none=True)
        stats = [
            self._discriminator_gradients(
                real[part],
                fake[part],
                rows(labels, part),
                rows(z, part),
                random.at(offset=part.start),
                due,
                len(real),
            )
            for part in self.parts.of(len(real))
        ]
        means = self._update(summed(stats), (self.d_optimizer, self.D))
        if self.settings.clip:
            clip_weights(self.D, self.settings.clip)
        return means

    def _discriminator_gradients(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        z: Tensor | None,
        random: Draws,
        due: bool,
        of: int,
    ) -> Stats:
        """Add the gradients of some pictures of `of` in all."""
        settings, share = self.settings, len(real) / of
        real = real.detach().requires_grad_(bool(due and settings.r1_gamma))
        fake = fake.detach().requires_grad_(bool(due and settings.r2_gamma))
        real_seen = self.look(real, labels, random, exact=due)
        fake_seen = self.look(fake, labels, random, exact=due)
        real_logits, fake_logits = real_seen["logits"], fake_seen["logits"]  # [N] or [N, K]
        loss = self.objective.d_loss(real_logits, fake_logits).mean()
        stats = {"d_loss": loss.detach(), **logit_stats(real_logits, fake_logits, self.settings.objective)}
        more, more_stats = self.regularisers.of_d(
            Turn(real, fake, labels, z, real_seen, fake_seen, random, self._plain_logits)
        )
        loss, stats = loss + more, {**stats, **more_stats}
        if due:
            penalty, penalty_stats = self._penalties(real, real_logits, fake, fake_logits, labels, random)
            loss = loss + penalty
            stats.update(penalty_stats)
        torch.autograd.backward(self.scaler.scale(share * loss))
        return {name: share * value for name, value in stats.items()}

    def generator_turn(
        self, real: Tensor, fake: Tensor, labels: Tensor | None, random: Draws, z: Tensor | None = None
    ) -> Stats:
        """One update of G through a D whose weights stand still: no gradient is computed for them."""
        self.g_optimizer.zero_grad(set_to_none=True)
        stats = self._generator_gradients(real, fake, labels, z, random, len(real))
        stats |= self._generator_penalties(random)
        return self._update(stats, (self.g_optimizer, self.G))

    def _generator_turn_in_parts(self, real: Tensor, labels: Tensor | None, noise: Draws, random: Draws) -> Stats:
        self.g_optimizer.zero_grad(set_to_none=True)
        stats = []
        for part in self.parts.of(len(real)):
            some = rows(labels, part)
            n = part.stop - part.start
            fake, z = self.draw(some, n, noise.at(offset=part.start)), self.noise(n, noise.at(offset=part.start))
            own = random.at(offset=part.start)
            stats.append(self._generator_gradients(real[part], fake, some, z, own, len(real)))
        last = self._generator_penalties(random)
        return self._update({**summed(stats), **last}, (self.g_optimizer, self.G))

    def _generator_gradients(
        self, real: Tensor, fake: Tensor, labels: Tensor | None, z: Tensor | None, random: Draws, of: int
    ) -> Stats:
        share = len(real) / of
        with frozen(self.D):
            fake_seen = self.look(fake, labels, random)
            fake_logits = fake_seen["logits"]
            real_seen = {"logits": torch.zeros_like(fake_logits)}
            if self.settings.objective == "relativistic" or self.settings.feature_matching_weight:
                with torch.no_grad():
                    real_seen = self.look(real, labels, random)
            losses = self.objective.g_loss(real_seen["logits"], fake_logits)
            if self.settings.top_k < 1:
                weights = top_k_weights(fake_logits, top_k_share(self.progress, final=self.settings.top_k))
                losses = weights.view(-1, *[1] * (losses.ndim - 1)) * losses
            loss = losses.mean()
            turn = Turn(real, fake, labels, z, real_seen, fake_seen, random, self._plain_logits)
            more, stats = self.regularisers.of_g(turn)
            torch.autograd.backward(self.scaler.scale(share * (loss + more)))
        return {name: share * value for name, value in {"g_loss": loss.detach(), **stats}.items()}

    def _generator_penalties(self, random: Draws) -> Stats:
        """Add the gradients of what G is held to besides its pictures' place in D's eyes."""
        n = max(1, min(self.parts.size, self.engine.share_of(self.settings.batch)) // 2)
        turn = (self.d_turns - 1) // self.settings.n_critic
        with self._precision(exact=True):
            penalty, stats = self.regularisers.of_g_alone(turn, n, random.at(LAZY))
        if penalty is not None:
            torch.autograd.backward(self.scaler.scale(penalty))
        return stats

    def simultaneous_turn(self, real: Tensor, labels: Tensor | None, random: Draws, due: bool) -> Stats:
        """Both updates from one pass of the fakes through D, each player moving against the other's old weights.

        Where logits are per picture, the gradient of G's loss on a fake is that of D's loss times a number per picture,
        a ratio of two derivatives by the logit. So D's backward pass gives both (settings refuse where it does not).
        """
        self._forget_gradients()
        stats = [
            self._simultaneous_gradients(real[part], rows(labels, part), random, part.start, due, len(real))
            for part in self.parts.of(len(real))
        ]
        return self._update(summed(stats), (self.d_optimizer, self.D), (self.g_optimizer, self.G))

    def _simultaneous_gradients(
        self, real: Tensor, labels: Tensor | None, random: Draws, start: int, due: bool, of: int
    ) -> Stats:
        settings, share = self.settings, len(real) / of
        fake = self.draw(labels, len(real), random.at(NOISE, 0, offset=start))
        leaf = fake.detach().requires_grad_(True)
        real = real.detach().requires_grad_(bool(due and settings.r1_gamma))
        own = random.at(D_TURN, 0, offset=start)
        real_logits = self.judge(real, labels, own, exact=due)  # [N]
        fake_logits = self.judge(leaf, labels, own, exact=due)  # [N]
        loss = self.objective.d_loss(real_logits, fake_logits).mean()
        if fake_logits.dim() != 1:
            raise UsageError(
                f"--turns simultaneous needs one logit per picture, and the D of '{settings.network}' gives "
                f"{fake_logits.shape[1]}: give --turns alternating"
            )
        g_loss, ratio = self._ratio_of_gradients(real_logits, fake_logits)
        stats = {
            "d_loss": loss.detach(),
            "g_loss": g_loss,
            **logit_stats(real_logits, fake_logits, self.settings.objective),
        }

        torch.autograd.backward(self.scaler.scale(share * loss), retain_graph=bool(due))
        assert leaf.grad is not None
        fake_gradient = leaf.grad * ratio.view(-1, 1, 1, 1)
        if due:
            penalty, penalty_stats = self._penalties(real, real_logits, leaf, fake_logits, labels, own)
            torch.autograd.backward(self.scaler.scale(share * penalty))
            stats.update(penalty_stats)
        torch.autograd.backward(fake, fake_gradient)
        return {name: share * value for name, value in stats.items()}

    def draw(self, labels: Tensor | None, n: int, random: Draws) -> Tensor:
        """Fakes with the labels of the real batch: [n, C, H, W] in [-1, 1]."""
        z = self.noise(n, random)
        with self._precision():
            fake: Tensor = self._draw(z, labels, random if self.G.uses_random else None)
        return fake.float()

    def noise(self, n: int, random: Draws) -> Tensor:
        """What G draws from: [n, z_dim]."""
        return random.normal(n, self.settings.z_dim)

    def judge(self, images: Tensor, labels: Tensor | None, random: Draws, *, exact: bool = False) -> Tensor:
        """D's logits on augmented pictures: [N, C, H, W] -> [N] or [N, K] float32.

        `exact` computes in float32 whatever the precision: a penalty on a rounded gradient is another penalty. It also
        goes round a compiled D, whose gradient has no gradient.
        """
        with self._precision(exact):
            D = self.D if exact else self._judge
            logits: Tensor = D(self.augmenter(images, random), labels)
        return logits.float()

    def look(self, images: Tensor, labels: Tensor | None, random: Draws, *, exact: bool = False) -> dict[str, Tensor]:
        """As `judge`, with all that D knows where a regulariser asks for more than "logits"."""
        if not self.regularisers.ask_for_details:
            return {"logits": self.judge(images, labels, random, exact=exact)}
        with self._precision(exact):
            seen = self.D.details(self.augmenter(images, random), labels)
        return {name: value.float() for name, value in seen.items()}

    def _plain_logits(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """D's logits on pictures as they are."""
        with self._precision():
            logits: Tensor = self._judge(images, labels)
        return logits.float()

    def _penalty_is_due(self) -> bool:
        settings = self.settings
        due = self.d_turns % settings.penalty_every == 0
        self.d_turns += 1
        return due and any(getattr(settings, weight) for weight in PENALTIES)

    def _penalties(
        self, real: Tensor, real_logits: Tensor, fake: Tensor, fake_logits: Tensor, labels: Tensor | None, random: Draws
    ) -> tuple[Tensor, Stats]:
        """What is added to D's loss, times the interval, so that a lazy penalty weighs the same over time."""

        def judged(images: Tensor) -> Tensor:
            return self.judge(images, labels, random, exact=True)

        total, stats = gradient_penalties(
            self.settings, self.progress, (real, real_logits), (fake, fake_logits), judged, random
        )
        return self.settings.penalty_every * total, stats

    def _ratio_of_gradients(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        """G's loss, and per picture (dg_loss/dlogit) / (dd_loss/dlogit): scalar, [N]."""
        real_logits, logits = real_logits.detach(), fake_logits.detach().requires_grad_(True)
        g_loss = self.objective.g_loss(real_logits, logits)
        (g_slope,) = torch.autograd.grad(g_loss.sum(), logits)
        (d_slope,) = torch.autograd.grad(self.objective.d_loss(real_logits, logits).sum(), logits)
        return g_loss.mean().detach(), g_slope / d_slope.clamp(min=1e-30)
