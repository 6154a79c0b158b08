"""Training from end to end: `train` is the table of contents, `play` the loop, `finish` what every run leaves."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
from ganvas.evaluation.features import Features
from ganvas.games.engine import Engine, open_engine
from ganvas.games.generation import Stats
from ganvas.games.noise import Draws
from ganvas.model import Model, load
from ganvas.progress import bar
from ganvas.training.checkpoint import (
    Checkpoint,
    load_best_checkpoint,
    load_newest_checkpoint,
    restore_network,
    sweep,
)
from ganvas.training.facts import first_facts, introduce
from ganvas.training.finish import finish, learn_judge
from ganvas.training.health import is_finite
from ganvas.training.journal import Journal, read_stats
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
from ganvas.training.remedy import Action, Decision
from ganvas.training.rollback import healthy_checkpoint, tell
from ganvas.training.run_folder import RunFolder, choose_run_folder, make_run_folder, write_text_atomically
from ganvas.training.run_lock import RunLock
from ganvas.training.saver import Saver
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
from ganvas.training.trackers.opening import open_trackers
from ganvas.training.transfer import begin_from, freeze_first_layers
from ganvas.training.watch import Callback, Seen, open_watch

LOG_EVERY_STEPS = 50


@dataclass(frozen=True)
class Run:
    """A finished (or stopped) run."""

    path: Path
    ended: str = "done"  # or "interrupted", "stopped" (patience, or the caller's watch) or "sick"
    signal: int | None = None
    cause: str = ""

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
    watch: Callback | None = None,
    **settings: Any,
) -> Run:
    """Train one GAN on the pictures of `source` and return the run, with model, samples, verdict and report written.

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
    saved = folder if resume and folder.settings.is_file() else None
    alone = engine.is_main
    with ExitStack() as stack:
        if alone and folder.path.is_dir():
            stack.enter_context(RunLock(folder.lock))
        engine.wait()
        settled = settle(
            source,
            recipe,
            words,
            engine,
            store=store,
            saved=saved,
            quiet=quiet or not alone,
            accept_changes=accept_changes,
        )
        data, plan = settled.store, settled.plan
        if plan.settings.deterministic:
            be_deterministic()
        problems: list[str] = []
        state = TrainState.create(plan.settings, plan.config, engine, problems.append)
        facts = first_facts(plan, data, state)
        existed = folder.path.is_dir()
        if alone:
            sweep(folder.checkpoints)
        engine.wait()
        checkpoint, damaged = load_newest_checkpoint(folder.checkpoints) if resume else (None, [])
        facts["images_seen"] = 0 if checkpoint is None else int(checkpoint.counters["images"])
        engine.on_main(lambda: begin_run(folder, settled, facts, fresh=overwrite))
        if alone and not existed:
            stack.enter_context(RunLock(folder.lock))
        resumed_at = facts["images_seen"] if resume else None
        stats = folder.stats if alone else Path(os.devnull)
        journal = stack.enter_context(Journal(stats, quiet=quiet or not alone, resume_from=resumed_at))
        introduce(journal, folder, plan, data, facts)
        say_checkup(journal, folder, settled.checkup)
        judge = learn_judge(data, plan.settings.minutes, engine.device, journal) if alone else None
        stop = stack.enter_context(StopRequest())
        session = Session(folder, data, plan, state, judge, journal, stop, facts, started, settled.source)
        for line in begin(session, checkpoint):
            journal.say(f"begins     {line}")
        if resume:
            say_resumed(journal, state.images, checkpoint is not None, damaged, settled.changes)
        if judge is not None:
            equip(session, stack, judge, checkpoint, resumed_at, watch)
        session.budget = make_budget(session, float(checkpoint.counters["seconds"]) if checkpoint else 0.0)
        try:
            play(session, problems)
        except (GanvasError, OSError) as error:
            if alone:
                folder.write_facts({**facts, "ended": "failed", "error": str(error), "images_seen": state.images})
            raise
        finally:
            session.batches.close()
        return finish_run(session)


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


def begin(session: Session, checkpoint: Checkpoint | None) -> list[str]:
    """Give a fresh state what it goes on from, or begins with; in words where that is another run."""
    settings, said = session.plan.settings, []
    if settings.freeze_d:
        frozen = freeze_first_layers(session.state.game.D, settings.freeze_d)
        said.append(f"{len(frozen)} layers of D stand still: {', '.join(frozen)}")
    if checkpoint is not None:
        session.restore(checkpoint)
        return said
    if settings.init_from:
        said.append(begin_from(session.state, Path(settings.init_from)))
    session.batches = make_batches(session, None)
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


def play(session: Session, problems: list[str]) -> None:
    """The loop: batches in, steps played, the average moved, and now and then a line, a look, a sheet, a checkpoint.

    Several processes go through it step by step together; the main one's clock counts, and it alone writes.
    problems: what the game had to change, told at the next line.
    """
    state, budget, engine = session.state, session.budget, session.engine
    sheets, due = sheet_times(session), checkpoint_times(session)
    session.logged = (time.monotonic(), state.images)
    if state.step == 0:
        if engine.is_main:
            first_look(session)
        write_checkpoint(session)  # something healthy to go back to
    while True:
        mine = (budget.progress(state.images), float(due())) if engine.is_main else (0.0, 0.0)
        progress, save, stop = engine.total(*mine, float(session.stop.requested))
        over = progress >= 1 or stop > 0
        if save or over:
            look = engine.on_main(lambda: last_look(session, progress, over=progress >= 1))  # noqa: B023
            if not follow(session, look):
                return
            if look.action == "roll back":
                session.logged = (time.monotonic(), state.images)
                continue
            write_checkpoint(session, best=look.is_best)
        if over:
            session.ended = "interrupted" if stop else "done"
            return
        session.averager.add(train_step(state, session.batches, progress))

        if engine.is_main and sheets(budget.progress(state.images)):
            save_fakes(session)
        if state.step % LOG_EVERY_STEPS == 0:
            if engine.is_main:
                log(session)
                while problems:
                    session.journal.warn(state.images, problems.pop(0))
            look = engine.on_main(lambda: look_around(session, progress))  # noqa: B023
            if look.is_best:
                write_checkpoint(session, best=True)
            if not follow(session, look):
                return


@dataclass(frozen=True)
class Look:
    """What all processes must know of a look at the run."""

    action: Action = "go on"
    reason: str = ""
    stop: str = ""
    is_best: bool = False
    g_lr_scale: float = 1.0
    d_lr_scale: float = 1.0
    back_to: int | None = None


def look_around(session: Session, progress: float) -> Look:
    """Inspect the run if it is time, or if its numbers are no longer finite."""
    watch, state, stats = session.watch, session.state, session.last_stats
    assert watch is not None, "the main process watches"
    if not is_finite(stats):
        return told(session, watch.lost(state.images, stats))
    if watch.inspection_due(state.images) or watch.score_due(state.images, min(progress, 0.999)):
        return told(session, watch.look(state, stats, min(progress, 0.999)))
    return Look()


def last_look(session: Session, progress: float, *, over: bool) -> Look:
    """Before a checkpoint: what has diverged must never replace what has not. At the end, the last score."""
    watch, state = session.watch, session.state
    assert watch is not None, "the main process watches"
    if not state.is_finite():
        return told(session, watch.lost(state.images, {"weights": float("nan")}))
    if over and session.averager.to_json():
        log(session)
    if over and watch.score_due(state.images, 1.0):
        return told(session, watch.look(state, session.last_stats, 1.0))
    return Look()


def told(session: Session, seen: Seen) -> Look:
    """Write down what was seen; what it means for all processes."""
    tell(session.journal, seen)
    if session.trackers is not None:
        session.trackers.log(seen.measurement.images, seen.measurement.numbers)
    d = seen.decision
    return Look(d.action, d.reason, seen.stop, seen.is_best, d.g_lr_scale, d.d_lr_scale, d.back_to)


def follow(session: Session, look: Look) -> bool:
    """Do what was decided; False if the run ends here."""
    if look.action == "roll back" and not roll_back(session, look):
        look = replace(look, action="stop", reason=f"{look.reason} There is no checkpoint to go back to")
    if look.action == "stop":
        session.ended, session.cause = "sick", look.reason
        roll_back(session, replace(look, back_to=session.state.images if session.state.is_finite() else 0))
        return False
    if look.stop and look.action == "go on":
        session.ended, session.cause = "stopped", look.stop
        write_checkpoint(session)
        return False
    return True


def roll_back(session: Session, look: Look) -> bool:
    """Go back to a healthy checkpoint, with the milder steps that were decided; False if there is none."""
    if session.saver is not None:
        session.saver.wait()
    session.engine.wait()
    decision = Decision(look.action, look.reason, look.g_lr_scale, look.d_lr_scale, look.back_to)
    checkpoint = healthy_checkpoint(session.folder.checkpoints, decision)
    if checkpoint is None:
        return False
    was_at = session.state.images
    session.batches.close()
    session.restore(checkpoint)
    game = session.state.game
    game.g_lr_scale, game.d_lr_scale = look.g_lr_scale, look.d_lr_scale
    if session.watch is not None:
        session.watch.went_back(session.state.images, checkpoint.counters.get("watch"))
        session.journal.go_back(session.state.images)
        if session.trackers is not None:
            session.trackers.go_back(session.state.images)
        session.journal.record(
            "rollback", images=session.state.images, was_at=was_at, reason=look.reason, g_lr_scale=look.g_lr_scale,
            d_lr_scale=look.d_lr_scale,
        )  # fmt: skip
        milder = f"with learning rates times {look.g_lr_scale:g} (G) and {look.d_lr_scale:g} (D)"
        session.journal.say(f"rolled back from {was_at:,} to {session.state.images:,} images, {milder}")
    return True


def train_step(state: TrainState, batches: Batches | StreamBatches, progress: float) -> Stats:
    """D turns, G turn, average: one step, which depends on the seed and the step's number alone."""
    settings, engine = state.game.settings, state.game.engine
    reals = reals_of_step(batches, state.step, settings.n_critic)
    random = Draws(engine.device, (settings.seed, state.step), engine.rows(settings.batch))
    stats = state.game.step(reals, random, progress)
    state.average(settings.batch * settings.n_critic)
    return stats


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
    finish(
        session.folder,
        session.store,
        best_model(session),
        session.plan.settings,
        session.judge,
        session.facts,
        session.journal,
        session.started,
    )
    if session.trackers is not None:
        session.trackers.picture("samples", session.folder.samples / "final.png", state.images)
        session.trackers.finish(session.ended)


def best_model(session: Session) -> Model:
    """The averaged generator of the moment with the least distance; as it is now where no score was taken."""
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
    return Model(state.G_ema, state.config.model_copy(update={"images_seen": watch.best.images}), session.plan.device)
