"""One trial: settings are drawn, a run is trained and watched, its distance is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.exceptions import OptunaError
from sqlalchemy.exc import SQLAlchemyError

from ganvas.errors import GanvasError, UsageError
from ganvas.recipes import find_recipe
from ganvas.settings import build_settings
from ganvas.sweeps.results import first_distance
from ganvas.sweeps.space import Range, Space
from ganvas.sweeps.study import counted, sampler

SAME_ERRORS = 3  # in a row, before any of these trials trained: then it is not the settings


class TrainedRun(Protocol):
    """What a trial needs of a run."""

    @property
    def path(self) -> Path: ...
    @property
    def ended(self) -> str: ...


class Interrupted(Exception):
    """The user stopped the trial's run."""

    def __init__(self, signal: int | None) -> None:
        super().__init__("interrupted")
        self.signal = signal


class Surplus(Exception):
    """Another process began the last trial in the same moment."""


class TrialRunner:
    """The objective: settings are drawn, a run is trained, its distance is returned."""

    def __init__(
        self,
        source: str | Path,
        out: Path,
        recipe: str,
        fixed: Mapping[str, Any],
        space: Space,
        train: Callable[..., TrainedRun],
        wanted: int,
    ) -> None:
        self.source, self.out, self.recipe, self.fixed, self.space = source, out, recipe, fixed, space
        self.train, self.wanted, self.last = train, wanted, -1
        self._errors: list[str] = []

    def __call__(self, trial: optuna.Trial) -> float:
        self.last = trial.number
        place = sum(other.number < trial.number for other in counted(trial.study))
        if place >= self.wanted:
            trial.set_user_attr("reason", "another process began the last trial in the same moment")
            raise Surplus
        # Drawn from (seed, trial number): processes that share a study never draw the same, and a study can be redone.
        trial.study.sampler = sampler(int(self.fixed.get("seed", 0)), trial.number)
        drawn = {name: _suggest(trial, name, domain) for name, domain in self.space.items()}
        try:
            build_settings({**find_recipe(self.recipe).cells, **self.fixed, **drawn})
        except UsageError as error:
            return _prune(trial, f"refused: {error}")
        folder = self.out / f"trial-{trial.number:05d}"
        if folder.exists():
            raise UsageError(
                f"{folder} is there already and of another study: give another --out, or the study's own --storage"
            )
        trial.set_user_attr("run", str(folder))
        watch = Watched(trial)
        try:
            run = self.train(
                self.source, recipe=self.recipe, out=folder, quiet=True, watch=watch, **{**self.fixed, **drawn}
            )
        except (GanvasError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "out of memory" not in str(error):
                raise
            self._count_error(str(error), watch.called)
            return _prune(trial, f"failed: {error}")
        self._errors = []
        if run.ended == "interrupted":
            trial.set_user_attr("reason", "interrupted")
            raise Interrupted(getattr(run, "signal", None))
        distance = first_distance(run.path)
        if distance is not None:
            trial.set_user_attr("distance", distance)
        if watch.reason or run.ended == "sick":
            return _prune(trial, watch.reason or watch.sick or "the run called itself sick")
        if distance is None:
            return _prune(trial, "its pictures could not be judged")
        if watch.sick:
            trial.set_user_attr("reason", watch.sick)
        return distance

    def _count_error(self, message: str, trained: bool) -> None:
        self._errors = [] if trained else [*self._errors, message]
        last = self._errors[-SAME_ERRORS:]
        if len(last) == SAME_ERRORS and len(set(last)) == 1:
            raise GanvasError(f"{SAME_ERRORS} trials in a row could not begin, so it is not the settings: {message}")


class Watched:
    """The `watch` of one run: tells Optuna the distances and says when to stop."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial, self._measured = trial, 0
        self.reason, self.sick, self.called = "", "", False

    def __call__(self, images: int, distance: float | None, sick: str | None) -> bool:
        self.called = True
        if sick:
            self.sick = self.sick or f"sick after {images} images: {sick}"
            if self._another_is_done():  # the first always comes to its end: some data make every run sick
                self.reason = self.sick
        elif distance is not None and self._worse_than_the_others(distance):
            self.reason = f"distance {distance:.4g} after {images} images, worse than the median of the others"
        return bool(self.reason)

    def _another_is_done(self) -> bool:
        done = self._trial.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        return bool(done)

    def _worse_than_the_others(self, distance: float) -> bool:
        # The number of the measurement, not of images: trials of another batch are measured some images apart.
        number, self._measured = self._measured, self._measured + 1
        try:
            self._trial.report(distance, number)
            return bool(self._trial.should_prune())
        except (OptunaError, SQLAlchemyError):  # a data base that is away for a while must not end the training
            return False


def _suggest(trial: optuna.Trial, name: str, domain: Any) -> Any:
    if not isinstance(domain, Range):
        return trial.suggest_categorical(name, domain.values)
    if domain.whole:
        return trial.suggest_int(name, int(domain.low), int(domain.high), log=domain.log)
    return trial.suggest_float(name, domain.low, domain.high, log=domain.log)


def _prune(trial: optuna.Trial, reason: str) -> float:
    trial.set_user_attr("reason", reason)
    raise optuna.TrialPruned(reason)
