"""What a tracker is: four verbs, each of which may be slow or fail, since it is only ever called in its own thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Opening:
    """What a tracker is opened with."""

    run: Path
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    resume_images: int | None  # None: a new run
    identity: str | None  # the tracker's own name for the run that goes on; None: a new one


class Tracker(Protocol):
    """One program that shows curves. The step is the number of images seen, in all of them."""

    identity: str  # under which the program knows the run, kept in tracker.json
    settles_s: float  # how long after the next point a kill may still take a point; 0: it is on the disk at once

    def log(self, images: int, numbers: Mapping[str, float]) -> None:
        """A point for each name."""

    def picture(self, name: str, path: Path, images: int) -> None:
        """A PNG as it was at that time."""

    def go_back(self, images: int) -> bool:
        """The run has gone back to so many images: drop later points. False where points cannot be dropped."""

    def finish(self, ended: str) -> None:
        """Everything written down; `ended` as in run.json."""


def scalars(facts: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """The single values of nested facts, under dotted names: what every tracker can show as a table."""
    found: dict[str, str | int | float | bool] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found |= scalars(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float | bool):
            found[f"{prefix}{name}"] = value
        elif isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
            found[f"{prefix}{name}"] = ", ".join(map(str, value))
    return found
