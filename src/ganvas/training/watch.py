"""What is seen of a run while it goes, and what is decided: health, scores, the best moment, going back, the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from ganvas.data.store import Store
from ganvas.evaluation.features import Features
from ganvas.games.joint_batch_norm import alone
from ganvas.tasks.contract import Scorer
from ganvas.training.best import BestSoFar
from ganvas.training.diagnosis import Diagnosis, Diagnostician
from ganvas.training.measurement import Measurement
from ganvas.training.monitor import Inspector
from ganvas.training.plan import Plan
from ganvas.training.remedy import Decision, Remedy
from ganvas.training.state import TrainState

SCORES_AT = tuple(i / 8 for i in range(1, 9))  # shares of the run

Callback = Callable[[int, float | None, str | None], bool]
"""watch(images, distance or None, sickness or None) -> True to stop the run now."""


@dataclass
class Seen:
    """One look at a run: what was measured, what is new, and what to do."""

    measurement: Measurement
    diagnoses: list[Diagnosis]
    decision: Decision
    distance: float | None = None
    is_best: bool = False
    stop: str = ""  # why the run should end here, whole; "" where it should not


@dataclass
class Watch:
    """The eyes of one run. Of several processes the main one has them; the others are told what it decides."""

    monitor: Inspector | None
    scorer: Scorer
    diagnostician: Diagnostician
    remedy: Remedy
    interval: Callable[[int], int]  # images that the run will come to -> images between inspections
    judge_every: int | None
    patience: int | None
    callback: Callback | None
    best: BestSoFar = field(default_factory=BestSoFar)
    saved_at: int = 0
    inspected_at: int = 0
    scored_at: int = 0
    score_share: int = 0  # how many of SCORES_AT have passed

    def inspection_due(self, images: int, progress: float) -> bool:
        """Whether the next inspection's time has come, so far into the run."""
        if self.monitor is None:
            return False
        interval = self.interval(round(images / max(progress, 1e-6)))
        return images // interval > self.inspected_at // interval

    def score_due(self, images: int, progress: float) -> bool:
        """Whether the next score's time has come; the end of the run is always one."""
        if self.judge_every:
            return progress >= 1 or images // self.judge_every > self.scored_at // self.judge_every
        return sum(progress >= share for share in SCORES_AT) > self.score_share

    def look(self, state: TrainState, stats: Mapping[str, float], progress: float) -> Seen:
        """Inspect, score if it is time, and decide."""
        images = state.images
        self.inspected_at = images
        measurement = Measurement.of(images, stats)
        if self.monitor is not None:
            with alone():
                measurement = self.monitor.inspect(state, stats)
        distance, is_best = None, False
        if self.score_due(images, progress):
            self.scored_at, self.score_share = images, sum(progress >= share for share in SCORES_AT)
            distance = self.scorer.score(state.model())
            is_best = self.best.offer(images, distance)
            measurement = measurement.plus(distance=distance)
        found = self.diagnostician.look(measurement)
        seen = Seen(measurement, found, self.remedy.decide(found), distance, is_best)
        if distance is not None and self.patience is not None and self.best.flat(self.patience):
            seen.stop = f"the distance has not become better in {self.patience} scores"
        if self.callback is not None:
            sick = next((d.text for d in found if d.severity != "note"), None)
            if self.callback(images, distance, sick):
                seen.stop = seen.stop or "asked to stop"
        return seen

    def lost(self, images: int, stats: Mapping[str, float]) -> Seen:
        """What to do about a step whose numbers are not finite."""
        measurement = Measurement.of(images, stats)
        found = self.diagnostician.look(measurement)
        return Seen(measurement, found, self.remedy.decide(found))

    def went_back(self, images: int, kept: Mapping[str, Any] | None) -> None:
        """Forget what is no longer part of the run; how often it went back, and the best, stay."""
        if kept is not None:
            self.diagnostician.restore(kept["diagnostician"])
        self.inspected_at = self.scored_at = images
        self.best.forget_after(images)

    def to_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {
            "diagnostician": self.diagnostician.to_json(),
            "remedy": self.remedy.to_json(),
            "best": self.best.to_json(),
            "saved_at": self.saved_at,
            "inspected_at": self.inspected_at,
            "scored_at": self.scored_at,
            "score_share": self.score_share,
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Undo `to_json`."""
        self.diagnostician.restore(kept["diagnostician"])
        on_sick, self.remedy = self.remedy.on_sick, Remedy.from_json(kept["remedy"])
        self.remedy.on_sick = on_sick  # may differ where a run goes on
        self.best = BestSoFar.from_json(kept["best"])
        self.inspected_at, self.scored_at = int(kept["inspected_at"]), int(kept["scored_at"])
        self.score_share, self.saved_at = int(kept["score_share"]), int(kept["saved_at"])


def open_watch(
    plan: Plan, store: Store, judge: Features, device: torch.device, callback: Callback | None = None
) -> Watch:
    """The watch of a run on the pictures of `store`."""
    s, task = plan.settings, plan.task
    return Watch(
        task.monitor(store, plan.config, s, device),
        task.scorer(store, plan.config, s, judge),
        Diagnostician(
            s.images,
            objective=s.objective,
            classes=plan.config.classes,
            pictures=store.train_count,
            paints=s.task != "generate",
        ),
        Remedy(s.on_sick),
        partial(task.looks_every, s),
        s.judge_every,
        s.patience,
        callback,
    )
