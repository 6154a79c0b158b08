"""Training from end to end: `train` is the table of contents."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.devices import be_deterministic, keep_freed_memory
from ganvas.errors import GanvasError
from ganvas.evaluation.features import Features
from ganvas.games.engine import Engine, open_engine
from ganvas.model import Model, load
from ganvas.networks.biggan import standing_statistics
from ganvas.settings import TrainSettings
from ganvas.training.checkpoint import (
    Checkpoint,
    load_best_checkpoint,
    load_newest_checkpoint,
    restore_network,
    sweep,
)
from ganvas.training.facts import check_same_perceiver, first_facts, introduce, perceiver_facts
from ganvas.training.finish import finish, judge_effort, learn_judge
from ganvas.training.journal import Journal, read_stats
from ganvas.training.play import play
from ganvas.training.run_folder import RunFolder, choose_run_folder, forget_if_empty
from ganvas.training.run_lock import RunLock
from ganvas.training.saver import Saver
from ganvas.training.session import (
    Session,
    make_budget,
)
from ganvas.training.settle import Settled, begin, begin_run, say_checkup, say_resumed, settle
from ganvas.training.state import TrainState
from ganvas.training.stop import StopRequest, usr1_as_sigterm
from ganvas.training.trackers.opening import open_trackers
from ganvas.training.watch import Callback, open_watch


@dataclass(frozen=True)
class Run:
    """A finished (or stopped) run."""

    path: Path
    ended: str = "done"  # or "interrupted", "stopped" (patience, or the caller's watch) or "sick"
    signal: int | None = None
    cause: str = ""

    @property
    def model(self) -> Any:
        """What was trained, averaged: a Model, or a PictureModel where the run paints from pictures."""
        return load(self.path)

    @property
    def stats(self) -> list[dict[str, Any]]:
        """The events of stats.jsonl."""
        return read_stats(RunFolder(self.path).stats)


def train(
    source: str | Path,
    *,
    recipe: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    accept_changes: bool = False,
    store: str | Path | None = None,
    quiet: bool = False,
    started: float | None = None,
    watch: Callback | None = None,
    **settings: Any,
) -> Run:
    """Train one network on the pictures of `source`; the run, with model, samples, verdict and report written.

    `settings` are the fields of `TrainSettings`; what is not given comes from the recipe. `store`: where the decoded
    pictures go instead of the cache. `started`: time.monotonic() when the command began, for `minutes`.
    watch: called with images seen, a distance or None, and a sickness in words or None; if it says True the run ends
    there, whole. Raises GanvasError (UsageError for settings) in one line. Ctrl-C and SIGTERM end the run early, but
    whole.
    """
    started = time.monotonic() if started is None else started
    words = {name.replace("-", "_"): value for name, value in settings.items() if value is not None}
    if words.get("threads"):
        torch.set_num_threads(int(words["threads"]))
    engine = open_engine(str(words.get("device", "auto")))
    if engine.device.type == "cpu":
        keep_freed_memory()
    folder = engine.on_main(lambda: choose_run_folder(out, str(source), recipe, overwrite=overwrite, resume=resume))
    with ExitStack() as stack:
        stack.enter_context(usr1_as_sigterm())
        lock = RunLock(folder.lock)
        if engine.is_main:
            stack.callback(forget_if_empty, folder)
            stack.enter_context(lock)
        engine.wait()
        settled = settle(
            source,
            recipe,
            words,
            engine,
            store=store,
            saved=folder if resume and folder.settings.is_file() else None,
            quiet=quiet or not engine.is_main,
            accept_changes=accept_changes,
        )
        if settled.plan.settings.deterministic:
            be_deterministic()
        session, checkpoint = open_session(
            stack, settled, folder, engine, lock.recovered, resume=resume, overwrite=overwrite, quiet=quiet,
            started=started, watch=watch,
        )  # fmt: skip
        try:
            play(session, fresh=checkpoint is None)
        except (GanvasError, OSError) as error:
            if engine.is_main:
                seen = session.state.images
                folder.write_facts({**session.facts, "ended": "failed", "error": str(error), "images_seen": seen})
            raise
        finally:
            session.batches.close()
        return finish_run(session)


def open_session(
    stack: ExitStack,
    settled: Settled,
    folder: RunFolder,
    engine: Engine,
    recovered: str,
    *,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    started: float,
    watch: Callback | None,
) -> tuple[Session, Checkpoint | None]:
    """Everything the loop needs, at its beginning or where the newest checkpoint left it; what closes is on the stack.

    recovered: what was said of a lock that a dead process had left.
    """
    data, plan, alone = settled.store, settled.plan, engine.is_main
    problems: list[str] = []
    features = plan.task.looks_through(plan.config, plan.settings, data, engine, judge_effort(plan.settings.minutes))
    state = TrainState.create(plan.settings, plan.config, engine, problems.append, features)
    facts = first_facts(plan, data, state) | perceiver_facts(features)
    if resume and folder.facts.is_file():
        check_same_perceiver(folder, facts)
    if settled.probe is not None:
        facts["probe_seconds"] = settled.probe["seconds"]
    if alone:
        for swept in (folder.path, folder.samples, folder.checkpoints):
            sweep(swept, locked=True)
    engine.wait()
    checkpoint, damaged = load_newest_checkpoint(folder.checkpoints) if resume else (None, [])
    facts["images_seen"] = 0 if checkpoint is None else int(checkpoint.counters["images"])
    engine.on_main(lambda: begin_run(folder, settled, facts, fresh=overwrite))
    resumed_at = facts["images_seen"] if resume else None
    lines = 0 if checkpoint is None else int(checkpoint.counters.get("lines", 0))
    stats = folder.stats if alone else Path(os.devnull)
    journal = stack.enter_context(Journal(stats, quiet=quiet or not alone, keep=lines))
    if recovered:
        journal.say(f"lock       {recovered}")
    introduce(journal, folder, plan, data, facts)
    say_checkup(journal, folder, settled.checkup)
    eyes = plan.task.judged_by(data, plan.settings)
    judge = learn_judge(eyes, plan.settings.minutes, engine.device, journal) if alone else None
    stop = stack.enter_context(StopRequest())
    session = Session(folder, data, plan, state, judge, journal, stop, facts, started, settled.source, problems)
    for line in begin(session, checkpoint):
        journal.say(f"begins     {line}")
    if resume:
        say_resumed(journal, state.images, checkpoint is not None, damaged, settled.changes)
    if judge is not None:
        equip(session, stack, judge, checkpoint, resumed_at, watch)
    session.budget = make_budget(session, float(checkpoint.counters["seconds"]) if checkpoint else 0.0)
    return session, checkpoint


def equip(
    session: Session,
    stack: ExitStack,
    judge: Features,
    checkpoint: Checkpoint | None,
    resumed_at: int | None,
    callback: Callback | None,
) -> None:
    """Give the main process what writes and watches."""
    settings, journal, folder = session.plan.settings, session.journal, session.folder

    def on_problem(text: str) -> None:
        journal.warn(session.state.images, text)

    session.saver = stack.enter_context(Saver(folder.checkpoints, settings.keep, on_problem=on_problem))
    session.trackers = stack.enter_context(
        open_trackers(
            settings.report_to,
            folder.path,
            settings=settings.model_dump(mode="json"),
            facts=session.facts,
            resume_images=resumed_at,
            on_problem=on_problem,
        )
    )
    for line in session.trackers.places:
        journal.say(f"tracker    {line}")
    session.watch = open_watch(session.plan, session.store, judge, session.engine.device, callback)
    if checkpoint is not None and "watch" in checkpoint.counters:
        session.watch.restore(checkpoint.counters["watch"])


def finish_run(session: Session) -> Run:
    """Model, sheet, verdict, report; then the last words. Processes but the main one wait for it."""
    ended, journal, state = session.ended, session.journal, session.state
    journal.end_progress()
    if ended != "done":
        why = f" ({session.cause})" if session.cause else ""
        journal.say(f"stopped at {state.images:,} images{why}: writing model, verdict and report")
    if session.engine.is_main:
        write_results(session)
        if ended == "interrupted":
            journal.say(f"go on with: ganvas train {session.facts['source']} --out {session.folder.path} --resume")
    session.engine.wait()
    return Run(session.folder.path, ended, session.stop.signal, session.cause)


def write_results(session: Session) -> None:
    """What every run leaves, however it ended."""
    state, trained_s = session.state, session.budget.elapsed_s
    assert session.judge is not None, "the main process has one"
    if session.saver is not None:
        session.saver.wait()
    session.facts.update(
        images_seen=state.images,
        train_seconds=round(trained_s, 2),
        images_per_s=round(state.images / trained_s, 1) if trained_s > 0 else None,
        ended=session.ended,
        cause=session.cause,
    )
    verdict = finish(
        session.folder,
        session.plan.task,
        session.store,
        with_standing_statistics(best_model(session), session.plan.settings),
        session.plan.settings,
        session.judge,
        session.facts,
        session.journal,
        session.started,
    )
    if session.trackers is not None:
        if verdict is not None:
            numbers = {f"verdict/{metric.metric}": metric.value for metric in verdict.metrics}
            session.trackers.log(state.images, numbers)
        session.trackers.picture("samples", session.folder.samples / "final.png", state.images)
        session.trackers.finish(session.ended)


STANDING_SEED = 3_000_000  # the first, apart from those of scores and verdicts


def with_standing_statistics(model: Any, settings: TrainSettings) -> Any:
    """The model with BatchNorm statistics of its own weights, where the settings ask for some batches of them."""
    if not settings.standing_batches:
        return model
    assert isinstance(model, Model), "no recipe but those of generation asks for it"

    def draw(number: int) -> tuple[Tensor, Tensor | None]:
        seeds = range(STANDING_SEED + number * settings.batch, STANDING_SEED + (number + 1) * settings.batch)
        labels = model.labels_for(seeds)
        return model.noise(seeds), None if labels is None else torch.from_numpy(labels).to(model.device)

    standing_statistics(model.G, draw, settings.standing_batches)
    return Model(model.G, model.config, model.device)


def best_model(session: Session) -> Any:
    """The average of the moment with the least distance; as it is now where no score was taken."""
    watch, state = session.watch, session.state
    model = state.model()
    if watch is None or watch.best.images is None or watch.best.images == state.images:
        return model
    checkpoint, _ = load_best_checkpoint(session.folder.checkpoints)
    if checkpoint is None or int(checkpoint.counters["images"]) != watch.best.images:
        return model
    restore_network("G_ema", state.G_ema, checkpoint.tensors)
    session.facts["best_images"] = watch.best.images
    session.journal.say(f"best       the moment after {watch.best.images:,} images becomes the model")
    return state.config.model_copy(update={"images_seen": watch.best.images}).holding(state.G_ema, session.plan.device)
