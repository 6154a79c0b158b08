"""The game of generation: G draws pictures from noise (and a label), D tells them from real ones.

The game owns the players, their optimisers and what a turn is. The loop that plays it knows none of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn

from ganvas.games.augment import augment
from ganvas.objectives.adversarial import OBJECTIVES
from ganvas.objectives.penalties import clip_weights, gradient_penalty, interpolate, r1_penalty, r2_penalty
from ganvas.settings import TrainSettings

Batch = tuple[Tensor, Tensor | None]  # reals [N, C, H, W] float in [-1, 1], labels [N] int64
Stats = dict[str, Tensor]  # scalars without gradient


class GenerationGame:
    """G and D, and how one step of their game is played.

    G: z [N, z_dim], labels [N] -> [N, C, H, W] in [-1, 1]. D: [N, C, H, W], labels [N] -> logits [N].
    """

    def __init__(self, G: nn.Module, D: nn.Module, settings: TrainSettings) -> None:
        self.G, self.D, self.settings = G, D, settings
        self.objective = OBJECTIVES[settings.objective]
        self.g_optimizer = make_optimizer(G, settings.g_lr, settings)
        self.d_optimizer = make_optimizer(D, settings.d_lr, settings)
        self.d_turns = 0  # decides when a lazy penalty is due

    def step(self, reals: Sequence[Batch], random: Generator, progress: float) -> Stats:
        """One G update with the D updates that belong to it: `n_critic` batches of reals, `progress` in [0, 1]."""
        self._set_learning_rates(progress)
        if self.settings.turns == "simultaneous":
            return self.simultaneous_turn(*reals[0], random)
        *early, last = reals
        for real, labels in early:
            with torch.no_grad():
                fake = self.draw(labels, len(real), random)
            self.discriminator_turn(real, fake, labels, random)
        real, labels = last
        fake = self.draw(labels, len(real), random)  # drawn once, used by both turns
        stats = self.discriminator_turn(real, fake.detach(), labels, random)
        return {**stats, **self.generator_turn(real, fake, labels, random)}

    def discriminator_turn(self, real: Tensor, fake: Tensor, labels: Tensor | None, random: Generator) -> Stats:
        """One update of D. `fake` must be detached from G."""
        assert not fake.requires_grad, "the D turn must not reach into G: detach the fakes"
        settings, due = self.settings, self._penalty_is_due()
        real = real.requires_grad_(bool(due and settings.r1_gamma))
        fake = fake.detach().requires_grad_(bool(due and settings.r2_gamma))
        real_logits = self.judge(real, labels, random, exact=due)  # [N]
        fake_logits = self.judge(fake, labels, random, exact=due)  # [N]
        loss = self.objective.d_loss(real_logits, fake_logits).mean()
        stats = {"d_loss": loss.detach(), **_logit_stats(real_logits, fake_logits)}
        if due:
            penalty, penalty_stats = self._penalties(real, real_logits, fake, fake_logits, labels, random)
            loss = loss + penalty
            stats.update(penalty_stats)
        update(self.d_optimizer, loss)
        if settings.clip:
            clip_weights(self.D, settings.clip)
        return stats

    def generator_turn(self, real: Tensor, fake: Tensor, labels: Tensor | None, random: Generator) -> Stats:
        """One update of G through a D whose weights stand still: no gradient is computed for them."""
        with frozen(self.D):
            real_logits = torch.zeros(len(fake), device=fake.device)
            if self.settings.objective == "relativistic":
                with torch.no_grad():
                    real_logits = self.judge(real, labels, random)
            loss = self.objective.g_loss(real_logits, self.judge(fake, labels, random)).mean()
        update(self.g_optimizer, loss)
        return {"g_loss": loss.detach()}

    def simultaneous_turn(self, real: Tensor, labels: Tensor | None, random: Generator) -> Stats:
        """Both updates from one pass of the fakes through D, each player moving against the other's old weights.

        Where logits are per picture, the gradient of G's loss on a fake is that of D's loss times a number per picture,
        a ratio of two derivatives by the logit. So D's backward pass gives both (settings refuse where it does not).
        """
        settings, due = self.settings, self._penalty_is_due()
        fake = self.draw(labels, len(real), random)
        leaf = fake.detach().requires_grad_(True)
        real = real.requires_grad_(bool(due and settings.r1_gamma))
        real_logits = self.judge(real, labels, random, exact=due)  # [N]
        fake_logits = self.judge(leaf, labels, random, exact=due)  # [N]
        loss = self.objective.d_loss(real_logits, fake_logits).mean()
        g_loss, ratio = self._ratio_of_gradients(real_logits, fake_logits)
        stats = {"d_loss": loss.detach(), "g_loss": g_loss, **_logit_stats(real_logits, fake_logits)}

        self.d_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, retain_graph=bool(due))
        assert leaf.grad is not None
        fake_gradient = leaf.grad * ratio.view(-1, 1, 1, 1)
        if due:
            penalty, penalty_stats = self._penalties(real, real_logits, leaf, fake_logits, labels, random)
            torch.autograd.backward(penalty)
            stats.update(penalty_stats)
        self.d_optimizer.step()
        self.g_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(fake, fake_gradient)
        self.g_optimizer.step()
        return stats

    def draw(self, labels: Tensor | None, n: int, random: Generator) -> Tensor:
        """Fakes with the labels of the real batch: [n, C, H, W] in [-1, 1]."""
        device = next(self.G.parameters()).device
        z = torch.randn((n, self.settings.z_dim), generator=random, device=device)
        with self._precision(device):
            fake: Tensor = self.G(z, labels)
        return fake.float()

    def judge(self, images: Tensor, labels: Tensor | None, random: Generator, *, exact: bool = False) -> Tensor:
        """D's logits on augmented pictures: [N, C, H, W] -> [N] float32.

        `exact` computes in float32 whatever the precision: a penalty on a rounded gradient is another penalty.
        """
        with self._precision(images.device, exact):
            logits: Tensor = self.D(augment(images, self.settings.augment, random), labels)
        return logits.float()

    def _precision(self, device: torch.device, exact: bool = False) -> torch.autocast:
        lowered = self.settings.precision == "bf16" and not exact
        return torch.autocast(device.type, torch.bfloat16, enabled=lowered)

    def _penalty_is_due(self) -> bool:
        settings = self.settings
        due = self.d_turns % settings.penalty_every == 0
        self.d_turns += 1
        return bool(due and (settings.r1_gamma or settings.r2_gamma or settings.gp_weight))

    def _penalties(
        self,
        real: Tensor,
        real_logits: Tensor,
        fake: Tensor,
        fake_logits: Tensor,
        labels: Tensor | None,
        random: Generator,
    ) -> tuple[Tensor, Stats]:
        """What is added to D's loss, times the interval, so that a lazy penalty weighs the same over time."""
        settings = self.settings
        total, stats = real_logits.new_zeros(()), Stats()
        if settings.r1_gamma:
            r1 = r1_penalty(real, real_logits).mean()
            total, stats["r1"] = total + settings.r1_gamma / 2 * r1, r1.detach()
        if settings.r2_gamma:
            r2 = r2_penalty(fake, fake_logits).mean()
            total, stats["r2"] = total + settings.r2_gamma / 2 * r2, r2.detach()
        if settings.gp_weight:
            weights = torch.rand(len(real), generator=random, device=real.device)
            between = interpolate(real, fake, weights)
            gp = gradient_penalty(between, self.judge(between, labels, random, exact=True)).mean()
            total, stats["gp"] = total + settings.gp_weight * gp, gp.detach()
        return settings.penalty_every * total, stats

    def _ratio_of_gradients(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        """G's loss, and per picture (dg_loss/dlogit) / (dd_loss/dlogit): scalar, [N]."""
        real_logits, logits = real_logits.detach(), fake_logits.detach().requires_grad_(True)
        g_loss = self.objective.g_loss(real_logits, logits)
        (g_slope,) = torch.autograd.grad(g_loss.sum(), logits)
        (d_slope,) = torch.autograd.grad(self.objective.d_loss(real_logits, logits).sum(), logits)
        return g_loss.mean().detach(), g_slope / d_slope.clamp(min=1e-30)

    def _set_learning_rates(self, progress: float) -> None:
        settings = self.settings
        scale = learning_rate_scale(progress, settings.lr_decay_from, settings.lr_final)
        for optimizer, lr in ((self.g_optimizer, settings.g_lr), (self.d_optimizer, settings.d_lr)):
            for group in optimizer.param_groups:
                group["lr"] = lr * scale


def learning_rate_scale(progress: float, decay_from: float, final: float) -> float:
    """1 until `decay_from` of the run, then in a line to `final` at its end."""
    if progress <= decay_from or decay_from >= 1:
        return 1.0
    return 1 + (final - 1) * min(1.0, (progress - decay_from) / (1 - decay_from))


def make_optimizer(network: nn.Module, lr: float, settings: TrainSettings) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015) or RMSprop over all parameters of a network."""
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr=lr)
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(settings.beta1, settings.beta2), fused=True)


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of `loss`; gradients of an earlier turn are dropped first."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within the block the network's parameters need no gradient."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _logit_stats(real_logits: Tensor, fake_logits: Tensor) -> Stats:
    with torch.no_grad():
        right = 0.5 * ((real_logits > 0).float().mean() + (fake_logits < 0).float().mean())
        return {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean(), "d_accuracy": right}
