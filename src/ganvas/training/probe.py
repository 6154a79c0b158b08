"""`--probe`: short runs before the run find the R1 and R2 weights and the learning rates that these pictures want.

First the recipe's own gamma meets others around the suggestion, then the learning rates of the winner meet half and
twice of them. The best challenger goes on to the full length of a trial; who is in place stays unless clearly beaten.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ganvas.data.store import Store
from ganvas.errors import UsageError
from ganvas.evaluation.features import learn_features
from ganvas.games.engine import Engine
from ganvas.progress import bar
from ganvas.settings import TrainSettings
from ganvas.suggest import WEIGHTS, Suggestion, suggest_gamma
from ganvas.training import looked_through
from ganvas.training.finish import judge_effort
from ganvas.training.plan import Plan
from ganvas.training.trial import Trial, TrialGround

GAMMAS = (0.25, 1.0, 4.0)  # times the suggestion
RATES = (0.5, 2.0)  # times the learning rates
SAME = 2.0  # gammas nearer than this factor to the recipe's own are not tried beside it
# Share of the distance that a challenger must gain. Three seeds of one setting differed by a fifth after 200 steps on
# digits, and two by a factor of three after 300 on photographs of cats, where G had just begun to draw anything.
CLEARLY = 0.25
LEAST_STEPS = 250  # until a trial is judged first
SHARE, LEAST_MINUTES, MOST_MINUTES, MOST_SHARE = 0.1, 1.0, 5.0, 0.2  # of a run
LATE = 1.5  # times the time that was meant: the machine is busier than when it was measured


class TimeIsUp(Exception):
    """The trials take far longer than was measured."""


def refuse_probe(words: Mapping[str, Any], engine: Engine, of_run: TrainSettings | None) -> None:
    """Raise UsageError for a probe that cannot be, before anything is read. `of_run`: of a run that goes on."""
    if not words.get("probe"):
        return
    if of_run is None and engine.world > 1:
        raise UsageError(
            f"--probe chooses settings in one process and this is one of {engine.world}: probe a short run in one "
            "process first, and give what it chose to all of them"
        )
    if of_run is not None and not of_run.probe:
        raise UsageError("--probe chooses settings before a run begins and this one has begun: leave it out to go on")


def probe_seconds(settings: TrainSettings) -> float | None:
    """How long a probe may take; None where the run counts images: then a tenth of them is the probe's.

    Raises UsageError for more than a fifth of the run. Not a matter of the settings alone: a run that goes on with
    fewer minutes does not probe again.
    """
    if settings.probe_minutes and settings.minutes and settings.probe_minutes > MOST_SHARE * settings.minutes:
        raise UsageError(
            f"--probe-minutes {settings.probe_minutes:g} of --minutes {settings.minutes:g}: a fifth is the most"
        )
    if settings.probe_minutes is not None:
        return 60 * settings.probe_minutes
    if settings.minutes is None:
        return None
    return 60 * min(max(SHARE * settings.minutes, LEAST_MINUTES), MOST_MINUTES, MOST_SHARE * settings.minutes)


def gamma_cells(settings: TrainSettings, suggestion: Suggestion | None) -> list[dict[str, float]]:
    """Penalty weights to try besides the settings' own, around the suggestion; R2 keeps its ratio to R1."""
    if suggestion is None:
        return []
    weights = {name: float(getattr(settings, name)) for name in WEIGHTS if getattr(settings, name)}
    factors = [suggestion.gamma / max(weights.values()) * times for times in GAMMAS]
    others = [factor for factor in factors if not 1 / SAME < factor < SAME]
    return [{name: min(_short(weight * factor), 10_000.0) for name, weight in weights.items()} for factor in others]


def rate_cells(settings: TrainSettings, given: set[str]) -> list[dict[str, float]]:
    """Half and twice the learning rates, but for one that the user gave."""
    names = [name for name in ("g_lr", "d_lr") if name not in given]
    return [{name: min(_short(getattr(settings, name) * times), 1.0) for name in names} for times in RATES if names]


def _short(value: float) -> float:
    return float(f"{value:.3g}")


@dataclass(frozen=True)
class Schedule:
    """How long trials are: judged after `images`, and the better ones again after twice of them."""

    images: int
    stretches: int  # of so many images each, all trials together
    seconds: float | None = None  # that this takes, where it was measured

    @classmethod
    def by_images(cls, settings: TrainSettings, stretches: int) -> Schedule:
        """A tenth of the run's images. Raises UsageError where that is too little for anything to be told apart."""
        s = settings
        assert s.images is not None, "a plan has minutes or images"
        per_step, images = s.batch * s.n_critic, int(SHARE * s.images / stretches)
        if images < LEAST_STEPS * per_step:
            least = math.ceil(LEAST_STEPS * per_step * stretches / SHARE)
            raise UsageError(
                f"--images {s.images}: a tenth of it is too short a probe for {stretches} times {LEAST_STEPS} steps: "
                f"give {least} or more, or --probe-minutes, or no --probe"
            )
        return cls(images // per_step * per_step, stretches)

    @classmethod
    def by_time(cls, ground: TrialGround, budget_s: float, stretches: int) -> Schedule:
        """What fills the time at this machine's speed. Raises UsageError as above."""
        s = ground.plan.settings
        per_step, (per_image_s, score_s) = s.batch * s.n_critic, ground.seconds()
        images = int((budget_s / stretches - score_s) / per_image_s)
        if images < LEAST_STEPS * per_step:
            least = math.ceil(stretches * (LEAST_STEPS * per_step * per_image_s + score_s) / 6) / 10
            raise UsageError(
                f"a probe of {budget_s / 60:.2g} minutes is too short here for {stretches} times {LEAST_STEPS} steps: "
                f"give --probe-minutes {least:g} (and five times as many --minutes), or no --probe"
            )
        images = images // per_step * per_step
        return cls(images, stretches, stretches * (images * per_image_s + score_s))


@dataclass
class Probe:
    """A probe while it goes: the trials so far, in the order in which they were begun."""

    ground: TrialGround
    schedule: Schedule
    say: Callable[[str], None]
    show: Callable[[str, int, int], None]
    deadline: float = math.inf
    trials: list[Trial] = field(default_factory=list)
    seen: int = 0  # images, all trials together

    def challenge(self, champion: Trial, cells: Sequence[dict[str, float]]) -> Trial:
        """The champion, or the best of its challengers if that is clearly better at the full length."""
        if not cells:
            return champion
        first, full = self.schedule.images, 2 * self.schedule.images
        challengers = [Trial({**champion.cells, **some}) for some in cells]
        for trial in (champion, *challengers):
            self.play(trial, first)
        best = min(challengers, key=lambda trial: trial.rank(first))
        for trial in (champion, best):
            self.play(trial, full)
        return best if clearly_better(best, champion, full) else champion

    def play(self, trial: Trial, until: int) -> None:
        """Let a trial go on, if it is not there yet. Raises TimeIsUp."""
        if until in trial.distances:
            return
        if time.monotonic() > self.deadline:
            raise TimeIsUp
        if trial not in self.trials:
            self.trials.append(trial)
        self.ground.play(trial, until, 2 * self.schedule.images, self._tell)
        self.say(self.row(trial, until))

    def _tell(self, images: int) -> None:
        self.seen += images
        self.show("probing settings", self.seen, self.schedule.stretches * self.schedule.images)

    def names(self) -> list[str]:
        """The settings that may differ among trials."""
        return [name for name in (*WEIGHTS, "g_lr", "d_lr") if getattr(self.ground.plan.settings, name)]

    def head(self) -> str:
        """Over the rows."""
        columns = (*(name.replace("_", "-") for name in self.names()), "images", "distance")
        return "".join(f"{column:>10}" for column in columns)

    def row(self, trial: Trial, images: int) -> str:
        """A trial's settings and what it came to after so many images."""
        settings = self.ground.settings(trial.cells)
        values = "".join(f"{getattr(settings, name):>10.3g}" for name in self.names())
        return f"{values}{images:>10,}{trial.distances[images]:>10.4g}{'  ' if trial.sick else ''}{trial.sick}"


def clearly_better(trial: Trial, champion: Trial, images: int) -> bool:
    """Whether a trial is sound where the champion is sick, or nearer to the reals by more than luck explains."""
    if trial.sick or champion.sick:
        return bool(champion.sick) and not trial.sick
    return trial.distances[images] < (1 - CLEARLY) * champion.distances[images]


def probe(
    plan: Plan, given: set[str], store: Store, engine: Engine, *, quiet: bool = False
) -> tuple[Plan, dict[str, Any]]:
    """The plan with the settings that short runs chose, and the probe as probe.json keeps it.

    `given`: the settings that the user gave, which are left alone. Raises UsageError if nothing is left to choose, or
    if the time is too short for anything to be told apart.
    """
    began, s = time.monotonic(), plan.settings
    suggestion = None if given & set(WEIGHTS) else suggest_gamma(s, plan.recipe.cells, store.train_count)
    gammas, rates = gamma_cells(s, suggestion), rate_cells(s, given)
    if not gammas and not rates:
        raise UsageError("--probe has nothing to choose: the learning rates are given. Leave them out, or --probe")
    stretches = 2 + sum(len(cells) + 1 for cells in (gammas, rates) if cells)  # who is in place plays once
    budget_s = probe_seconds(s)
    schedule = Schedule.by_images(s, stretches) if budget_s is None else None
    effort = judge_effort(s.minutes)
    judge = learn_features(store, device=engine.device, effort=effort)
    through = looked_through.learned(plan.config, store, engine, effort)
    ground = TrialGround(plan, store, engine, judge, through)
    schedule = schedule or Schedule.by_time(ground, budget_s or 0.0, stretches)

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    with bar(quiet=quiet) as show:
        going = Probe(ground, schedule, lambda row: say(f"           {row}"), show)
        if schedule.seconds is not None:
            going.deadline = time.monotonic() + LATE * schedule.seconds
        say(f"probe      {_introduction(suggestion, schedule)}")
        going.say(going.head())
        champion, late = Trial({}), False
        try:
            champion = going.challenge(champion, gammas)
            champion = going.challenge(champion, rates)
        except TimeIsUp:
            late = True
    why = _why(going, champion, late)
    say(f"chosen     {why}")
    seconds = round(time.monotonic() - began, 1)
    chosen = s.model_copy(update=champion.cells)
    return replace(plan, settings=chosen), to_json(going, champion, suggestion, why, seconds)


def _introduction(suggestion: Suggestion | None, schedule: Schedule) -> str:
    time_words = "" if schedule.seconds is None else f", about {schedule.seconds:.0f} s"
    words = (
        f"short runs from the same start, compared by the quick distance that also finds the best moment{time_words}"
    )
    return words if suggestion is None else f"{suggestion.why}\n           {words}"


def _why(going: Probe, champion: Trial, late: bool) -> str:
    """The choice in words."""
    settings = going.ground.settings(champion.cells)
    words = ", ".join(f"{name.replace('_', '-')} {getattr(settings, name):g}" for name in going.names())
    own, full = going.trials[0], 2 * going.schedule.images
    if champion is own:
        reason = f"as it was: nothing else was nearer by {100 * CLEARLY:.0f} % or more"
    elif own.sick:
        reason = f"with its own settings the run was sick: {own.sick}"
    else:
        reason = f"distance {champion.distances[full]:.4g} after {full:,} images, {own.distances[full]:.4g} as it was"
    return f"{words} ({reason}{'; the time was up before all was tried' if late else ''})"


def to_json(going: Probe, champion: Trial, suggestion: Suggestion | None, why: str, seconds: float) -> dict[str, Any]:
    """What probe.json holds; a distance that is not finite is null."""
    names = going.names()

    def values(trial: Trial) -> dict[str, float]:
        settings = going.ground.settings(trial.cells)
        return {name: getattr(settings, name) for name in names}

    return {
        "schema": 1,
        "suggested_gamma": None if suggestion is None else suggestion.gamma,
        "why_suggested": "" if suggestion is None else suggestion.why,
        "samples": going.ground.scorer.samples,
        "trials": [
            {
                "settings": values(trial),
                "distances": [
                    {"images": images, "distance": distance if math.isfinite(distance) else None}
                    for images, distance in trial.distances.items()
                ],
                "sick": trial.sick,
            }
            for trial in going.trials
        ],
        "chosen": values(champion),
        "why": why,
        "seconds": seconds,
    }
