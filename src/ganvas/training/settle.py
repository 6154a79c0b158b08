"""What a run begins with: pictures looked at and prepared, a plan, and the words about them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ganvas.data.checkup.checkup import Checkup, check
from ganvas.data.contract import Source
from ganvas.data.store import Store, open_store
from ganvas.errors import GanvasError, UsageError
from ganvas.games.engine import Engine
from ganvas.progress import bar
from ganvas.tasks.table import find_task
from ganvas.training.checkpoint import (
    Checkpoint,
)
from ganvas.training.journal import Journal
from ganvas.training.plan import (
    DataFacts,
    Plan,
    make_plan,
    read_settings,
    settings_for_resume,
    store_options,
    write_settings,
)
from ganvas.training.probe import probe, refuse_probe
from ganvas.training.run_folder import RunFolder, make_run_folder, write_text_atomically
from ganvas.training.session import (
    Session,
    make_batches,
)
from ganvas.training.transfer import begin_from, freeze_first_layers

PROBE = "probe.json"


@dataclass(frozen=True)
class Settled:
    """What a run begins with."""

    source: Source
    store: Store
    plan: Plan
    checkup: Checkup
    changes: list[str]  # of settings, where a run goes on
    probe: dict[str, Any] | None = None  # for probe.json, where short runs chose some of the settings


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
    recipe, of_run = (recipe, None) if saved is None else read_settings(saved.settings)
    refuse_probe(words, engine, of_run)
    given = {name for name, value in words.items() if value is not None}
    if of_run is not None:
        resumed, changes = settings_for_resume(of_run, words, accept_changes=accept_changes)
        words = resumed.model_dump()
        words["labels"] = None if resumed.labels else False  # other pictures are told by their fingerprint below
    task = find_task(recipe, words.get("task"))
    words = task.prepared(words, engine.device)
    with bar(quiet=quiet) as show:
        opened = task.opened(source, words, show)
        wanted, kind = store_options(words, engine.device), engine.device.type
        looking, preparing = (partial(show, what) for what in ("looking at pictures", "preparing pictures"))
        checkup = engine.on_main(lambda: check(opened, options=wanted, device=kind, previews=True, progress=looking))
        location = None if store is None else Path(store)
        data = open_store(opened, wanted, location=location, progress=preparing)  # one process writes, others wait
    trained_on = saved.read_facts().get("fingerprint") if saved is not None and saved.facts.is_file() else None
    if saved is not None and trained_on not in (None, data.fingerprint):
        raise GanvasError(
            f"{source} is not what {saved.path} was trained on (other pictures, size or labels): "
            "give the same source to resume, or another --out"
        )
    data = task.usable(data, words)
    plan = make_plan(DataFacts.of_store(data), opened.name, recipe, words, engine.device)
    plan = replace(plan, config=task.with_data(plan.config, plan.settings, data))
    if not plan.settings.probe or saved is not None:
        return Settled(opened, data, plan, checkup, changes)
    plan, found = probe(plan, given, data, engine, quiet=quiet)
    return Settled(opened, data, plan, checkup, changes, found)


def begin(session: Session, checkpoint: Checkpoint | None) -> list[str]:
    """Give a fresh state what it goes on from, or begins with; in words where that is another run."""
    settings, said = session.plan.settings, []
    if settings.freeze_d:
        if session.state.game.D is None:
            raise UsageError("--freeze-d: this game has no D. Leave it out")
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
    write_settings(folder.settings, settled.plan.recipe.name, settled.plan.settings)  # without it no resume is one
    folder.write_facts(facts)
    if settled.probe is not None:
        write_text_atomically(folder.path / PROBE, json.dumps(settled.probe, indent=1))
    elif fresh:
        (folder.path / PROBE).unlink(missing_ok=True)  # of the run that was there
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
