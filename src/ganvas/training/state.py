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
from ganvas.games.engine import Engine
from ganvas.games.generation import GenerationGame
from ganvas.model import Model, ModelConfig
from ganvas.networks.contract import Generator
from ganvas.networks.table import build_discriminator, build_generator
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

    game: GenerationGame
    G_ema: Generator
    config: ModelConfig
    step: int = 0
    images: int = 0  # real images shown to D

    @classmethod
    def create(
        cls,
        settings: TrainSettings,
        config: ModelConfig,
        where: Engine | torch.device,
        on_problem: Callable[[str], None] = print,
        features: nn.Module | None = None,
    ) -> TrainState:
        """Fresh networks from the seed. `config` says what G draws; on_problem is told what had to be changed.

        where: one of several processes, or just a device. features: what D looks through, for a family that does.
        """
        engine = where if isinstance(where, Engine) else Engine(where)
        size = {
            "resolution": config.resolution,
            "channels": config.channels,
            "width": config.width,
            "max_width": config.max_width,
            "classes": config.classes,
            "options": config.network_options,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            G = build_generator(config.network, z_dim=config.z_dim, **size)  # type: ignore[arg-type]
            size["width"] = settings.d_width or config.width
            D = build_discriminator(config.network, norm=settings.d_norm, features=features, **size)  # type: ignore[arg-type]
        for network in (G, D):
            network.to(engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        G_ema = copy.deepcopy(G).requires_grad_(False).eval()
        engine.prepare(G)
        engine.prepare(D)
        return cls(GenerationGame(G, D, settings, engine, on_problem), G_ema, config)

    def average(self, batch_images: int) -> None:
        """Count a step and move the average."""
        self.step += 1
        self.images += batch_images
        beta = ema_beta(self.images, batch_images, self.game.settings.ema_half_life)
        ema_update(self.G_ema, self.game.G, beta)
        self.G_ema.grow(self.game.progress)

    def is_finite(self) -> bool:
        """Whether every number of G, D and the average is one, and the scaler of fp16 can still scale."""
        if not 0 < self.game.scaler.get_scale() < float("inf"):
            return False
        networks = (self.game.G, self.game.D, self.G_ema)
        sums = [t.float().sum() for network in networks for t in network.state_dict().values()]
        return bool(torch.stack(sums).isfinite().all())

    def model(self) -> Model:
        """The averaged generator as it is now, apart from training from here on."""
        config = self.config.model_copy(update={"images_seen": self.images})
        device = next(self.G_ema.parameters()).device
        return Model(copy.deepcopy(self.G_ema), config, device)

    def to_checkpoint(self, **counters: Any) -> Checkpoint:
        game = self.game
        tensors = {
            **network_tensors("G", game.G),
            **network_tensors("D", game.D),
            **network_tensors("G_ema", self.G_ema),
            **optimizer_tensors("g_optimizer", game.g_optimizer),
            **optimizer_tensors("d_optimizer", game.d_optimizer),
            **{f"means.{name}": mean for name, mean in game.regularisers.means.items()},
        }
        own = {
            "step": self.step,
            "images": self.images,
            "d_turns": game.d_turns,
            "micro_batch": game.parts.size,
            "g_lr_scale": game.g_lr_scale,
            "d_lr_scale": game.d_lr_scale,
            "scaler": game.scaler.state_dict(),
            "augmenter": game.augmenter.state(),
        }
        return Checkpoint({k: v.cpu() for k, v in tensors.items()}, {**own, **counters})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Undo `to_checkpoint`. Raises GanvasError when the checkpoint is of other networks."""
        game, tensors = self.game, checkpoint.tensors
        try:
            restore_network("G", game.G, tensors)
            restore_network("D", game.D, tensors)
            restore_network("G_ema", self.G_ema, tensors)
        except RuntimeError as error:
            raise GanvasError(
                f"the checkpoint does not fit the networks of settings.yaml: {str(error).splitlines()[-1].strip()}"
            ) from None
        restore_optimizer("g_optimizer", game.g_optimizer, tensors)
        restore_optimizer("d_optimizer", game.d_optimizer, tensors)
        self.step, self.images = int(checkpoint.counters["step"]), int(checkpoint.counters["images"])
        counters = checkpoint.counters
        game.d_turns = int(counters["d_turns"])
        game.parts.size = int(counters.get("micro_batch", game.parts.size))
        game.g_lr_scale = float(counters.get("g_lr_scale", 1.0))
        game.d_lr_scale = float(counters.get("d_lr_scale", 1.0))
        game.augmenter.restore(counters.get("augmenter", {}))
        for name, mean in game.regularisers.means.items():
            mean.copy_(tensors[f"means.{name}"])
        if counters.get("scaler"):
            game.scaler.load_state_dict(counters["scaler"])
