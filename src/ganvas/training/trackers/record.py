"""tracker.json in the run folder: under which name each tracker knows the run, and up to where it was told.

A tracker cannot always be asked (offline, another machine) and seldom lets a point be taken back. A resumed run
draws the same points again, so those already told are left out.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ganvas.training.run_folder import write_text_atomically
from ganvas.training.trackers.places import RECORD


@dataclass
class Told:
    """What one tracker knows."""

    identity: str | None = None
    written: dict[str, int] = field(default_factory=dict)  # name of a curve or picture -> images of its last point

    def forget_after(self, images: int) -> None:
        """The tracker has dropped its later points."""
        self.written = {name: min(last, images) for name, last in self.written.items()}


class Record:
    """The file, shared by the threads of all trackers of a run."""

    def __init__(self, run: Path) -> None:
        """Reads what is there; a damaged file counts as none, so that its trackers begin new runs."""
        self.path = run / RECORD
        self._lock = threading.Lock()
        self.of: dict[str, Told] = {}
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            for name, told in kept.items():
                written = {str(curve): int(images) for curve, images in told["written"].items()}
                self.of[name] = Told(str(told["identity"]), written)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self.of = {}

    def save(self) -> None:
        """Write the file whole."""
        with self._lock:
            told = {
                name: {"identity": of.identity, "written": dict(of.written)}
                for name, of in self.of.items()
                if of.identity is not None
            }
            write_text_atomically(self.path, json.dumps(told, indent=1))
