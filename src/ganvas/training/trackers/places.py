"""Where each tracker keeps a run, what the environment says about that, and how a folder is made free of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PROJECT = "ganvas"  # the project or experiment that runs are filed under, where the environment names none
RECORD = "tracker.json"
TENSORBOARD, EVENTS = "tb", "events.out.tfevents.*"
WANDB = "wandb"
MLFLOW_DATABASE, MLFLOW_ARTIFACTS = "mlflow.db", "mlartifacts"


def project_from(variable: str) -> str:
    """The project that an environment variable names, or this package's."""
    return os.environ.get(variable) or PROJECT


def wandb_mode() -> str:
    """WANDB_MODE, else online with WANDB_API_KEY, else offline: nothing leaves the machine unasked."""
    return os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")


def mlflow_uri(run: Path) -> str:
    """MLFLOW_TRACKING_URI, else a data base in the run folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(run.resolve() / MLFLOW_DATABASE).as_posix()}"


def place(name: str, run: Path) -> str:
    """One line for people: where the curves are and how they are looked at."""
    if name == "tensorboard":
        return f"tensorboard: {run / TENSORBOARD} (tensorboard --logdir {run / TENSORBOARD})"
    if name == "wandb":
        mode = wandb_mode()
        if mode == "offline":
            return f"wandb: offline in {run / WANDB} (wandb sync {run / WANDB}/offline-run-* sends it)"
        return f"wandb: {mode}, project {project_from('WANDB_PROJECT')}"
    if name == "mlflow":
        if os.environ.get("MLFLOW_TRACKING_URI"):  # not shown: it may hold a password
            return f"mlflow: the store of MLFLOW_TRACKING_URI, experiment {project_from('MLFLOW_EXPERIMENT_NAME')}"
        return f"mlflow: {mlflow_uri(run)} (mlflow ui --backend-store-uri {mlflow_uri(run)})"
    return f"trackio: project {project_from('TRACKIO_PROJECT')} (trackio show)"


def forget(run: Path) -> None:
    """Remove what trackers of an earlier run left in the folder, as a new run in its place needs it."""
    for path in (run / TENSORBOARD).glob(EVENTS):
        path.unlink(missing_ok=True)
    for name in (RECORD, MLFLOW_DATABASE, f"{MLFLOW_DATABASE}-wal", f"{MLFLOW_DATABASE}-shm"):
        (run / name).unlink(missing_ok=True)
    for folder in (run / WANDB, run / MLFLOW_ARTIFACTS):
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
