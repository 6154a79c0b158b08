"""The verdict on what paints pictures from pictures, taken again or on other data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.data.store import Store, open_store, read_store
from ganvas.errors import GanvasError
from ganvas.evaluation.feature_training import Progress
from ganvas.evaluation.features import learn_features
from ganvas.evaluation.metrics.gathering import gathered, rows_here
from ganvas.evaluation.verdict import Verdict
from ganvas.games.engine import open_engine
from ganvas.picture_model import PictureConfig, PictureModel, load_picture_model
from ganvas.recipes import RECIPES
from ganvas.settings import TrainSettings, build_settings
from ganvas.tasks.contract import Task
from ganvas.tasks.generation import data_words
from ganvas.tasks.table import TASKS
from ganvas.training.finish import judge_effort
from ganvas.training.plan import read_settings
from ganvas.training.run_folder import RunFolder, is_run
from ganvas.training.run_model import Weights, at_moment


def evaluate_painter(
    path: Path,
    *,
    data: str | Path | None = None,
    samples: int | None = None,
    weights: Weights = "best",
    device: str = "auto",
    progress: Progress | None = None,
) -> Verdict:
    """As at the end of a run: on the held-out pictures of its own data, or of `data`. samples: pictures at most.

    Started by `torchrun`, the processes share the painting; each returns the verdict. Raises GanvasError where there is
    nothing to judge by.
    """
    engine = open_engine(device)
    progress = progress if engine.is_main else None
    model = at_moment(load_picture_model(path, str(engine.device)), path, weights)
    task, settings = TASKS[model.config.task], _settings_of(path, model.config)
    settings = settings.model_copy(update={"judge_samples": samples or settings.judge_samples})
    store = engine.main_first(lambda: _store_of(path, model.config, settings, task, data))
    eyes, effort = task.judged_by(store, settings), judge_effort(settings.minutes)
    judge = engine.main_first(lambda: learn_features(eyes, device=model.device, effort=effort, progress=progress))
    shared = SharedPictureModel(model.G, model.config, model.device) if engine.world > 1 else model
    return task.judged(shared, store, settings, judge)


class SharedPictureModel(PictureModel):
    """A model in each of several processes, which paint a part of the pictures each. All must ask for the same."""

    def paint(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """As a `PictureModel`; what all processes painted, in every process, on the CPU."""
        mine = torch.tensor(rows_here(len(images)), dtype=torch.int64)
        # One row where there is none: of what is painted without a picture, nobody knows the shape.
        asked = mine if len(mine) else torch.tensor([0])
        painted = super().paint(images[asked], None if labels is None else labels[asked])
        together = gathered(asked, painted.flatten(1), len(images))
        return together.view(len(images), *painted.shape[1:])


def _settings_of(path: Path, config: PictureConfig) -> TrainSettings:
    """Those of the run; of a model folder what its config says."""
    saved = RunFolder(path).settings
    if saved.is_file():
        return read_settings(saved)[1]
    game = "paired" if config.task != "unpaired" else "cycle" if config.both else "contrast"
    cells: dict[str, Any] = {"task": config.task, "game": game}
    if config.recipe in RECIPES:
        cells = dict(RECIPES[config.recipe].cells)
    own = {
        "degrade": config.degradation or None,
        "direction": config.direction or "AtoB",
        "class_conditional": bool(config.class_names),
    }
    return build_settings({**cells, **own, "domains": config.domains or None})


def _store_of(path: Path, config: PictureConfig, settings: TrainSettings, task: Task, data: str | Path | None) -> Store:
    words = settings.model_dump()
    words["labels"] = None if settings.labels else False
    if data is None and is_run(path):
        kept = Path(str(RunFolder(path).read_facts().get("store", "")))
        try:
            return task.usable(read_store(kept, config.source), words)
        except GanvasError:
            pass  # cleared from the cache: made again from the source below
    given = data if data is not None else config.source
    words |= {"resolution": tuple(config.scale * side for side in config.resolution)}
    try:
        source = task.opened(given, words)
    except GanvasError as error:
        hint = "" if data is not None else f" (the source that {path} names; give another with --data)"
        raise type(error)(f"{error}{hint}") from None
    store = open_store(source, data_words(words).store_options())
    return store if data is not None else task.usable(store, words)
