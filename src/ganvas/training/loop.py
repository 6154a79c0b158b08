"""Training from end to end: `train` is the table of contents, `play` the loop, `finish` what every run leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ganvas.data.batches import Batches
from ganvas.data.sources import Source, open_source
from ganvas.data.store import Store, open_store
from ganvas.devices import device_words, pick_device
from ganvas.errors import GanvasError
from ganvas.evaluation.features import Features
from ganvas.games.generation import Batch, Stats
from ganvas.games.noise import generator_for
from ganvas.model import Model, load
from ganvas.training.budget import DEFAULT_MINUTES, Budget, training_seconds
from ganvas.training.checkpoint import load_newest_checkpoint, save_checkpoint
from ganvas.training.finish import finish, learn_judge
from ganvas.training.health import check_first_batch, in_words, is_finite
from ganvas.training.journal import Averager, Journal, read_stats
from ganvas.training.plan import (
    DataFacts,
    Plan,
    make_plan,
    read_settings,
    settings_for_resume,
    store_options,
    versions,
    write_settings,
)
from ganvas.training.run_folder import RunFolder, choose_run_folder, make_run_folder, thousands
from ganvas.training.sheets import fake_sheet, real_sheet, save_sheet
from ganvas.training.state import TrainState
from ganvas.training.stop import StopRequest

LOG_EVERY_STEPS = 50
SHEETS_AT = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the run
CHECKPOINT_EVERY_S = 300.0


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


@dataclass
class Session:
    """What the steps of one training share."""

    folder: RunFolder
    store: Store
    plan: Plan
    state: TrainState
    judge: Features
    journal: Journal
    stop: StopRequest
    facts: dict[str, Any]
    started: float
    budget: Budget = field(init=False)


def train(
    source: str | Path,
    *,
    recipe: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
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
    settings = {name.replace("-", "_"): value for name, value in settings.items() if value is not None}
    device = pick_device(str(settings.get("device", "auto")))
    if settings.get("threads"):
        torch.set_num_threads(int(settings["threads"]))
    opened, options = open_source(source), store_options(settings, device)
    folder = choose_run_folder(
        None if out is None else Path(out), str(source), recipe or "auto", overwrite=overwrite, resume=resume
    )
    resuming = resume and folder.settings.is_file()
    with StopRequest() as stop:
        data = open_store(opened, options, location=None if store is None else Path(store))
        if resuming:
            plan = resumed_plan(folder, data, opened, settings, device)
        else:
            plan = make_plan(DataFacts.of_store(data), opened.name, recipe, settings, device)
        state = TrainState.create(plan.settings, plan.config, device)
        checkpoint, problems = load_newest_checkpoint(folder.checkpoints) if resume else (None, [])
        if checkpoint is not None:
            state.restore(checkpoint)
        make_run_folder(folder, fresh=overwrite and not resume)  # only now: what cannot be trained loses nothing
        facts = first_facts(plan, data, opened, state)
        folder.write_facts(facts)
        write_settings(folder.settings, plan.recipe.name, plan.settings)
        with Journal(folder.stats, quiet=quiet, resume_from=state.images if resume else None) as journal:
            introduce(journal, folder, plan, data, opened, facts)
            for problem in problems:
                journal.warn(state.images, f"{problem}; an older checkpoint is used")
            if resume:
                journal.record("resumed", images=state.images)
                journal.say(f"resumed at {state.images} images" + ("" if checkpoint else " (no checkpoint was there)"))
            judge = learn_judge(data, plan.settings, journal)
            session = Session(folder, data, plan, state, judge, journal, stop, facts, started)
            used_s = float(checkpoint.counters["seconds"]) if checkpoint else 0.0
            session.budget = make_budget(session, used_s)
            play(session)
            return finish_run(session)


def play(session: Session) -> None:
    """The loop: batches in, steps played, the average moved, and now and then a line, a sheet, a checkpoint."""
    state, settings, budget = session.state, session.plan.settings, session.budget
    batches = make_batches(session)
    averager, sheets = Averager(), sheet_times(session)
    saved_at, saved_images, logged = time.monotonic(), state.images, (time.monotonic(), state.images)
    if state.step == 0:
        first_look(session, batches)
    while not budget.done(state.images) and not session.stop.requested:
        averager.add(train_step(state, batches, budget.progress(state.images)))

        if state.step % LOG_EVERY_STEPS == 0:
            logged = log(session, averager, logged)
        if sheets(budget.progress(state.images)):
            save_fakes(session)
        due = (
            state.images - saved_images >= settings.checkpoint_every
            if settings.checkpoint_every
            else (time.monotonic() - saved_at >= CHECKPOINT_EVERY_S)
        )
        if due:
            checkpoint(session)
            saved_at, saved_images = time.monotonic(), state.images
    if state.step % LOG_EVERY_STEPS:
        log(session, averager, logged)
    checkpoint(session)


def train_step(state: TrainState, batches: Batches, progress: float) -> Stats:
    """D turns, G turn, average: one step, which depends on the seed and the step's number alone."""
    settings = state.game.settings
    reals = reals_of_step(batches, state.step, settings.n_critic)
    random = generator_for(batches.device, settings.seed, state.step)
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
    session.facts.update(
        images_seen=state.images,
        train_seconds=round(trained_s, 2),
        images_per_s=round(state.images / trained_s, 1) if trained_s > 0 else None,
        ended=ended,
    )
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


def resumed_plan(folder: RunFolder, data: Store, source: Source, words: dict[str, Any], device: torch.device) -> Plan:
    """The plan of the run's own settings.yaml; raises if the data or the settings are others now."""
    facts = folder.read_facts()
    if facts.get("fingerprint") not in (None, data.fingerprint):
        raise GanvasError(
            f"{source.name} is not what {folder.path} was trained on (other pictures, size or labels): "
            "give the same source to resume, or another --out"
        )
    recipe, saved = read_settings(folder.settings)
    settings = settings_for_resume(saved, words)
    return make_plan(DataFacts.of_store(data), source.name, recipe, settings.model_dump(), device)


def make_budget(session: Session, used_s: float) -> Budget:
    """Under --minutes: what is left of the whole command's time after the start and before the verdict."""
    settings = session.plan.settings
    minutes = settings.minutes or DEFAULT_MINUTES
    spent_s = time.monotonic() - session.started
    finishing_s = session.facts["finishing_forecast_s"] = round(forecast_finishing(session), 1)
    training_s = training_seconds(minutes, spent_s=spent_s, finishing_s=finishing_s)
    return Budget(images=settings.images, training_s=training_s, used_s=used_s)


def forecast_finishing(session: Session) -> float:
    """Seconds that verdict and report will take, from the time of a small share of them."""
    began, n = time.monotonic(), min(128, session.store.train_count)
    session.judge.extract(session.store.images[:n])
    session.state.model().sample(range(n))
    per_picture = (time.monotonic() - began) / n
    reference = min(session.store.train_count + session.store.held_out_count, 70_000)
    return 3.0 + 1.3 * per_picture * (session.plan.settings.judge_samples + reference / 2)


def make_batches(session: Session) -> Batches:
    settings, split = session.plan.settings, session.store.train
    labels = split.labels if settings.labels else None
    return Batches(split.images, labels, settings.batch, settings.seed, session.plan.device, settings.mirror)


def reals_of_step(batches: Batches, step: int, n_critic: int) -> list[Batch]:
    """The real batches of one step, one per D turn, in the memory format of the networks."""
    found = (batches.at(step * n_critic + turn) for turn in range(n_critic))
    return [(images.contiguous(memory_format=torch.channels_last), labels) for images, labels in found]


def first_look(session: Session, batches: Batches) -> None:
    """Real and untrained sheets, and the mistakes that a first batch shows."""
    state = session.state
    ((real, labels),) = reals_of_step(batches, 0, 1)
    with torch.no_grad():
        training = state.game.D.training
        fake = state.game.draw(labels, len(real), generator_for(session.plan.device, 0))
        state.game.D.eval()
        for problem in check_first_batch(state.game.D, real, fake, labels):
            session.journal.warn(0, problem)
        state.game.D.train(training)
    save_sheet(session.folder.samples / "reals.png", real_sheet(session.store), source=session.facts["source"])
    save_sheet(session.folder.samples / "fakes_init.png", fake_sheet(state.model()), images_seen=0)


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


def save_fakes(session: Session) -> None:
    """The sheet of this moment, under the number of images seen in thousands."""
    name = f"fakes{thousands(session.state.images)}.png"
    save_sheet(session.folder.samples / name, fake_sheet(session.state.model()), images_seen=session.state.images)


def log(session: Session, averager: Averager, last: tuple[float, int]) -> tuple[float, int]:
    """One line for programs and one for people; stops the run when the numbers are no longer finite."""
    state, journal, game = session.state, session.journal, session.state.game
    stats, now = averager.take(), time.monotonic()
    rate = (state.images - last[1]) / max(now - last[0], 1e-9)
    progress = session.budget.progress(state.images)
    lrs = {"g_lr": game.g_optimizer.param_groups[0]["lr"], "d_lr": game.d_optimizer.param_groups[0]["lr"]}
    seconds = round(session.budget.elapsed_s, 2)
    journal.record("stats", images=state.images, step=state.step, seconds=seconds, images_per_s=rate, **stats, **lrs)
    if not is_finite(stats):
        journal.warn(state.images, "the game diverged: a loss or logit is not finite")
        raise GanvasError(
            f"the run diverged at {state.images} images (a loss or logit is not finite); the checkpoints in "
            f"{session.folder.checkpoints} are from before. Train again with a smaller --g-lr and --d-lr, or a penalty "
            "such as --r1-gamma 1 (with --d-norm none)"
        )
    journal.show(progress, state.images, rate, in_words(stats, session.plan.settings.objective))
    return now, state.images


def checkpoint(session: Session) -> None:
    """Save the state; under --minutes with the part of the budget that is spent."""
    seconds = round(session.budget.elapsed_s, 3)
    save_checkpoint(session.folder.checkpoints, session.state.to_checkpoint(seconds=seconds))


def first_facts(plan: Plan, data: Store, source: Source, state: TrainState) -> dict[str, Any]:
    """run.json at the start: what is trained on what, where and by which versions."""
    return {
        "schema": 1,
        "recipe": plan.recipe.name,
        "why": plan.why,
        "source": source.name,
        "fingerprint": data.fingerprint,
        "store": str(data.path),
        "pictures": {
            "train": data.train_count,
            "held_out": data.held_out_count,
            "height": data.height,
            "width": data.width,
            "channels": data.channels,
            "bits": data.bits,
            "classes": list(data.class_names) if data.labels is not None else [],
            "labels_note": data.labels_note,
            "skipped": [list(item) for item in data.skipped],
            "notes": list(data.notes),
        },
        "parameters": {"G": count_parameters(state.game.G), "D": count_parameters(state.game.D)},
        "device": device_words(plan.device),
        "versions": versions(),
        "seed": plan.settings.seed,
        "images_seen": state.images,
        "ended": "running",
        "ema": f"half-life {plan.settings.ema_half_life} images",
    }


def count_parameters(network: torch.nn.Module) -> int:
    """Trainable numbers in a network."""
    return sum(p.numel() for p in network.parameters())


def introduce(
    journal: Journal, folder: RunFolder, plan: Plan, data: Store, source: Source, facts: dict[str, Any]
) -> None:
    """What the user should know before the first step."""
    colour = {1: "grey", 3: "RGB", 4: "RGBA"}[data.channels]
    held = f", {data.held_out_count} held out" if data.held_out_count else ""
    journal.say(
        f"pictures   {data.train_count} from {source.name}, {data.height}x{data.width} {colour}, {data.bits} bits{held}"
    )
    journal.say(f"labels     {data.labels_note}")
    for note in data.notes:
        journal.say(f"           {note}")
    for name, reason in data.skipped[:5]:
        journal.say(f"skipped    {name}: {reason}")
    if len(data.skipped) > 5:
        journal.say(f"           and {len(data.skipped) - 5} more, listed in {folder.facts}")
    journal.say(f"recipe     {plan.recipe.name} ({plan.why})")
    sizes = facts["parameters"]
    journal.say(
        f"networks   {plan.settings.network}: G {sizes['G']:,} and D {sizes['D']:,} parameters, {facts['device']}"
    )
    s = plan.settings
    length = f"{s.images:,} images" if s.images else f"{s.minutes:g} minutes for the whole command"
    journal.say(f"run        {folder.path}, {length}, seed {s.seed}")
