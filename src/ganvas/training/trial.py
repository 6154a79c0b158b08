"""A short run that is only looked at: the same start, pictures and game as the run to come, with other settings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from ganvas.data.batches import Batches
from ganvas.data.store import Store
from ganvas.evaluation.features import Features
from ganvas.games.engine import Engine
from ganvas.settings import TrainSettings, build_settings
from ganvas.training.checkpoint import Checkpoint
from ganvas.training.diagnosis import Diagnostician
from ganvas.training.health import is_finite
from ganvas.training.journal import Averager
from ganvas.training.measurement import Measurement, inspection_interval
from ganvas.training.monitor import Inspector
from ganvas.training.plan import Plan
from ganvas.training.play import train_step
from ganvas.training.score import Scorer
from ganvas.training.state import TrainState
from ganvas.training.transfer import begin_from, freeze_first_layers
from ganvas.training.watch import open_watch

MOST_SAMPLES = 1_000  # of a score: half of the run's own, since a probe takes several in a minute
MEASURED_STEPS, MOST_MEASURING_S = 8, 5.0


@dataclass(eq=False)
class Trial:
    """One short run: how its settings differ from the plan's, and how near to the reals it came."""

    cells: dict[str, float]
    distances: dict[int, float] = field(default_factory=dict)  # by images seen; inf where a number is not finite
    sick: str = ""  # what is wrong with it, in words
    diagnostician: Diagnostician | None = None
    inspected_at: int = 0
    kept: Checkpoint | None = None  # where it goes on: only one trial's networks are in the memory at a time

    def rank(self, images: int) -> tuple[bool, float]:
        """Sorts the best first: a sick trial loses to one that is not, whatever its distance."""
        return bool(self.sick), self.distances.get(images, math.inf)


class TrialGround:
    """What all trials of one plan share: pictures, seeds, and the eyes that judge them."""

    def __init__(self, plan: Plan, store: Store, engine: Engine, judge: Features, looks_through: nn.Module | None):
        """`looks_through`: what D sees by, for a family that looks through a trained network."""
        self.plan, self.store, self.engine, self.looks_through = plan, store, engine, looks_through
        watch = open_watch(plan, store, judge, engine.device)
        self.monitor: Inspector | None = watch.monitor
        assert isinstance(watch.scorer, Scorer), "trials are of generation"
        self.scorer = watch.scorer
        self.scorer.samples = min(self.scorer.samples, MOST_SAMPLES)

    def settings(self, cells: dict[str, float]) -> TrainSettings:
        """The plan's, with a trial's cells. Compiling would take longer than a trial."""
        return build_settings({**self.plan.settings.model_dump(), "compile": False, **cells})

    def begin(self, settings: TrainSettings) -> TrainState:
        """The state that the run itself will begin with."""
        state = TrainState.create(settings, self.plan.config, self.engine, lambda _: None, self.looks_through)
        if settings.freeze_d:
            assert state.game.D is not None, "trials are of generation"
            freeze_first_layers(state.game.D, settings.freeze_d)
        if settings.init_from:
            begin_from(state, Path(settings.init_from))
        return state

    def batches(self, settings: TrainSettings) -> Batches:
        """The run's own pictures in the run's own order."""
        s, split = settings, self.store.train
        labels = split.labels if s.labels else None
        return Batches(split.images, labels, s.batch, s.seed, self.engine.device, s.mirror)

    def play(self, trial: Trial, until: int, of: int, tell: Callable[[int], None] = lambda _: None) -> None:
        """Let a trial of `of` images go on until it has seen so many, and take its distance.

        A trial is a whole run in small: rates, penalties and stages go their full way in it, as the beginning of a run
        would not show what they come to. The same cells give the same distance, in one go or in parts. tell: images
        since the last call.
        """
        settings = self.settings(trial.cells)
        s, state = settings, self.begin(settings)
        if trial.kept is not None:
            state.restore(trial.kept)
        if trial.diagnostician is None:
            trial.diagnostician = Diagnostician(
                of, objective=s.objective, classes=self.plan.config.classes, pictures=self.store.train_count
            )
        batches, averager, per_step = self.batches(s), Averager(), s.batch * s.n_critic
        interval = inspection_interval(of, per_step)
        while state.images < until and not trial.sick:
            averager.add(train_step(state, batches, state.images / of))
            tell(per_step)
            if state.images // interval > trial.inspected_at // interval:
                self._inspect(trial, state, averager.take())
        finite = is_finite(averager.take()) and state.is_finite()
        trial.sick = trial.sick or ("" if finite else "a number is not finite")
        trial.distances[until] = self.scorer.score(state.model()) if finite else math.inf
        trial.kept = state.to_checkpoint()

    def _inspect(self, trial: Trial, state: TrainState, stats: dict[str, float]) -> None:
        assert trial.diagnostician is not None, "play() gives one"
        trial.inspected_at = state.images
        measurement = Measurement.of(state.images, stats)
        if self.monitor is not None and is_finite(stats):
            measurement = self.monitor.inspect(state, stats)
        serious = [found.text for found in trial.diagnostician.look(measurement) if found.severity != "note"]
        if serious:
            trial.sick = serious[0]

    def seconds(self) -> tuple[float, float]:
        """What an image and a score cost, from a few steps that are thrown away."""
        s = self.settings({})
        state, batches = self.begin(s), self.batches(s)
        for _ in range(2):  # the first steps are slower
            train_step(state, batches, 0.0)
        began, images, steps = time.monotonic(), state.images, 2 + max(MEASURED_STEPS, s.penalty_every)
        while state.step < steps and time.monotonic() - began < MOST_MEASURING_S:
            train_step(state, batches, 0.0)
        state.is_finite()  # waits for the device
        per_image_s = (time.monotonic() - began) / (state.images - images)
        began = time.monotonic()
        self.scorer.score(state.model())
        return per_image_s, time.monotonic() - began
