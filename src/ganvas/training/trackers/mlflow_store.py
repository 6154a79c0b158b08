"""MLflow: a data base in the run folder, RUN/mlflow.db, unless MLFLOW_TRACKING_URI names another store."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import time

# Before the import: usage reports and progress bars are opt-out.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow import MlflowClient  # type: ignore[import-not-found, import-untyped, unused-ignore]
from mlflow.entities import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    Metric,
    Param,
    RunTag,
)
from PIL import Image

from ganvas.training.trackers.contract import Opening, scalars
from ganvas.training.trackers.places import MLFLOW_ARTIFACTS, MLFLOW_DATABASE, mlflow_uri, project_from

LONGEST = 5000  # characters of a value that every store of MLflow takes
MOST_PARAMS = 100  # of one request
ENDED_AS = {"done": "FINISHED", "stopped": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MLflow:
    """A Tracker. It goes on with the run whose id was kept."""

    settles_s = 0.0

    def __init__(self, opening: Opening) -> None:
        folder = opening.run.resolve()
        local = not os.environ.get("MLFLOW_TRACKING_URI")
        if local and opening.identity is None and _unfinished(folder / MLFLOW_DATABASE):
            (folder / MLFLOW_DATABASE).unlink(missing_ok=True)
        self._client = MlflowClient(tracking_uri=mlflow_uri(folder))
        if opening.identity is not None:
            self.identity = opening.identity
            self._client.update_run(self.identity, status="RUNNING")
            return
        experiment = project_from("MLFLOW_EXPERIMENT_NAME")
        known = self._client.get_experiment_by_name(experiment)
        place = (folder / MLFLOW_ARTIFACTS).as_uri() if local else None
        of = known.experiment_id if known is not None else self._client.create_experiment(experiment, place)
        self.identity = self._client.create_run(of, run_name=folder.name).info.run_id
        params = [Param(name, str(value)[:LONGEST]) for name, value in opening.settings.items()]
        for first in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(self.identity, params=params[first : first + MOST_PARAMS])
        tags = [RunTag(name, str(value)[:LONGEST]) for name, value in scalars(opening.facts).items()]
        self._client.log_batch(self.identity, tags=tags[:MOST_PARAMS])

    def log(self, images: int, numbers: Mapping[str, float]) -> None:
        now = round(time() * 1000)  # milliseconds
        self._client.log_batch(self.identity, [Metric(name, value, now, images) for name, value in numbers.items()])

    def picture(self, name: str, path: Path, images: int) -> None:
        with Image.open(path) as image:
            self._client.log_image(self.identity, image, key=name, step=images)

    def go_back(self, images: int) -> bool:
        return False

    def finish(self, ended: str) -> None:
        self._client.set_tag(self.identity, "ended", ended)
        self._client.set_terminated(self.identity, ENDED_AS.get(ended, "FINISHED"))


def _unfinished(database: Path) -> bool:
    """Whether a data base holds no run: its making takes seconds, and after a kill in these it could not be opened."""
    if not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(database)) as opened:
            return opened.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None
    except sqlite3.DatabaseError:
        return True
