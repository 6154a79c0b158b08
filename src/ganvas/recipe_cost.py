"""What a recipe computes for a picture, counted in its own steps: the figure does not depend on the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganvas.games.noise import Draws, Rows
from ganvas.games.regularisers import PATH_LENGTH_EVERY
from ganvas.networks.sizes import Size
from ganvas.recipes import Recipe
from ganvas.settings import build_settings
from ganvas.tasks.table import TASKS
from ganvas.training.state import TrainState

FEW, TWICE = 2, 4  # pictures in a counted step: what is left when the second is compared with the first is per step


@dataclass(frozen=True)
class Cost:
    """Billions of operations (a multiplication and an addition are two) in convolutions and matrix products."""

    training: float  # per real picture, lazy penalties spread over their intervals
    drawing: float  # per generated picture


def recipe_cost(recipe: Recipe, resolution: Size) -> Cost:
    """Of RGB pictures without labels (of two classes where they are needed). Plays a few steps on blank pictures."""
    settings = build_settings({**recipe.cells, "resolution": resolution})
    few, twice = (_Counted(recipe, resolution, batch) for batch in (FEW, TWICE))
    weights: dict[tuple[bool, bool], list[int]] = {}
    turns = max(settings.penalty_every, PATH_LENGTH_EVERY)
    for turn in range(turns):
        weights.setdefault((turn % settings.penalty_every == 0, turn % PATH_LENGTH_EVERY == 0), []).append(turn)
    training = 0.0
    for alike in weights.values():
        small, large = few.step(alike[0]), twice.step(alike[0])
        per_picture = (large - small) / (TWICE - FEW)
        per_step = small - FEW * per_picture
        training += len(alike) / turns * (per_picture + per_step / settings.batch)
    return Cost(training / settings.n_critic / 1e9, few.draw() / 1e9)


class _Counted:
    """A fresh game at some batch size."""

    def __init__(self, recipe: Recipe, resolution: Size, batch: int) -> None:
        task = TASKS[recipe.task]
        self.settings, config = task.example(recipe, resolution, batch=batch)
        eyes = task.unlearned_eyes(config, self.settings)
        self.state = TrainState.create(self.settings, config, torch.device("cpu"), features=eyes)
        self.labels = torch.zeros(batch, dtype=torch.int64) if config.classes else None

    def step(self, turn: int) -> int:
        """Operations of the step whose first D turn has that number."""
        s, game = self.settings, self.state.game
        shape = self.state.config.stored_shape
        real = torch.zeros(s.batch, *shape).contiguous(memory_format=torch.channels_last)
        game.d_turns = turn * s.n_critic
        counted = _Operations()
        with counted:
            game.step([(real, self.labels)] * s.n_critic, Draws("cpu", (0, turn), Rows(s.batch)), 1.0)
        return counted.total

    def draw(self) -> int:
        """Operations of one picture of the averaged generator."""
        counted = _Operations()
        with counted, torch.no_grad():
            self.state.config.try_out(self.state.G_ema)
        return counted.total


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts by torch's own formulas; torch's FlopCounterMode cannot follow a gradient of a gradient."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out
