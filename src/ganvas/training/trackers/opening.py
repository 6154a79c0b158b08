"""Trackers by name, opened side by side, each in its own thread."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from ganvas.errors import UsageError
from ganvas.training.trackers.contract import Opening, Tracker
from ganvas.training.trackers.places import forget, place
from ganvas.training.trackers.record import Record
from ganvas.training.trackers.worker import Back, End, Item, Picture, Point, Worker

CURVES = ("stats", "health")  # the events of stats.jsonl whose numbers are told
NO_CURVE = ("images", "step", "seconds")  # numbers in them that are not
ABRUPT_PATIENCE_S = 1.0
FINISH_PATIENCE_S = 60.0  # for all trackers together: what they still hold is written, or sent


def _class(module: str, name: str) -> Callable[[Opening], Tracker]:
    opener: Callable[[Opening], Tracker] = getattr(importlib.import_module(f"ganvas.training.trackers.{module}"), name)
    return opener


@dataclass(frozen=True)
class _Kind:
    packages: tuple[str, ...]  # that must be installed
    load: Callable[[], Callable[[Opening], Tracker]]  # imports them
    takes_back: bool = False  # whether points after a checkpoint can be dropped, and are then written again


_KINDS = {
    "tensorboard": _Kind(("tensorboardX",), partial(_class, "tensorboard_files", "TensorBoard"), takes_back=True),
    "wandb": _Kind(("wandb",), partial(_class, "weights_and_biases", "WeightsAndBiases")),
    "mlflow": _Kind(("mlflow", "sqlalchemy", "alembic"), partial(_class, "mlflow_store", "MLflow")),
    "trackio": _Kind(("trackio",), partial(_class, "trackio_project", "Trackio")),
}
NAMES = (*_KINDS, "none")


def read_names(names: Sequence[str]) -> tuple[str, ...]:
    """The trackers asked for, each once, `none` as an empty tuple.

    Raises UsageError for a name that is unknown, for `none` beside another, and for a package that is not there.
    """
    wanted = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))
    if "none" in wanted:
        if len(wanted) > 1:
            raise UsageError(f"--report-to {','.join(wanted)}: give none, or names, not both")
        return ()
    for name in wanted:
        if name not in _KINDS:
            near = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise UsageError(f"--report-to {name}: there is no such tracker. {hint}Known are {', '.join(NAMES)}")
        missing = [package for package in _KINDS[name].packages if importlib.util.find_spec(package) is None]
        if missing:
            raise UsageError(
                f"--report-to {name} needs the package {missing[0]}, which is not installed: "
                f"run pip install '{missing[0]}', or 'ganvas[track]' for all trackers"
            )
    return wanted


class Trackers:
    """The trackers of one run. No call waits for one or fails by one; the first problem of each is told once."""

    def __init__(self, workers: Sequence[Worker], places: Sequence[str], on_problem: Callable[[str], None]) -> None:
        self.places = tuple(places)
        """One line for each tracker: where its curves are and how they are looked at."""
        self._workers, self._on_problem = tuple(workers), on_problem
        self._finished = False

    def log(self, images: int, numbers: Mapping[str, float]) -> None:
        """A point for each name at `images` seen."""
        self._offer(Point(images, dict(numbers)))

    def picture(self, name: str, path: Path, images: int) -> None:
        """The PNG at `path`, which should stay there, as it was at `images` seen."""
        self._offer(Picture(images, name, path))

    def go_back(self, images: int) -> None:
        """The run was rolled back to `images`. TensorBoard drops its later points; where that cannot be done the sick
        part stays, and curves go on where the run passes it.
        """
        self._offer(Back(images))

    def finish(self, ended: str, patience_s: float = FINISH_PATIENCE_S) -> None:
        """Everything written, in so far as the trackers do it in time. `ended` as in run.json."""
        if self._finished:
            return
        self._finished = True
        self._offer(End(ended))
        deadline = time.monotonic() + patience_s
        for worker in self._workers:
            while worker.is_alive() and time.monotonic() < deadline:
                worker.join(0.05)
                if worker.hangs:
                    break
            worker.give_up()
        self._tell()

    def _offer(self, item: Item) -> None:
        for worker in self._workers:
            worker.offer(item)
        self._tell()

    def _tell(self) -> None:
        for worker in self._workers:
            problem = worker.new_problem()
            if problem is not None:
                self._on_problem(problem)

    def __enter__(self) -> Trackers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        at_once = kind is not None and not issubclass(kind, Exception)  # a second Ctrl-C
        self.finish("done" if kind is None else "failed", ABRUPT_PATIENCE_S if at_once else FINISH_PATIENCE_S)


def _past(run: Path, resume_images: int | None) -> Iterator[Point]:
    """The points in stats.jsonl up to where the run goes on: a tracker that is new, or was killed, has gaps there."""
    if not resume_images:
        return
    from ganvas.training.journal import read_stats

    for line in read_stats(run / "stats.jsonl"):
        images = line.get("images")
        if line.get("event") in CURVES and isinstance(images, int) and images <= resume_images:
            numbers = {k: float(v) for k, v in line.items() if isinstance(v, int | float) and k not in NO_CURVE}
            yield Point(images, numbers)


def _loaded(kind: _Kind) -> Callable[[Opening], Tracker]:
    """What opens a tracker; if its packages cannot be imported, what raises that in the tracker's thread.

    They are imported here, in the main thread: many set environment variables meanwhile, and where torch reads others
    in another thread at that moment, the C library crashes.
    """
    try:
        return kind.load()
    except (Exception, SystemExit) as error:
        problem = error

    def refuse(opening: Opening) -> Tracker:
        raise problem

    return refuse


def open_trackers(
    names: Sequence[str],
    run: Path,
    *,
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    resume_images: int | None,
    on_problem: Callable[[str], None],
) -> Trackers:
    """The trackers of `names` for the run in the folder `run`; opened in the background.

    `settings` and `facts` are shown beside the curves. `resume_images`: what the checkpoint had seen that the run goes
    on from, None for a new run, which forgets what trackers of an earlier one left in the folder. `on_problem` is
    called in the caller's thread, once for each tracker that fails. With several processes only the main one opens
    trackers: the others pass no names. Raises UsageError as `read_names` does.
    """
    wanted = read_names(names)
    if resume_images is None:
        forget(run)
    run.mkdir(parents=True, exist_ok=True)
    if not wanted:
        return Trackers((), (), on_problem)
    record = Record(run)
    workers, places = [], []
    for name in wanted:
        told = record.of.get(name)
        if told is not None and resume_images is not None and _KINDS[name].takes_back:
            told.forget_after(resume_images if resume_images else -1)
        opening = Opening(run, settings, facts, resume_images, told.identity if told is not None else None)
        workers.append(Worker(name, _loaded(_KINDS[name]), opening, record, partial(_past, run, resume_images)))
        places.append(place(name, run))
    for worker in workers:
        worker.start()
    return Trackers(workers, places, on_problem)
