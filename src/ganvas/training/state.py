"""Everything a run must remember between two steps: the players, the average, the optimisers and the counters.

Randomness is not among them: order, noise and augmentation follow from the seed and the step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.games.contract import Game
from ganvas.games.engine import Engine
from ganvas.games.table import Table, make_game, make_players
from ganvas.model_folder import Config
from ganvas.networks.contract import Generator
from ganvas.settings import TrainSettings
from ganvas.training.checkpoint import (
    Checkpoint,
    network_tensors,
    optimizer_tensors,
    restore_network,
    restore_optimizer,
)
from ganvas.training.ema import ema_beta, ema_update


@dataclass
class TrainState:
    """One game, its averaged generator, and how far it has come."""

    game: Game
    G_ema: nn.Module
    config: Config
    step: int = 0
    images: int = 0  # pictures of the data that the players have seen

    @classmethod
    def create(
        cls,
        settings: TrainSettings,
        config: Config,
        where: Engine | torch.device,
        on_problem: Callable[[str], None] = print,
        features: nn.Module | None = None,
    ) -> TrainState:
        """Fresh networks from the seed. `config` says what G makes; on_problem is told what had to be changed.

        where: one of several processes, or just a device. features: what D looks through, for a family that does.
        """
        engine = where if isinstance(where, Engine) else Engine(where)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            players = make_players(settings, config, features)
        for network in players.values():
            network.to(engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        G_ema = copy.deepcopy(players["G"]).requires_grad_(False).eval()
        for network in players.values():
            engine.prepare(network)
        return cls(make_game(players, Table(settings, config, engine, on_problem, features)), G_ema, config)

    def average(self, batch_images: int) -> None:
        """Count a step and move the average."""
        self.step += 1
        self.images += batch_images
        beta = ema_beta(self.images, batch_images, self.game.settings.ema_half_life)
        ema_update(self.G_ema, self.game.G, beta)
        if isinstance(self.G_ema, Generator):
            self.G_ema.grow(self.game.progress)

    def is_finite(self) -> bool:
        """Whether every number of the players and the average is one, and the scaler of fp16 can still scale."""
        if not 0 < self.game.scaler.get_scale() < float("inf"):
            return False
        networks = (*self.game.players.values(), self.G_ema)
        sums = [t.float().sum() for network in networks for t in network.state_dict().values()]
        return bool(torch.stack(sums).isfinite().all())

    def model(self) -> Any:
        """The average as it is now, apart from training from here on: a Model, or a PictureModel, by the config."""
        config = self.config.model_copy(update={"images_seen": self.images})
        return config.holding(copy.deepcopy(self.G_ema), next(self.G_ema.parameters()).device)

    def to_checkpoint(self, **counters: Any) -> Checkpoint:
        game, tensors = self.game, network_tensors("G_ema", self.G_ema)
        for name, network in game.players.items():
            tensors |= network_tensors(name, network)
        for name, optimizer in game.optimizers.items():
            tensors |= optimizer_tensors(name, optimizer)
        tensors |= game.own_tensors()
        own = {
            "step": self.step,
            "images": self.images,
            "d_turns": game.d_turns,
            "micro_batch": game.parts.size,
            "g_lr_scale": game.g_lr_scale,
            "d_lr_scale": game.d_lr_scale,
            "scaler": game.scaler.state_dict(),
            **game.own_counters(),
        }
        return Checkpoint({k: v.cpu() for k, v in tensors.items()}, {**own, **counters})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Undo `to_checkpoint`. Raises GanvasError when the checkpoint is of other networks."""
        game, tensors = self.game, checkpoint.tensors
        try:
            for name, network in {**game.players, "G_ema": self.G_ema}.items():
                restore_network(name, network, tensors)
        except RuntimeError as error:
            raise GanvasError(
                f"the checkpoint does not fit the networks of settings.yaml: {str(error).splitlines()[-1].strip()}"
            ) from None
        for name, optimizer in game.optimizers.items():
            restore_optimizer(name, optimizer, tensors)
        self.step, self.images = int(checkpoint.counters["step"]), int(checkpoint.counters["images"])
        counters = checkpoint.counters
        game.d_turns = int(counters["d_turns"])
        game.parts.size = int(counters.get("micro_batch", game.parts.size))
        game.g_lr_scale = float(counters.get("g_lr_scale", 1.0))
        game.d_lr_scale = float(counters.get("d_lr_scale", 1.0))
        game.restore_own(tensors, counters)
        if counters.get("scaler"):
            game.scaler.load_state_dict(counters["scaler"])
