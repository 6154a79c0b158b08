"""What both unpaired games share: batches of A and B, painters on parts of them, critics, and penalties when due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ganvas.games.compiling import MaybeCompiled
from ganvas.games.contract import Game, Stats
from ganvas.games.critic import Critic
from ganvas.games.engine import Engine
from ganvas.games.gradient_penalties import PENALTIES
from ganvas.games.noise import Draws
from ganvas.networks.contract import Discriminator, Painter
from ganvas.settings import TrainSettings

PAINTING, D_TURN, G_TURN, POOLING = range(9, 13)  # what a step draws numbers for


class TwoSided(Game):
    """Players that see pictures of two kinds, A and B, which do not belong together."""

    def __init__(
        self,
        players: Mapping[str, nn.Module],
        settings: TrainSettings,
        engine: Engine | None = None,
        on_problem: Callable[[str], None] = print,
    ) -> None:
        super().__init__(players, settings, engine, on_problem)
        assert self.d_optimizer is not None, "unpaired games have discriminators"
        self._d_optimizer: torch.optim.Optimizer = self.d_optimizer

    def critic(self, D: nn.Module) -> Critic:
        """For one of the discriminators."""
        assert isinstance(D, Discriminator)
        return Critic(D, self.settings, self._precision, self.compiled)

    def paint(self, G: MaybeCompiled, painter: nn.Module, images: Tensor, random: Draws) -> Tensor:
        """[N, C, H, W] -> the same, float32. G: the painter, compiled where that was asked for."""
        assert isinstance(painter, Painter)
        with self._precision():
            painted: Tensor = G(images, None, random if painter.uses_random else None)
        return painted.float()

    def in_parts(self, n: int, paint: Callable[[slice], Sequence[Tensor]]) -> list[Tensor]:
        """What is painted of a whole batch, each kind in one piece, with a graph if it comes in one part."""
        with torch.set_grad_enabled(self.parts.hold(n)):
            found = [paint(part) for part in self.parts.of(n)]
        return [torch.cat(kind) if len(kind) > 1 else kind[0] for kind in zip(*found, strict=True)]

    def learn(self, critic: Critic, real: Tensor, fake: Tensor, random: Draws, share: float, due: bool) -> Stats:
        """Add the gradients of one discriminator on some pictures, which are that share of the batch."""
        loss, stats = critic.learn(real, fake, random, due=due, progress=self.progress)
        torch.autograd.backward(self.scaler.scale(share * loss))
        return {name: share * value for name, value in stats.items()}

    def penalty_is_due(self) -> bool:
        """Counts the D turns."""
        due = self.d_turns % self.settings.penalty_every == 0
        self.d_turns += 1
        return due and any(getattr(self.settings, weight) for weight in PENALTIES)


def mean_of(stats: Sequence[Stats]) -> Stats:
    """Of stats with the same names, such as those of two discriminators."""
    return {name: torch.stack([one[name] for one in stats]).mean() for name in stats[0]}
