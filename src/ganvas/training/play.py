"""The loop: steps played, looks taken at the run, and what follows from them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from ganvas.data.batches import Batches
from ganvas.data.stream_batches import StreamBatches
from ganvas.games.contract import Stats
from ganvas.games.noise import Draws
from ganvas.training.checkpoint import forget_after
from ganvas.training.health import is_finite
from ganvas.training.remedy import Action, Decision
from ganvas.training.rollback import healthy_checkpoint, tell
from ganvas.training.session import (
    Session,
    checkpoint_times,
    first_look,
    log,
    reals_of_step,
    save_fakes,
    sheet_times,
    write_checkpoint,
)
from ganvas.training.state import TrainState
from ganvas.training.watch import Seen

LOG_EVERY_STEPS = 50


def play(session: Session, *, fresh: bool) -> None:
    """The loop: batches in, steps played, the average moved, and now and then a line, a look, a sheet, a checkpoint.

    Several processes go through it step by step together; the main one's clock counts, and it alone writes.
    fresh: whether nothing was restored.
    """
    state, budget, engine = session.state, session.budget, session.engine
    sheets, due = sheet_times(session), checkpoint_times(session)
    session.logged = (time.monotonic(), state.images)
    if fresh:
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
                while session.problems:
                    session.journal.warn(state.images, session.problems.pop(0))
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
    if session.budget.progress(state.images) >= 1:
        return Look()  # the last look follows at once
    if watch.inspection_due(state.images, progress) or watch.score_due(state.images, min(progress, 0.999)):
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
    if look.action == "roll back":
        if roll_back(session, look):
            write_checkpoint(session)  # or a kill would forget how often it went back, and the milder steps
            session.logged = (time.monotonic(), session.state.images)
            return True
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
        session.saver.settle()
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
        forget_after(session.folder.checkpoints, session.state.images)  # or a kill would resume from the sick ones
        session.watch.went_back(session.state.images, checkpoint.counters.get("watch"))
        session.journal.go_back(int(checkpoint.counters.get("lines", 0)))
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
