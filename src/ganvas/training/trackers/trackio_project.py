"""Trackio: its local project, where `trackio show` looks, unless TRACKIO_SPACE_ID or TRACKIO_SERVER_URL is set."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before the import

import trackio  # type: ignore[import-not-found, import-untyped, unused-ignore]

from ganvas.training.trackers.contract import Opening, scalars
from ganvas.training.trackers.places import project_from


class Trackio:
    """A Tracker. Trackio knows runs by their names, so a name is made unique and kept."""

    settles_s = 2.0  # it writes twice a second

    def __init__(self, opening: Opening) -> None:
        self.identity = opening.identity or f"{opening.run.resolve().name}-{uuid.uuid4().hex[:6]}"
        config = {**scalars(opening.settings), "facts": scalars(opening.facts)}
        self._run = trackio.init(
            project=project_from("TRACKIO_PROJECT"),
            name=self.identity,
            config=config,
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, images: int, numbers: Mapping[str, float]) -> None:
        self._run.log({"images": images, **numbers}, step=images)

    def picture(self, name: str, path: Path, images: int) -> None:
        self._run.log({"images": images, name: trackio.Image(str(path))}, step=images)

    def go_back(self, images: int) -> bool:
        return False

    def finish(self, ended: str) -> None:
        trackio.finish()
