"""What a sweep found: its trials, the best of them, and the command that trains it again."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ganvas.recipes import find_recipe
from ganvas.settings import build_settings

State = Literal["done", "stopped", "failed", "running"]


@dataclass(frozen=True)
class Trial:
    """One run of a study."""

    number: int
    state: State
    settings: dict[str, Any]  # what was searched over
    distance: float | None  # at the end of the trial, however it ended
    reason: str  # why it was stopped or failed
    run: Path | None

    def __str__(self) -> str:
        cells = " ".join(f"{name.replace('_', '-')}={_short(value)}" for name, value in self.settings.items())
        end = f"distance {self.distance:.4g}" if self.distance is not None else "no distance"
        return f"trial {self.number}: {end}, {cells}" + (f" ({self.state}: {self.reason})" if self.reason else "")


@dataclass(frozen=True)
class SweepResult:
    """What a study knows, all of its processes together."""

    study: str
    storage: str  # without a password
    trials: tuple[Trial, ...]
    ended: Literal["done", "interrupted"]
    command: str | None  # that trains the best again
    signal: int | None = None

    @property
    def best(self) -> Trial | None:
        """The trial with the smallest distance of those that were not stopped early; None if there is none."""
        return best_of(self.trials)

    def __str__(self) -> str:
        count = {state: sum(trial.state == state for trial in self.trials) for state in get_args(State)}
        lines = [f"study {self.study}: " + (", ".join(f"{n} {state}" for state, n in count.items() if n) or "no trial")]
        if self.best is None:
            return "\n".join([*lines, "no trial came to its end yet, so there is no best one"])
        return "\n".join([*lines, f"best {self.best}", f"run  {self.best.run}", f"train it again: {self.command}"])


def first_distance(run: Path) -> float | None:
    """The verdict's first number of a run, which is a distance: lower is better. None without a finite one."""
    try:
        verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
        value = float(verdict["metrics"][0]["value"])
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return None
    return value if math.isfinite(value) else None


def best_of(trials: tuple[Trial, ...]) -> Trial | None:
    """The smallest distance among the trials that were not stopped early."""
    whole = [trial for trial in trials if trial.state == "done" and trial.distance is not None]
    return min(whole, key=lambda trial: (trial.distance, trial.number), default=None)


def command_line(source: str | Path, recipe: str, fixed: Mapping[str, Any], trial: Trial, out: Path) -> str:
    """The `ganvas train` that repeats a trial, every digit of it."""
    words = {**fixed, **trial.settings}
    settings = build_settings({**find_recipe(recipe).cells, **words}).model_dump(mode="json")
    flags = ["--recipe", recipe]
    for name in words:
        flag, value = name.replace("_", "-"), settings[name]
        flags += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return shlex.join(["ganvas", "train", str(source), *flags, "--out", str(out)])


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
