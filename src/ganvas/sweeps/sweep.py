"""Many short runs in search of better settings, by Optuna: one study, any number of processes and machines.

The objective is the verdict's first distance at the end of a trial. Trials are stopped early when they are worse than
the median of the others at the same point (MedianPruner: it needs no length to be known, works from a handful of trials
on, and looks at the best distance so far, since a GAN's distance goes up and down; Hyperband wants some hundred
trials), or when the run calls itself sick.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ganvas.errors import UsageError
from ganvas.recipes import find_recipe
from ganvas.settings import build_settings
from ganvas.sweeps.results import SweepResult, Trial, best_of, command_line

try:
    from ganvas.sweeps.runner import Interrupted, Surplus, TrainedRun, TrialRunner
    from ganvas.sweeps.study import counted, opened_study, trials_of
except ModuleNotFoundError as error:
    raise UsageError(f"a sweep needs the package {error.name}: run pip install 'ganvas[sweep]'") from None


def sweep(
    source: str | Path,
    *,
    trials: int,
    out: str | Path | None = None,
    study: str | None = None,
    storage: str | None = None,
    recipe: str | None = None,
    space: Mapping[str, str] | None = None,
    quiet: bool = False,
    **settings: Any,
) -> SweepResult:
    """Train `trials` runs with different settings and return what was found, the best first of all.

    `space`: setting -> values as `--search` takes them, such as {"g_lr": "1e-4..1e-2:log"} [default: those of the
    study, or learning rates, batch, beta1 and R1 around the recipe]. `settings`: of every trial, with `images` or
    `minutes` of one. `storage`: a data base of SQLAlchemy; several machines give the URL of one server and the same
    `study` [default: sweep.db in `out`, for any number of processes on one machine]. A study that exists goes on;
    `trials` counts all of its trials. Raises UsageError for words that cannot be used. Ctrl-C ends with what is known.
    """
    from ganvas.training.loop import train

    def train_and_free(*words: Any, **more: Any) -> TrainedRun:
        try:
            return train(*words, **more)
        finally:
            gc.collect()  # the device needs the memory of this trial's networks for the next

    fixed = {name.replace("-", "_"): value for name, value in settings.items() if value is not None}
    if fixed.get("images") is None and fixed.get("minutes") is None:
        raise UsageError("how long is one trial? Give --images N (20000 tells recipes apart) or --minutes M")
    recipe = _checked_recipe(source, recipe, fixed)
    return search(
        source,
        trials=trials,
        out=Path("runs") / f"sweep-{_slug(source)}" if out is None else Path(out),
        study=study,
        storage=storage,
        recipe=recipe,
        space=space,
        fixed=fixed,
        train=train_and_free,
        say=(lambda _: None) if quiet else print,
    )


def search(
    source: str | Path,
    *,
    trials: int,
    out: Path,
    study: str | None,
    storage: str | None,
    recipe: str,
    space: Mapping[str, str] | None,
    fixed: Mapping[str, Any],
    train: Callable[..., TrainedRun],
    say: Callable[[str], None],
) -> SweepResult:
    """`sweep` with its settings settled, by any function that trains."""
    if trials < 1:
        raise UsageError(f"--trials {trials}: at least 1 is needed")
    cells = find_recipe(recipe).cells
    build_settings({**cells, **fixed})
    name = study or f"{_slug(source)}-{recipe}"
    out.mkdir(parents=True, exist_ok=True)
    with opened_study(
        name, storage, out, source=Path(source).name, recipe=recipe, fixed=fixed, searches=space
    ) as opened:
        optuna_study, shown = opened.optuna, opened.shown
        say(f"study      {name} in {shown}: {len(counted(optuna_study))} of {trials} trials are there")
        say("searching  " + " ".join(f"{key.replace('_', '-')}={domain}" for key, domain in opened.space.items()))
        runner = TrialRunner(source, out, recipe, fixed, opened.space, train, trials)
        ended: Literal["done", "interrupted"] = "done"
        signal = None
        try:
            while len(counted(optuna_study)) < trials:
                optuna_study.optimize(runner, n_trials=1, catch=(Surplus,))
                say(_line(trials_of(optuna_study), runner.last))
        except Interrupted as stop:
            ended, signal = "interrupted", stop.signal
        except KeyboardInterrupt:
            ended, signal = "interrupted", 2
        all_trials = trials_of(optuna_study)
    best = best_of(all_trials)
    command = None if best is None else command_line(source, recipe, fixed, best, out / "best")
    result = SweepResult(name, shown, all_trials, ended, command, signal)
    say(str(result))
    return result


def _checked_recipe(source: str | Path, recipe: str | None, fixed: Mapping[str, Any]) -> str:
    """The recipe of every trial, the one asked for or chosen; what no trial could train is refused here."""
    from ganvas.data.store import plan_store
    from ganvas.devices import pick_device
    from ganvas.tasks.table import find_task
    from ganvas.training.plan import DataFacts, make_plan, store_options

    device = pick_device(str(fixed.get("device", "auto")))
    task = find_task(recipe, fixed.get("task"))
    words = task.prepared(dict(fixed), device)
    opened = task.opened(source, words)
    data = plan_store(opened, store_options(words, device))
    return make_plan(DataFacts.of_plan(data, opened), opened.name, recipe, words, device).recipe.name


def _line(trials: tuple[Trial, ...], number: int) -> str:
    """What is said after a trial."""
    best = best_of(trials)
    (last,) = (trial for trial in trials if trial.number == number)
    return f"{last}; the best is {'none yet' if best is None else f'trial {best.number}'}"


def _slug(source: str | Path) -> str:
    return "".join(c if c.isalnum() else "-" for c in Path(source).stem).strip("-") or "pictures"
