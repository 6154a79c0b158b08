"""What the loop needs of a game, whoever plays it, and what all games do alike.

A game holds the players, their optimisers, how a batch is taken in parts, and what a step is. The loop, checkpoints and
the average ask for nothing else, so a run of any game is resumed, rolled back and shared out among processes alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.games.compiling import MaybeCompiled
from ganvas.games.engine import Engine
from ganvas.games.micro_batches import MicroBatches
from ganvas.games.noise import Draws
from ganvas.games.optimizers import make_optimizer, set_rates
from ganvas.settings import SIGN_MEANS_REAL, TrainSettings

Batch = tuple[Tensor, Tensor | None]  # pictures [N, C, H, W] float in [-1, 1], labels [N] int64
Stats = dict[str, Tensor]  # scalars without gradient

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Game(ABC):
    """Players and how one step of their game is played.

    players: networks under the names that checkpoints know: "G", whose average is the model; "D" where there is a
    discriminator; and what else learns with G ("heads"). A game of two generators keeps both in one ModuleDict, "G".
    on_problem: told in words when a batch does not fit into memory and is taken in smaller parts.
    """

    G: nn.Module
    D: nn.Module | None

    def __init__(
        self,
        players: Mapping[str, nn.Module],
        settings: TrainSettings,
        engine: Engine | None = None,
        on_problem: Callable[[str], None] = print,
    ) -> None:
        self.players, self.settings = dict(players), settings
        self.G, self.D = players["G"], players.get("D")
        self.engine = engine or Engine(next(self.G.parameters()).device)
        learn_with_g = nn.ModuleList([network for name, network in players.items() if name != "D"])
        self.g_optimizer = make_optimizer(learn_with_g, settings.g_lr, settings)
        self.d_optimizer = None if self.D is None else make_optimizer(self.D, settings.d_lr, settings)
        on_gpu = self.engine.device.type == "cuda"
        self.scaler = torch.amp.GradScaler("cuda" if on_gpu else "cpu", enabled=settings.precision == "fp16")
        self.parts = MicroBatches(
            settings.micro_batch or settings.batch,
            self.engine.share_of(settings.batch),
            self.engine,
            self._forget_gradients,
            self._stop_compiling,
            on_problem,
        )
        self.g_lr_scale = self.d_lr_scale = 1.0  # besides the schedule: less after a sick run was rolled back
        self.d_turns = 0  # decides when a lazy penalty is due
        self.progress = 0.0  # of the run, in [0, 1]
        self._on_problem = on_problem
        self._compiled: list[MaybeCompiled] = []

    @abstractmethod
    def step(self, reals: Sequence[Batch], random: Draws, progress: float) -> Stats:
        """One update of G with the updates of D that belong to it: `n_critic` batches, `progress` in [0, 1]."""

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """By the names that checkpoints know."""
        d = {} if self.d_optimizer is None else {"d_optimizer": self.d_optimizer}
        return {"g_optimizer": self.g_optimizer, **d}

    def rates(self) -> dict[str, float]:
        """The learning rates of this moment, by name."""
        return {name.replace("optimizer", "lr"): o.param_groups[0]["lr"] for name, o in self.optimizers.items()}

    def own_tensors(self) -> dict[str, Tensor]:
        """What the game remembers between steps besides its players, for a checkpoint; restored in place."""
        return {}

    def own_counters(self) -> dict[str, Any]:
        """The same of what is no tensor; JSON can hold it."""
        return {}

    def restore_own(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
        """Undo `own_tensors` and `own_counters`."""
        for name, tensor in self.own_tensors().items():
            tensor.copy_(tensors[name])

    def begin_step(self, progress: float) -> None:
        """The learning rates of this moment of the run."""
        self.progress = progress
        set_rates(self.g_optimizer, self.settings.g_lr * self.g_lr_scale, progress, self.settings)
        if self.d_optimizer is not None:
            set_rates(self.d_optimizer, self.settings.d_lr * self.d_lr_scale, progress, self.settings)

    def compiled(self, network: nn.Module) -> MaybeCompiled:
        """The network as a function, compiled where that was asked for."""
        function = MaybeCompiled(network, self.settings.compile, self._on_problem)
        self._compiled.append(function)
        return function

    def _update(self, stats: Stats, *players: tuple[torch.optim.Optimizer, nn.Module]) -> Stats:
        """One step of each player down its gradients; they and the stats are those of all processes together."""
        means = self.engine.average([network for _, network in players], stats)
        for optimizer, _ in players:
            self.scaler.step(optimizer)
        return means

    def _forget_gradients(self) -> None:
        for optimizer in reversed(self.optimizers.values()):
            optimizer.zero_grad(set_to_none=True)

    def _stop_compiling(self, error: Exception) -> bool:
        """After a turn that failed: whether networks were compiled, and are no more."""
        given_up = [network.give_up(error) for network in self._compiled]  # all of them, whichever it was
        return any(given_up)

    def _precision(self, exact: bool = False) -> torch.autocast:
        dtype = AUTOCAST.get(self.settings.precision)
        return torch.autocast(self.engine.device.type, dtype or torch.bfloat16, enabled=dtype is not None and not exact)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Within the block the networks' parameters need no gradient."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def rows(of: Tensor | None, part: slice) -> Tensor | None:
    """Those rows, where there are any."""
    return None if of is None else of[part]


def summed(stats: Sequence[Stats]) -> Stats:
    """The stats of a batch from its parts, each already weighed by its share."""
    if len(stats) == 1:
        return stats[0]
    return {name: torch.stack([part[name] for part in stats]).sum() for name in stats[0]}


def logit_stats(real_logits: Tensor, fake_logits: Tensor, objective: str) -> Stats:
    """What D's logits say of reals and fakes, any shapes alike: their means, and how often it is right."""
    with torch.no_grad():
        right = 0.5 * ((real_logits > 0).float().mean() + (fake_logits < 0).float().mean())
        # Where only differences of logits mean something, a real counts as known when it beats its fake.
        sure = real_logits if objective in SIGN_MEANS_REAL else real_logits - fake_logits
        return {
            "real_logit": real_logits.mean(),
            "fake_logit": fake_logits.mean(),
            "d_accuracy": right,
            "d_sign": sure.sign().mean(),
        }
