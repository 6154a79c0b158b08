"""Several runs in one table: ranked where their numbers may be compared, and only as far as chance allows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.passport import differences
from ganvas.evaluation.verdict import Metric
from ganvas.training.run_folder import RunFolder, is_run

SCHEMA = 1

Judge = Callable[[Path], Sequence[Metric]]


@dataclass(frozen=True)
class Line:
    """One metric of all runs: None where a run has no such number.

    ranks: 1 for the best; runs that chance alone could have put the other way round share the better rank. None for all
    where the numbers may not be compared; `why` says which field of their passports differs.
    """

    metric: str
    numbers: tuple[Metric | None, ...]
    ranks: tuple[int | None, ...]
    words: str
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """The table: a line for each metric, in the order of the first run's verdict."""

    runs: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def words(self) -> str:
        """What the first line says, which is the distance, and what could not be ranked, and what to do about it."""
        unranked = [line for line in self.lines if line.why]
        said = [] if self.lines[0].why else [self.lines[0].words]
        if unranked:
            said.append(f"Not ranked: {', '.join(line.metric for line in unranked)} ({unranked[0].why}).")
            said.append("To have all judged alike, give --data (one reference) and --samples (one number of pictures).")
        return " ".join(said)

    def to_json(self) -> dict[str, Any]:
        """{"schema": 1, "runs": [...], "lines": [{"metric", "numbers", "ranks", "words", "why"}], "words": ...}."""
        lines = [
            {
                "metric": line.metric,
                "numbers": [None if m is None else m.to_json() for m in line.numbers],
                "ranks": list(line.ranks),
                "words": line.words,
                "why": line.why,
            }
            for line in self.lines
        ]
        return {"schema": SCHEMA, "runs": list(self.runs), "lines": lines, "words": self.words}


def compare(runs: Sequence[str | Path], *, judge: Judge | None = None) -> Comparison:
    """One table of two runs or more, by the verdicts they ended with, or by `judge`, called with each path.

    Raises UsageError below two runs or for one given twice, GanvasError where a run has no verdict.
    """
    paths = [Path(run) for run in runs]
    if len(paths) < 2:
        raise UsageError(f"{len(paths)} run given, at least 2 are compared: give another run folder")
    again = next((p for i, p in enumerate(paths) if p.resolve() in {q.resolve() for q in paths[:i]}), None)
    if again is not None:
        raise UsageError(f"{again} is given twice: a run differs from itself by nothing")
    verdicts = [{m.metric: m for m in (judge or stored_verdict)(path)} for path in paths]
    names = tuple(map(str, paths))
    order = list(dict.fromkeys(metric for verdict in verdicts for metric in verdict))
    return Comparison(names, tuple(_line(metric, names, [v.get(metric) for v in verdicts]) for metric in order))


def stored_verdict(path: Path) -> tuple[Metric, ...]:
    """The numbers in a run's verdict.json; raises GanvasError where there is none, or a damaged one."""
    if not is_run(path):
        raise GanvasError(f"{path} is no run folder: give one that `ganvas train` made, or judge with --samples 10000")
    file = RunFolder(path).verdict
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["metrics"]
        return tuple(Metric.from_json(row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GanvasError(
            f"{file} cannot be read ({type(error).__name__}): judge the run anew with --samples 10000"
        ) from None


def comparable(numbers: Sequence[Metric | None]) -> str:
    """ "" if all that are there may be compared, else the field that differs, in words."""
    first, *others = [m for m in numbers if m is not None]
    for other in others:
        found = differences(first.passport, other.passport)
        if found:
            which, mine, theirs = found[0]
            field = which.replace("_", " ")
            if mine == theirs:
                return f"{field} was not written down"
            return f"{field} differs: {_short(mine)} and {_short(theirs)}"
    return ""


def distance_from_best(metric: Metric) -> float:
    """How far a number is from what would be best, 0 or more where that is known; lower is better."""
    if metric.better == "higher":
        return -metric.value
    if metric.better == "target" and metric.real_value is not None:
        return abs(metric.value - metric.real_value)
    return metric.value


def within_noise(a: Metric, b: Metric) -> bool | None:
    """Whether other samples could have put the two the other way round; None where no interval says."""
    if a.interval is None or b.interval is None:
        return None
    halves = [(m.interval[1] - m.interval[0]) / 2 for m in (a, b) if m.interval is not None]
    return abs(distance_from_best(a) - distance_from_best(b)) <= math.hypot(*halves)


def _line(metric: str, names: Sequence[str], numbers: Sequence[Metric | None]) -> Line:
    why = comparable(numbers)
    if why:
        return Line(metric, tuple(numbers), (None,) * len(numbers), f"{metric} cannot be ranked: {why}.", why)
    order = sorted(
        (i for i, m in enumerate(numbers) if m is not None), key=lambda i: distance_from_best(_there(numbers[i]))
    )
    ranks: list[int | None] = [None] * len(numbers)
    leader = order[0]
    for place, i in enumerate(order if len(order) > 1 else ()):  # alone, a number is no best
        if place and within_noise(_there(numbers[leader]), _there(numbers[i])) is not True:
            leader = i
        ranks[i] = 1 + order.index(leader)
    return Line(metric, tuple(numbers), tuple(ranks), _words(metric, names, numbers, order))


def _words(metric: str, names: Sequence[str], numbers: Sequence[Metric | None], order: Sequence[int]) -> str:
    """Who is ahead, and whether by more than chance."""
    if len(order) < 2:
        return f"Only {names[order[0]]} has a {metric}."
    first, second = (_there(numbers[i]) for i in order[:2])
    figures = f"{metric} {first.value:.4g} against {second.value:.4g} of {names[order[1]]}"
    noise = within_noise(first, second)
    if noise is None:
        return f"{names[order[0]]} is ahead ({figures}); how much of that is chance was not measured."
    if noise:
        return f"{names[order[0]]} and {names[order[1]]} lie within the noise of each other ({figures})."
    return f"{names[order[0]]} is ahead by more than the noise ({figures})."


def _there(metric: Metric | None) -> Metric:
    assert metric is not None, "only numbers that are there are ranked"
    return metric


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
