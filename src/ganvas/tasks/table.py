"""The tasks by name, and which one is meant."""

from __future__ import annotations

from ganvas.errors import UsageError
from ganvas.recipes import RECIPES, find_recipe
from ganvas.tasks.contract import Task
from ganvas.tasks.generation import Generation
from ganvas.tasks.restoration import Restoration
from ganvas.tasks.translation import Translation
from ganvas.tasks.unpaired import Unpaired

TASKS: dict[str, Task] = {task.name: task for task in (Generation(), Translation(), Unpaired(), Restoration())}


def find_task(recipe: str | None, task: str | None) -> Task:
    """The task of a recipe, or the one that is asked for. Raises UsageError where they differ."""
    if recipe is None:
        return TASKS[task or Generation.name]
    of_recipe = find_recipe(recipe).task
    if task is not None and task != of_recipe:
        able = ", ".join(name for name, row in RECIPES.items() if row.task == task)
        raise UsageError(
            f"--recipe {recipe} is for --task {of_recipe}, not {task}: leave one of them out, or use {able}"
        )
    return TASKS[of_recipe]
