"""What the steps of one training share, and what happens between them: lines, sheets, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ganvas.data.batches import Batches
from ganvas.data.contract import Source
from ganvas.data.decoders import Decoders
from ganvas.data.shards.order import Position
from ganvas.data.shards.stream import SampleStream
from ganvas.data.shards.streamed import StreamedSource, decoding
from ganvas.data.store import Store
from ganvas.data.stream_batches import StreamBatches
from ganvas.errors import GanvasError
from ganvas.evaluation.features import Features
from ganvas.games.contract import Batch
from ganvas.games.engine import Engine
from ganvas.training.budget import DEFAULT_MINUTES, Budget, training_seconds
from ganvas.training.checkpoint import Checkpoint
from ganvas.training.journal import Averager, Journal
from ganvas.training.plan import Plan
from ganvas.training.run_folder import RunFolder, thousands
from ganvas.training.saver import Saver
from ganvas.training.sheets import save_sheet
from ganvas.training.state import TrainState
from ganvas.training.stop import StopRequest
from ganvas.training.trackers.opening import Trackers
from ganvas.training.watch import Watch

SHEETS_AT = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the run


@dataclass
class Session:
    """What the steps of one training share."""

    folder: RunFolder
    store: Store
    plan: Plan
    state: TrainState
    judge: Features | None  # of the main process, which alone judges
    journal: Journal
    stop: StopRequest
    facts: dict[str, Any]
    started: float
    source: Source
    problems: list[str] = field(default_factory=list)  # what the game had to change, told at the next line
    saver: Saver | None = None  # these three of the main process
    watch: Watch | None = None
    trackers: Trackers | None = None
    averager: Averager = field(default_factory=Averager)
    last_stats: dict[str, float] = field(default_factory=dict)
    logged: tuple[float, int] = (0.0, 0)  # when the last line was, and at how many images
    batches: Batches | StreamBatches = field(init=False)
    budget: Budget = field(init=False)
    ended: str = "done"
    cause: str = ""  # why it ended before its time

    @property
    def engine(self) -> Engine:
        """Which process this is, and what it tells the others."""
        return self.state.game.engine

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up the state of a checkpoint, and everything that is measured between two of them."""
        self.state.restore(checkpoint)
        self.averager.restore(checkpoint.counters.get("averager", {}))
        self.last_stats = dict(checkpoint.counters.get("last_stats", {}))
        self.batches = make_batches(self, checkpoint)


def make_budget(session: Session, used_s: float) -> Budget:
    """Under --minutes: what is left of the whole command's time after the start and before the verdict."""
    settings = session.plan.settings
    minutes = settings.minutes or DEFAULT_MINUTES
    spent_s, probed_s = time.monotonic() - session.started, float(session.facts.get("probe_seconds", 0.0))
    finishing_s = session.facts["finishing_forecast_s"] = round(forecast_finishing(session), 1)
    training_s = training_seconds(minutes, spent_s=spent_s, finishing_s=finishing_s, probed_s=probed_s)
    return Budget(images=settings.images, training_s=training_s, used_s=used_s)


def forecast_finishing(session: Session) -> float:
    """Seconds that verdict and report will take, from the time of a small share of them."""
    if session.judge is None:
        return 0.0  # the main process's clock counts
    plan = session.plan
    return plan.task.finishing_seconds(session.state, session.store, plan.settings, session.judge)


def make_batches(session: Session, checkpoint: Checkpoint | None) -> Batches | StreamBatches:
    """The training pictures: of the store, or of a stream of shards, from where the checkpoint left it."""
    source = session.source
    settings, store = session.plan.settings, session.store
    device, engine = session.plan.device, session.engine
    if not isinstance(source, StreamedSource):
        share = engine.rows(settings.batch)
        rows = slice(share.start, share.start + engine.share_of(settings.batch))
        return session.plan.task.batches(store, settings, device, rows)
    class_names = store.class_names if settings.labels else None
    kept = _position_of(checkpoint, engine)
    stream = SampleStream(
        source.shards,
        seed=settings.seed,
        decode=decoding(Decoders(), store.target, class_names),
        rank=engine.rank,
        world=engine.world,
        position=None if kept is None else Position.from_json(kept),
        options=source.options,
    )
    first, size = session.state.step * settings.n_critic, engine.share_of(settings.batch)
    return StreamBatches(stream, class_names, size, settings.seed + engine.rank, device, settings.mirror, first)


def _position_of(checkpoint: Checkpoint | None, engine: Engine) -> Any:
    """Where this process's stream goes on; those of a checkpoint are of the processes that wrote it."""
    if checkpoint is None:
        return None
    kept = checkpoint.counters["stream"]
    if len(kept) != engine.world:
        raise GanvasError(
            f"this run was streamed by {len(kept)} processes, which is what its place in the shards is known for, not "
            f"{engine.world}: resume it with {len(kept)}, or prepare the pictures first"
        )
    return kept[engine.rank]


def reals_of_step(batches: Batches | StreamBatches, step: int, n_critic: int) -> list[Batch]:
    """The real batches of one step, one per D turn, in the memory format of the networks."""
    found = (batches.at(step * n_critic + turn) for turn in range(n_critic))
    return [(images.contiguous(memory_format=torch.channels_last), labels) for images, labels in found]


def first_look(session: Session) -> None:
    """Sheets of the data and of what is made untrained, and the mistakes that a first batch shows."""
    task, (batch,) = session.plan.task, reals_of_step(session.batches, 0, 1)
    for problem in task.first_problems(session.state, batch):
        session.journal.warn(0, problem)
    reals = task.real_sheet(session.store, session.plan.config)
    save_sheet(session.folder.samples / "reals.png", reals, source=session.facts["source"])
    fakes = task.sheet(session.state.model(), session.store)
    save_sheet(session.folder.samples / "fakes_init.png", fakes, images_seen=0)


def sheet_times(session: Session) -> Callable[[float], bool]:
    """Tells, once per appointment, that a sheet is due: every `sheet_every` images, or at fixed shares of the run."""
    every, state = session.plan.settings.sheet_every, session.state
    if every:
        last = state.images // every

        def due_by_images(progress: float) -> bool:
            nonlocal last
            due, last = state.images // every > last, state.images // every
            return due

        return due_by_images
    passed = sum(session.budget.progress(state.images) >= share for share in SHEETS_AT)

    def due_by_share(progress: float) -> bool:
        nonlocal passed
        now = sum(progress >= share for share in SHEETS_AT)
        due, passed = now > passed, now
        return due

    return due_by_share


CHECKPOINT_EVERY_S = 300.0


def checkpoint_times(session: Session) -> Callable[[], bool]:
    """Tells that a checkpoint is due: every `checkpoint_every` images, or every five minutes."""
    every, state = session.plan.settings.checkpoint_every, session.state
    saved_at, count = time.monotonic(), state.images // every if every else 0

    def due() -> bool:
        nonlocal saved_at, count
        if every:  # at the same images, however often the run was stopped in between
            is_due, count = state.images // every > count, state.images // every
            return is_due
        now = time.monotonic()
        is_due = now - saved_at >= CHECKPOINT_EVERY_S
        saved_at = now if is_due else saved_at
        return is_due

    return due


def save_fakes(session: Session) -> None:
    """The sheet of this moment, under the number of images seen in thousands."""
    name = f"fakes{thousands(session.state.images)}.png"
    sheet = session.plan.task.sheet(session.state.model(), session.store)
    save_sheet(session.folder.samples / name, sheet, images_seen=session.state.images)


def log(session: Session) -> None:
    """One line for programs and one for people."""
    state, journal, game, last = session.state, session.journal, session.state.game, session.logged
    session.last_stats, now = session.averager.take(), time.monotonic()
    rate = (state.images - last[1]) / max(now - last[0], 1e-9)
    progress = session.budget.progress(state.images)
    seconds = round(session.budget.elapsed_s, 2)
    numbers = {**session.last_stats, **game.rates()}
    journal.record("stats", images=state.images, step=state.step, seconds=seconds, images_per_s=rate, **numbers)
    left_s = session.budget.elapsed_s * (1 - progress) / max(progress, 1e-6)
    words = session.plan.task.in_words(session.last_stats, session.plan.settings)
    journal.show(progress, state.images, rate, left_s, words)
    if session.trackers is not None:
        finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
        session.trackers.log(state.images, {**finite, "images_per_s": rate})
    if session.saver is not None:
        session.saver.poll()
    session.logged = now, state.images


def write_checkpoint(session: Session, *, best: bool = False) -> None:
    """Save a state that is sound; under --minutes with the part of the budget that is spent."""
    state, settings = session.state, session.plan.settings
    counters: dict[str, Any] = {"seconds": round(session.budget.elapsed_s, 3)}
    if isinstance(session.batches, StreamBatches):
        here = session.batches.position(state.step * settings.n_critic)
        counters["stream"] = session.engine.gather(here)
    if session.saver is None or session.watch is None:
        return
    counters |= {"averager": session.averager.to_json(), "last_stats": session.last_stats}
    counters["lines"] = session.journal.lines_on_disk()
    counters["watch"] = session.watch.to_json()
    before = session.watch.saved_at
    permanent = bool(settings.keep_every and state.images // settings.keep_every > before // settings.keep_every)
    session.watch.saved_at = state.images
    session.saver.save(state.to_checkpoint(**counters), best=best, permanent=permanent)
