"""From a source and the user's words to everything a run needs to know: data, recipe, settings, networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from ganvas.data.facts import DataFacts
from ganvas.data.options import SourceOptions
from ganvas.data.store import StoreOptions
from ganvas.errors import GanvasError, UsageError
from ganvas.model_folder import Config
from ganvas.recipes import Recipe, find_recipe
from ganvas.settings import DataSettings, TrainSettings, build_data_settings, build_settings
from ganvas.tasks.contract import Task
from ganvas.tasks.table import find_task
from ganvas.training.budget import DEFAULT_MINUTES
from ganvas.training.run_folder import write_text_atomically

__all__ = ["DataFacts", "Plan", "make_plan", "read_settings", "settings_for_resume", "write_settings"]

# What may change when a run goes on: how long, where, and what is written. The rest would make it another run.
FREE_ON_RESUME = {
    "minutes",
    "images",
    "device",
    "threads",
    "sheet_every",
    "checkpoint_every",
    "judge_samples",
    "judge_every",
    "patience",
    "on_sick",
    "keep",
    "keep_every",
    "report_to",
    "micro_batch",
}
# Of another shape the weights of a checkpoint do not fit.
FIXED_ON_RESUME = {
    "network",
    "resolution",
    "channels",
    "labels",
    "z_dim",
    "width",
    "max_width",
    "d_width",
    "network_options",
    "d_norm",
    "optimizer",
    "task",
    "game",
    "direction",
    "degrade",
    "domains",
    "one_hot",
    "class_conditional",
    "d_scales",
    "d_sees_input",
    "pool",
}


@dataclass(frozen=True)
class Plan:
    """What will be trained and why."""

    recipe: Recipe
    why: str
    settings: TrainSettings
    config: Config
    device: torch.device
    task: Task


def store_options(overrides: dict[str, Any], device: torch.device) -> StoreOptions:
    """What the user's words say about the pictures."""
    return _of_data(overrides).store_options(largest=128 if device.type == "cuda" else 64)


def source_options(overrides: dict[str, Any]) -> SourceOptions:
    """What the user's words say about how the source is read."""
    return _of_data(overrides).source_options()


def _of_data(overrides: dict[str, Any]) -> DataSettings:
    return build_data_settings({k: v for k, v in overrides.items() if k.replace("-", "_") in DataSettings.model_fields})


def make_plan(
    data: DataFacts,
    source_name: str,
    recipe_name: str | None,
    overrides: dict[str, Any],
    device: torch.device,
) -> Plan:
    """The recipe (the user's or the one chosen), its cells overridden by the user's words, and what G will make."""
    task = find_task(recipe_name, overrides.get("task"))
    if recipe_name:
        recipe, why = find_recipe(recipe_name), "asked for"
    else:
        recipe, why = task.choose_recipe(data, overrides, device)
    cells = dict(overrides)
    if cells.get("minutes") is None and cells.get("images") is None:
        cells["minutes"] = DEFAULT_MINUTES
    settings = build_settings({**recipe.cells, **cells, **task.resolved(data)})
    settings, config, more = task.planned(data, settings, recipe.name, source_name)
    return Plan(recipe, why + more, settings, config, device, task)


def write_settings(path: Path, recipe: str, settings: TrainSettings) -> None:
    """settings.yaml: the recipe's name and every setting as it was used."""
    text = yaml.safe_dump({"recipe": recipe, **settings.model_dump(mode="json")}, sort_keys=False)
    write_text_atomically(path, text)


def read_settings(path: Path) -> tuple[str, TrainSettings]:
    """Undo `write_settings`; raises GanvasError in one line when the file is missing or damaged."""
    try:
        cells = yaml.safe_load(path.read_text(encoding="utf-8"))
        recipe = cells.pop("recipe")
    except (OSError, yaml.YAMLError, AttributeError, KeyError) as error:
        raise GanvasError(
            f"{path} cannot be read ({type(error).__name__}): restore it, or train again with --overwrite"
        ) from None
    return recipe, build_settings(cells)


def settings_for_resume(
    saved: TrainSettings, overrides: dict[str, Any], *, accept_changes: bool = False
) -> tuple[TrainSettings, list[str]]:
    """The run's own settings with what may differ, and each change in words.

    How long, where and what is written may always differ; the rest with `accept_changes`, but for what the weights of
    the checkpoint do not fit. Raises UsageError that lists the changes.
    """
    words = build_settings({"task": saved.task, "game": saved.game, **overrides})  # or they would not fit together
    given = {name.replace("-", "_") for name, value in overrides.items() if value is not None}
    changed = [name for name in sorted(given) if getattr(words, name) != getattr(saved, name)]
    before, after = saved.model_dump(mode="json"), words.model_dump(mode="json")  # as they are typed
    told = {name: f"--{name.replace('_', '-')} {before[name]} -> {after[name]}" for name in changed}
    fixed = [told[name] for name in changed if name in FIXED_ON_RESUME]
    if fixed:
        raise UsageError(
            f"this run cannot go on with {', '.join(fixed)}: its weights would not fit. Leave it out, or start another "
            "run with another --out (with --init-from to begin with its weights where they fit)"
        )
    asked = [told[name] for name in changed if name not in FREE_ON_RESUME]
    if asked and not accept_changes:
        raise UsageError(
            f"this run was started with other settings: {', '.join(asked)}. Leave them out to go on as it was, or add "
            "--accept-changes to go on with them"
        )
    cells = saved.model_dump()
    for name in changed:
        cells[name] = getattr(words, name)
        if name in ("minutes", "images"):
            cells["images" if name == "minutes" else "minutes"] = None
    return build_settings(cells), [told[name] for name in changed]
