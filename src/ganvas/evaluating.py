"""The verdict on a run, a model or any pictures, against the data they are meant to resemble."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganvas.data.sources import open_source
from ganvas.data.store import Store, StoreOptions, open_store, read_store
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.features import learn_features
from ganvas.evaluation.judge import Verdict, judge, judge_pictures
from ganvas.evaluation.passport import Drawn
from ganvas.model import Model, find_model_folder
from ganvas.training.finish import draw_for_judging, judge_effort
from ganvas.training.plan import read_settings
from ganvas.training.run_folder import RunFolder, is_run
from ganvas.training.run_model import Weights, load_from_run

DEFAULT_SAMPLES = 10_000


def evaluate(
    what: str | Path,
    *,
    data: str | Path | None = None,
    samples: int | None = None,
    trunc: float = 1.0,
    weights: Weights = "best",
    device: str = "auto",
) -> Verdict:
    """Judge a run folder, a model folder or a source of pictures.

    `data`: the source to compare with; by default the run's own (its held-out pictures where there are enough).
    `samples`: how many pictures are drawn (default 10 000) or, of a source, used (default all). `trunc`, `weights`: of
    a model, as for `sample`. Every number carries its passport (see `ganvas.evaluation.passport`).
    Raises GanvasError when there is nothing to compare with or the pictures do not fit each other.
    """
    if samples is not None and samples < 2:
        raise UsageError(f"--samples {samples}: give at least 2; 10000 make a number that others can stand beside")
    if _is_model(Path(what)):
        model = load_from_run(Path(what), weights, device)
        store = data_of_model(Path(what), model, data)
        features = learn_features(store, device=model.device, effort=effort_of(Path(what)))
        pictures, labels, drawn = draw_for_judging(model, samples or DEFAULT_SAMPLES, trunc)
        same_classes = model.config.class_names == store.class_names
        return judge(pictures, labels if same_classes else None, store, features, drawn=drawn)
    if data is None:
        raise UsageError(f"{what} is a source of pictures: say with --data what to compare it with")
    store = open_store(open_source(data), StoreOptions())
    options = StoreOptions(resolution=(store.height, store.width), channels=store.channels)
    other = open_store(open_source(what), options)
    chosen = np.linspace(0, len(other.images) - 1, min(samples or len(other.images), len(other.images))).astype(int)
    drawn = Drawn(what=other.fingerprint)
    return judge_pictures(other.images[chosen], None, store, learn_features(store), drawn=drawn)


def _is_model(path: Path) -> bool:
    try:
        find_model_folder(path)
    except GanvasError:
        if is_run(path):
            raise
        return False
    return True


def effort_of(path: Path) -> float:
    """The features of the run's own verdict, so that both numbers can stand beside each other."""
    folder = RunFolder(path)
    return judge_effort(read_settings(folder.settings)[1].minutes) if folder.settings.is_file() else 1.0


def data_of_model(path: Path, model: Model, data: str | Path | None) -> Store:
    """`data` as pictures of the model's size; by default what the run at `path` was trained on."""
    config = model.config
    if data is None and is_run(path):
        kept = Path(str(RunFolder(path).read_facts().get("store", "")))
        try:
            return read_store(kept, config.source)
        except GanvasError:
            pass  # cleared from the cache: made again from the source below
    name = data if data is not None else config.source
    try:
        source = open_source(name)
    except GanvasError as error:
        hint = "" if data is not None else f" (the source that {path} names; give another with --data)"
        raise GanvasError(f"{error}{hint}") from None
    return open_store(source, StoreOptions(resolution=config.resolution, channels=config.channels))
