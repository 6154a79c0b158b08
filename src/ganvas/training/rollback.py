"""What follows from a look at a run: it is told, and the run goes on, goes back to a healthy moment, or ends whole."""

from __future__ import annotations

from pathlib import Path

from ganvas.errors import GanvasError
from ganvas.training.checkpoint import Checkpoint, list_checkpoints, load_best_checkpoint, load_checkpoint
from ganvas.training.journal import Journal
from ganvas.training.remedy import Decision
from ganvas.training.watch import Seen


def tell(journal: Journal, seen: Seen) -> None:
    """Everything that was seen, for programs; what is new, for people."""
    images = seen.measurement.images
    journal.record("health", images=images, **seen.measurement.numbers)
    if seen.distance is not None:
        journal.record("score", images=images, distance=seen.distance, best=seen.is_best)
    for found in seen.diagnoses:
        journal.record("diagnosis", **found.to_json())
        journal.say(f"{'health' if found.kind == 'healthy' else found.severity}: {found.text}")


def healthy_checkpoint(folder: Path, decision: Decision) -> Checkpoint | None:
    """The newest whole checkpoint from before the sickness; else the best, else the oldest that loads; else None."""
    back_to = decision.back_to or 0
    paths = list_checkpoints(folder)
    for path in reversed(paths):
        found = _loaded(path)
        if found is not None and int(found.counters["images"]) <= back_to:
            return found
    best, _ = load_best_checkpoint(folder)
    if best is not None and int(best.counters["images"]) <= back_to:
        return best
    return next((found for path in paths if (found := _loaded(path)) is not None), None)


def _loaded(path: Path) -> Checkpoint | None:
    try:
        return load_checkpoint(path)
    except GanvasError:
        return None
