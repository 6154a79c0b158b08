"""CycleGAN: two painters that undo each other, and a discriminator for each side (Zhu et al., 2017).

G holds the painters "AtoB" and "BtoA", D the discriminators "A" and "B". Besides what D says, a picture that goes to
the other side and back shall come back (section 3.2), and one of the wanted kind shall be left alone (section 5.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.games.contract import Batch, Stats, frozen, summed
from ganvas.games.engine import Engine
from ganvas.games.noise import Draws
from ganvas.games.pool import Pool
from ganvas.games.two_sides import D_TURN, G_TURN, PAINTING, POOLING, TwoSided, mean_of
from ganvas.settings import TrainSettings

SIDES = ("B", "A")  # which side is painted by "AtoB" and by "BtoA"


class CycleGame(TwoSided):
    """shape: channels, height and width of the pictures of either side."""

    G: nn.ModuleDict
    D: nn.ModuleDict

    def __init__(
        self,
        players: Mapping[str, nn.Module],
        shape: tuple[int, int, int],
        settings: TrainSettings,
        engine: Engine | None = None,
        on_problem: Callable[[str], None] = print,
    ) -> None:
        super().__init__(players, settings, engine, on_problem)
        self.channels = shape[0]
        self._ways = {way: self.compiled(self.G[way]) for way in ("AtoB", "BtoA")}
        self.critics = [self.critic(self.D[side]) for side in SIDES]
        self.pools = {side: Pool(settings.pool, shape, self.engine.device) for side in SIDES}

    def own_tensors(self) -> dict[str, Tensor]:
        return {f"pool.{side}": pool.pictures for side, pool in self.pools.items()}

    def own_counters(self) -> dict[str, Any]:
        return {"pool": {side: pool.filled for side, pool in self.pools.items()}}

    def restore_own(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
        super().restore_own(tensors, counters)
        for side, pool in self.pools.items():
            pool.filled = int(counters["pool"][side])

    def step(self, reals: Sequence[Batch], random: Draws, progress: float) -> Stats:
        """One update of both discriminators, then one of both painters."""
        self.begin_step(progress)
        pictures = reals[-1][0]
        a, b = pictures[:, : self.channels], pictures[:, self.channels :]
        given_up = self._ways["AtoB"].given_up
        painted = [self.parts.fitting(lambda: self.in_parts(len(a), lambda part: self._both(a, b, part, random)))]
        shown = [
            self._pooled(side, fake, random.at(POOLING, i))
            for i, (side, fake) in enumerate(zip(SIDES, painted[0], strict=True))
        ]
        due = self.penalty_is_due()
        stats = self.parts.fitting(lambda: self.discriminator_turn((b, a), shown, random.at(D_TURN), due))
        if self._ways["AtoB"].given_up and not given_up:
            painted.clear()  # their way back was compiled

        def learn() -> Stats:
            fakes = painted.pop() if painted else None  # once: a turn that fails may have used up their graph
            return self.generator_turn(a, b, fakes, random)

        stats |= self.parts.fitting(learn)
        self.scaler.update()
        return stats

    def _both(self, a: Tensor, b: Tensor, part: slice, random: Draws) -> tuple[Tensor, Tensor]:
        own = random.at(PAINTING, offset=part.start)
        return self._way("AtoB", a[part], own.at(0)), self._way("BtoA", b[part], own.at(1))

    def _way(self, way: str, images: Tensor, random: Draws) -> Tensor:
        return self.paint(self._ways[way], self.G[way], images, random)

    def _pooled(self, side: str, fake: Tensor, random: Draws) -> Tensor:
        """What D is shown of this process's part of the batch. All processes keep one and the same pool."""
        whole = self.engine.all_rows(fake.detach())
        shown = self.pools[side].exchange(whole, Draws(random.device, random.counters))
        start = self.engine.rank * len(fake)
        return shown[start : start + len(fake)]

    def discriminator_turn(self, real: Sequence[Tensor], fake: Sequence[Tensor], random: Draws, due: bool) -> Stats:
        """One update of both. real, fake: pictures of B, then of A; fakes detached from G."""
        assert not any(images.requires_grad for images in fake), "the D turn must not reach into G: detach the fakes"
        self._d_optimizer.zero_grad(set_to_none=True)
        n, stats = len(real[0]), []
        for part in self.parts.of(n):
            share = (part.stop - part.start) / n
            each = [
                self.learn(critic, real[i][part], fake[i][part], random.at(i, offset=part.start), share, due)
                for i, critic in enumerate(self.critics)
            ]
            stats.append(mean_of(each))
        return self._update(summed(stats), (self._d_optimizer, self.D))

    def generator_turn(self, a: Tensor, b: Tensor, fakes: Sequence[Tensor] | None, random: Draws) -> Stats:
        """One update of both painters. fakes: B's, then A's, with their graphs, where they were painted in one part."""
        self.g_optimizer.zero_grad(set_to_none=True)
        stats, n = [], len(a)
        if fakes is not None and fakes[0].requires_grad and self.parts.hold(n):
            stats.append(self._painters_gradients(a, b, fakes, random.at(G_TURN), n))
        else:
            del fakes  # their graphs take the memory that is short
            for part in self.parts.of(n):
                again = self._both(a, b, part, random)
                own = random.at(G_TURN, offset=part.start)
                stats.append(self._painters_gradients(a[part], b[part], again, own, n))
        return self._update(summed(stats), (self.g_optimizer, self.G))

    def _painters_gradients(self, a: Tensor, b: Tensor, fakes: Sequence[Tensor], random: Draws, of: int) -> Stats:
        """Add the gradients of some pictures of `of` in all."""
        s, share, (fake_b, fake_a) = self.settings, len(a) / of, fakes
        with frozen(self.D):
            judged = [
                critic.of_painted(fake, real, random.at(i))
                for i, (critic, fake, real) in enumerate(zip(self.critics, (fake_b, fake_a), (b, a), strict=True))
            ]
            adversarial, matching = (torch.stack(each) for each in zip(*judged, strict=True))  # [2], of B and A
            loss = s.adversarial_weight * adversarial.sum() + s.feature_matching_weight * matching.sum()
            cycle = _apart(self._way("BtoA", fake_b, random.at(2)), a) + _apart(
                self._way("AtoB", fake_a, random.at(3)), b
            )
            loss = loss + s.cycle_weight * cycle
            # Halved for two sides, and again, as black to white is 2 here.
            stats = {"g_loss": adversarial.detach().mean(), "cycle": cycle.detach() / 4}
            if s.identity_weight:
                left = _apart(self._way("AtoB", b, random.at(4)), b) + _apart(self._way("BtoA", a, random.at(5)), a)
                loss, stats["identity"] = loss + s.identity_weight * left, left.detach() / 4
            torch.autograd.backward(self.scaler.scale(share * loss))
        return {name: share * value for name, value in stats.items()}


def _apart(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()
