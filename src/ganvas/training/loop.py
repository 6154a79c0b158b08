"""Training from end to end: `train` is the table of contents, `play` the loop, `finish` what every run leaves."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ganvas.data.batches import Batches
from ganvas.data.checkup.checkup import Checkup, check
from ganvas.data.contract import Source
from ganvas.data.sources import open_source
from ganvas.data.store import Store, open_store
from ganvas.data.stream_batches import StreamBatches
from ganvas.devices import be_deterministic, keep_freed_memory
from ganvas.errors import GanvasError, UsageError
from ganvas.games.engine import Engine, open_engine
from ganvas.games.generation import Stats
from ganvas.games.noise import Draws
from ganvas.model import Model, load
from ganvas.progress import bar
from ganvas.settings import TrainSettings
from ganvas.training.checkpoint import Checkpoint, load_newest_checkpoint
from ganvas.training.facts import first_facts, introduce
from ganvas.training.finish import finish, learn_judge
from ganvas.training.journal import Averager, Journal, read_stats
from ganvas.training.plan import (
    DataFacts,
    Plan,
    make_plan,
    read_settings,
    settings_for_resume,
    source_options,
    store_options,
    write_settings,
)
from ganvas.training.run_folder import RunFolder, choose_run_folder, make_run_folder, write_text_atomically
from ganvas.training.session import (
    Session,
    checkpoint_times,
    first_look,
    log,
    make_batches,
    make_budget,
    reals_of_step,
    save_fakes,
    sheet_times,
    write_checkpoint,
)
from ganvas.training.state import TrainState
from ganvas.training.stop import StopRequest
from ganvas.training.transfer import begin_from, freeze_first_layers

LOG_EVERY_STEPS = 50


@dataclass(frozen=True)
class Run:
    """A finished (or stopped) run."""

    path: Path
    ended: str = "done"  # or "interrupted"
    signal: int | None = None

    @property
    def model(self) -> Model:
        """The averaged generator."""
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
    **settings: Any,
) -> Run:
    """Train one GAN on the pictures of `source` and return the run, with model, samples, verdict and report written.

    `settings` are the fields of `TrainSettings`; what is not given comes from the recipe. `store`: where the decoded
    pictures go instead of the cache. `started`: time.monotonic() when the command began, for `minutes`.
    Raises GanvasError (UsageError for settings) in one line. Ctrl-C and SIGTERM end the run early, but whole.
    """
    started = time.monotonic() if started is None else started
    words = {name.replace("-", "_"): value for name, value in settings.items() if value is not None}
    if words.get("threads"):
        torch.set_num_threads(int(words["threads"]))
    engine = open_engine(str(words.get("device", "auto")))
    if engine.device.type == "cpu":
        keep_freed_memory()
    folder = engine.on_main(lambda: choose_run_folder(out, str(source), recipe, overwrite=overwrite, resume=resume))
    saved = folder if resume and folder.settings.is_file() else None
    settled = settle(
        source,
        recipe,
        words,
        engine,
        store=store,
        saved=saved,
        quiet=quiet or not engine.is_main,
        accept_changes=accept_changes,
    )
    data, plan = settled.store, settled.plan
    problems: list[str] = []
    if plan.settings.deterministic:
        be_deterministic()
    state = TrainState.create(plan.settings, plan.config, engine, problems.append)
    checkpoint, damaged = load_newest_checkpoint(folder.checkpoints) if resume else (None, [])
    begun = begin(state, plan.settings, checkpoint)
    facts = first_facts(plan, data, state)
    engine.on_main(lambda: begin_run(folder, settled, facts, fresh=overwrite))
    stats = folder.stats if engine.is_main else Path(os.devnull)
    with Journal(stats, quiet=quiet or not engine.is_main, resume_from=state.images if resume else None) as journal:
        introduce(journal, folder, plan, data, facts)
        say_checkup(journal, folder, settled.checkup)
        if resume:
            say_resumed(journal, state.images, checkpoint is not None, damaged, settled.changes)
        for line in begun:
            journal.say(f"begins     {line}")
        judge = learn_judge(data, plan.settings.minutes, engine.device, journal) if engine.is_main else None
        with StopRequest() as stop:
            session = Session(folder, data, plan, state, judge, journal, stop, facts, started)
            session.budget = make_budget(session, float(checkpoint.counters["seconds"]) if checkpoint else 0.0)
            try:
                with make_batches(session, settled.source, checkpoint) as session.batches:
                    play(session)
            except (GanvasError, OSError) as error:
                folder.write_facts({**facts, "ended": "failed", "error": str(error), "images_seen": state.images})
                raise
            return finish_run(session)


@dataclass(frozen=True)
class Settled:
    """What a run begins with."""

    source: Source
    store: Store
    plan: Plan
    checkup: Checkup
    changes: list[str]  # of settings, where a run goes on


def settle(
    source: str | Path,
    recipe: str | None,
    words: dict[str, Any],
    engine: Engine,
    *,
    store: str | Path | None,
    saved: RunFolder | None,
    quiet: bool,
    accept_changes: bool = False,
) -> Settled:
    """The pictures, looked at and prepared, and the plan: from the user's words, or of the `saved` run that goes on."""
    changes: list[str] = []
    if saved is not None:
        recipe, of_run = read_settings(saved.settings)
        resumed, changes = settings_for_resume(of_run, words, accept_changes=accept_changes)
        words = resumed.model_dump()
        words["labels"] = None if resumed.labels else False  # other pictures are told by their fingerprint below
    with bar(quiet=quiet) as show:
        opened = open_source(source, show, source_options(words))
        if getattr(opened, "sides", ()):
            raise UsageError(f"{source} gives pairs and this recipe draws single pictures: add --side A or --side B")
        wanted, kind = store_options(words, engine.device), engine.device.type
        looking, preparing = (partial(show, what) for what in ("looking at pictures", "preparing pictures"))
        checkup = engine.on_main(lambda: check(opened, options=wanted, device=kind, previews=True, progress=looking))
        location = None if store is None else Path(store)
        data = open_store(opened, wanted, location=location, progress=preparing)  # one process writes, others wait
    if saved is not None and saved.read_facts().get("fingerprint") not in (None, data.fingerprint):
        raise GanvasError(
            f"{source} is not what {saved.path} was trained on (other pictures, size or labels): "
            "give the same source to resume, or another --out"
        )
    plan = make_plan(DataFacts.of_store(data), opened.name, recipe, words, engine.device)
    return Settled(opened, data, plan, checkup, changes)


def begin(state: TrainState, settings: TrainSettings, checkpoint: Checkpoint | None) -> list[str]:
    """Give a fresh state what it goes on from, or begins with; in words where that is another run."""
    said = []
    if settings.freeze_d:
        frozen = freeze_first_layers(state.game.D, settings.freeze_d)
        said.append(f"{len(frozen)} layers of D stand still: {', '.join(frozen)}")
    if checkpoint is not None:
        state.restore(checkpoint)
    elif settings.init_from:
        said.append(begin_from(state, Path(settings.init_from)))
    return said


def begin_run(folder: RunFolder, settled: Settled, facts: dict[str, Any], *, fresh: bool) -> None:
    """Make the run's folder, only now: what cannot be trained loses nothing."""
    make_run_folder(folder, fresh=fresh)
    folder.write_facts(facts)
    write_settings(folder.settings, settled.plan.recipe.name, settled.plan.settings)
    write_text_atomically(folder.checkup, json.dumps(settled.checkup.to_json(), indent=1))
    settled.checkup.write_page(folder.checkup_page)


MOST_FINDINGS = 6


def say_checkup(journal: Journal, folder: RunFolder, checkup: Checkup) -> None:
    """What was found wrong with the pictures and what is done about it, the worst first."""
    journal.say(f"checkup    {checkup.headline}")
    wrong = [finding for finding in checkup.findings if finding.severity != "note"]
    for finding in wrong[:MOST_FINDINGS]:
        journal.say(f"           {finding.severity}: {finding.text}; {finding.action}")
    journal.say(f"           {'all of it' if len(wrong) > MOST_FINDINGS else 'more'} in {folder.checkup_page}")


def say_resumed(journal: Journal, images: int, from_checkpoint: bool, problems: list[str], changes: list[str]) -> None:
    """Where the run goes on, which newer checkpoints were damaged and which settings were changed."""
    for problem in problems:
        journal.warn(images, f"{problem}; an older checkpoint is used")
    journal.record("resumed", images=images)
    for change in changes:
        journal.say(f"changed    {change}")
    journal.say(f"resumed at {images} images" + ("" if from_checkpoint else " (no checkpoint was there)"))


def play(session: Session) -> None:
    """The loop: batches in, steps played, the average moved, and now and then a line, a sheet, a checkpoint.

    Several processes go through it step by step together; the main one's clock counts, and it alone writes.
    """
    state, budget, engine = session.state, session.budget, session.state.game.engine
    averager, sheets, due = Averager(), sheet_times(session), checkpoint_times(session)
    logged = (time.monotonic(), state.images)
    if state.step == 0 and engine.is_main:
        first_look(session)
    while True:
        mine = (budget.progress(state.images), float(due())) if engine.is_main else (0.0, 0.0)
        progress, save, stop = engine.total(*mine, float(session.stop.requested))
        if progress >= 1 or stop:
            break
        if save:
            write_checkpoint(session)
        averager.add(train_step(state, session.batches, progress))

        if engine.is_main and state.step % LOG_EVERY_STEPS == 0:
            logged = log(session, averager, logged)
        if engine.is_main and sheets(budget.progress(state.images)):
            save_fakes(session)
    if engine.is_main and state.step % LOG_EVERY_STEPS:
        log(session, averager, logged)
    write_checkpoint(session)


def train_step(state: TrainState, batches: Batches | StreamBatches, progress: float) -> Stats:
    """D turns, G turn, average: one step, which depends on the seed and the step's number alone."""
    settings, engine = state.game.settings, state.game.engine
    reals = reals_of_step(batches, state.step, settings.n_critic)
    random = Draws(engine.device, (settings.seed, state.step), engine.rows(settings.batch))
    stats = state.game.step(reals, random, progress)
    state.average(settings.batch * settings.n_critic)
    return stats


def finish_run(session: Session) -> Run:
    """Model, sheet, verdict, report; then the last words."""
    ended = "interrupted" if session.stop.requested else "done"
    journal, state, budget = session.journal, session.state, session.budget
    journal.end_progress()
    if ended == "interrupted":
        journal.say(f"stopped at {state.images} images: writing model, verdict and report (once more ends at once)")
    trained_s = budget.elapsed_s
    if not state.game.engine.is_main:
        return Run(session.folder.path, ended, session.stop.signal)
    session.facts.update(
        images_seen=state.images,
        train_seconds=round(trained_s, 2),
        images_per_s=round(state.images / trained_s, 1) if trained_s > 0 else None,
        ended=ended,
    )
    assert session.judge is not None, "the main process has one"
    finish(
        session.folder,
        session.store,
        state,
        session.plan.settings,
        session.judge,
        session.facts,
        journal,
        session.started,
    )
    if ended == "interrupted":
        journal.say(f"go on with: ganvas train {session.facts['source']} --out {session.folder.path} --resume")
    return Run(session.folder.path, ended, session.stop.signal)
