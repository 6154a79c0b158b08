"""Weights & Biases: offline in RUN/wandb unless WANDB_MODE or WANDB_API_KEY says otherwise."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganvas.training.trackers.contract import Opening, scalars
from ganvas.training.trackers.places import project_from, wandb_mode

# Before the import: the library reads its environment when it is loaded.
os.environ.setdefault("WANDB_SILENT", "true")
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would call home, offline too

import wandb  # type: ignore[import-not-found, import-untyped, unused-ignore]

FLUSH = "x_transaction_log_flush_interval"  # s; 15 by itself, and so much would be missing after a kill
FLUSHES = FLUSH in wandb.Settings.model_fields  # not in every version


class WeightsAndBiases:
    """A Tracker. A resumed run goes on under the same id; offline it is another folder that `wandb sync` joins."""

    settles_s = 2.0 if FLUSHES else 20.0  # a row is closed by the next one, then written

    def __init__(self, opening: Opening) -> None:
        self.identity = opening.identity or uuid.uuid4().hex[:8]
        # Nothing is said about the user's other files: no source code, no git state, no copy of the terminal.
        settings: dict[str, Any] = {"silent": True, "console": "off", "disable_git": True, "disable_code": True}
        if FLUSHES:
            settings[FLUSH] = 1.0
        self._run = wandb.init(
            project=project_from("WANDB_PROJECT"),
            name=opening.run.resolve().name,
            id=self.identity,
            resume="allow",
            dir=str(opening.run),
            mode=wandb_mode(),  # type: ignore[arg-type, unused-ignore]
            config={**opening.settings, "facts": scalars(opening.facts)},
            reinit="create_new",  # several runs in one process, as a sweep has them
            settings=settings,
        )

    def log(self, images: int, numbers: Mapping[str, float]) -> None:
        self._run.log({"images": images, **numbers}, step=images)

    def picture(self, name: str, path: Path, images: int) -> None:
        self._run.log({"images": images, name: wandb.Image(str(path))}, step=images)

    def go_back(self, images: int) -> bool:
        return False

    def finish(self, ended: str) -> None:
        self._run.summary["ended"] = ended
        self._run.finish(exit_code=1 if ended == "failed" else 0)
