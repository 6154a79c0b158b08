"""The verdict on a run, a model or any pictures, against the data they are meant to resemble."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.sources import open_source
from ganvas.data.store import Store, StoreOptions, open_store, read_store
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluating_pictures import evaluate_painter
from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.backbones.shared import SharedBackbone
from ganvas.evaluation.backbones.table import OWN, find_backbone
from ganvas.evaluation.extra_measures import Walkable, find_extras
from ganvas.evaluation.feature_training import Progress
from ganvas.evaluation.features import Features, learn_features
from ganvas.evaluation.judge import MOST_REFERENCE, Verdict, judge
from ganvas.evaluation.memorisation.card import memorisation_card
from ganvas.evaluation.passport import Drawn
from ganvas.evaluation.presets import find_preset
from ganvas.evaluation.rows import spread
from ganvas.games.engine import Engine, open_engine
from ganvas.images import Integers
from ganvas.model import Model, find_model_folder
from ganvas.model_folder import GENERATE, task_of
from ganvas.networks.contract import Mapped
from ganvas.training.finish import draw_for_judging, judge_effort
from ganvas.training.plan import read_settings
from ganvas.training.run_folder import RunFolder, is_run, write_text_atomically
from ganvas.training.run_model import Weights, load_from_run
from ganvas.training.sheets import save_nearest

DEFAULT_SAMPLES = 10_000


def evaluate(
    what: str | Path,
    *,
    data: str | Path | None = None,
    samples: int | None = None,
    features: str | None = None,
    metrics: str = "",
    preset: str | None = None,
    trunc: float = 1.0,
    weights: Weights = "best",
    device: str = "auto",
    copies: str | Path | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Judge a run folder, a model folder or a source of pictures.

    data: the source to compare with; by default the run's own (its held-out pictures where there are enough). samples:
    how many pictures are drawn (default 10 000) or, of a source, used (default all). features: "own" (learned from the
    data), or another network (see `find_backbone`). metrics: besides the usual ones, such as "ms_ssim,path_length_z",
    or "all" that can be measured on what is given. preset: a protocol by name (see `PRESETS`), which sets samples,
    features and reference. trunc, weights: of a model, as for `sample`.
    copies: a folder for MEMORISATION.md and nearest.png: how copies were looked for, and what comes nearest to one.

    Started by `torchrun`, the processes share the drawing and the looking of a network that is not the data's own; each
    returns the verdict.

    Every number carries its passport (see `ganvas.evaluation.passport`). Raises UsageError for unknown names, or what a
    preset sets given besides; GanvasError when there is nothing to compare with, the pictures do not fit each other,
    weights cannot be had, or a metric that was named cannot be measured.
    """
    if samples is not None and samples < 2:
        raise UsageError(f"--samples {samples}: give at least 2; 10000 make a number that others can stand beside")
    if is_model(Path(what)) and task_of(find_model_folder(Path(what))) != GENERATE:
        _refuse_for_painters(features, metrics, preset, trunc, copies)
        return evaluate_painter(
            Path(what), data=data, samples=samples, weights=weights, device=device, progress=progress
        )
    asked = _Asked.of(features, metrics, preset, samples, trunc, weights)
    engine = open_engine(device)
    progress = progress if engine.is_main else None
    if copies is not None:
        _make_folder(Path(copies))
    if is_model(Path(what)):
        model = load_from_run(Path(what), weights, str(engine.device))
        store = engine.main_first(lambda: data_of_model(Path(what), model, data))
        effort = effort_of(Path(what))
        own = engine.main_first(lambda: learn_features(store, device=model.device, effort=effort, progress=progress))
        drawn_so = draw_for_judging(model, asked.samples or DEFAULT_SAMPLES, trunc, shared=engine.world > 1)
        pictures, labels, drawn = drawn_so
        same_classes = model.config.class_names == store.class_names
        labels = labels if same_classes else None
        generator, called = _walkable(model, trunc), "samples"
    elif data is None:
        raise UsageError(f"{what} is a source of pictures: say with --data what to compare it with")
    else:
        pictures, labels, store, own, drawn = _of_source(what, data, asked.samples, engine, progress)
        generator, called = None, "pictures"
    verdict = asked.judge(pictures, labels, store, own, drawn, generator, called, engine, progress)
    if copies is not None and engine.is_main and verdict.memorisation is not None:
        write_text_atomically(Path(copies) / "MEMORISATION.md", memorisation_card(verdict.memorisation, called))
        save_nearest(Path(copies) / "nearest.png", verdict.memorisation, pictures, store.images)
    return verdict


def _of_source(
    what: str | Path, data: str | Path, samples: int | None, engine: Engine, progress: Progress | None
) -> tuple[Integers, NDArray[np.int64] | None, Store, Features, Drawn]:
    """A source's pictures, their labels where the classes are the data's, and the data with their features."""
    store = engine.main_first(lambda: open_store(open_source(data), StoreOptions()))
    options = StoreOptions(resolution=(store.height, store.width), channels=store.channels)
    other = engine.main_first(lambda: open_store(open_source(what), options))
    rows = spread(len(other.images), samples or len(other.images))
    labels = other.labels[rows] if other.labels is not None and other.class_names == store.class_names else None
    own = engine.main_first(lambda: learn_features(store, device=engine.device, progress=progress))
    return other.images[rows], labels, store, own, Drawn(what=other.fingerprint)


def _make_folder(path: Path) -> None:
    """Before the work, not after it: raises GanvasError for a place that cannot be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanvasError(f"--copies {path}: no folder can be made there ({error.strerror}); name another") from None


def _refuse_for_painters(
    features: str | None, metrics: str, preset: str | None, trunc: float, copies: str | Path | None
) -> None:
    """Raises UsageError for what is asked of pictures from noise only."""
    given = {
        "--features": features not in (None, OWN),
        "--metrics": metrics,
        "--preset": preset,
        "--trunc": trunc != 1,
        "--copies": copies is not None,
    }
    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise UsageError(
            f"{', '.join(names)}: of what paints pictures from pictures the verdict is that of its task. Leave it out"
        )


@dataclass(frozen=True)
class _Asked:
    """What is to be measured, once presets and names are looked up."""

    features: str
    extras: tuple[str, ...]
    every: bool  # whatever can be measured, and no complaint about the rest
    samples: int | None
    reference: Literal["auto", "train", "held_out"]
    most_reference: int

    @classmethod
    def of(
        cls,
        features: str | None,
        metrics: str,
        preset: str | None,
        samples: int | None,
        trunc: float,
        weights: Weights,
    ) -> _Asked:
        extras = find_extras(metrics) if metrics else ()
        if preset is None:
            return cls(features or OWN, extras, metrics == "all", samples, "auto", MOST_REFERENCE)
        row = find_preset(preset)
        given = {
            "--samples": samples is not None and samples != row.samples,
            "--features": features is not None and features.partition(":")[0] != row.features,
            "--trunc": trunc != 1,
            "--weights": weights != "best",
        }
        changed = [name for name, is_given in given.items() if is_given]
        if changed:
            raise UsageError(
                f"{', '.join(changed)} would make --preset {preset} another protocol ({row.samples} samples, "
                f"{row.features}, trunc 1, the averaged weights): leave it out, or the preset"
            )
        extras = tuple(dict.fromkeys((*extras, *row.extras)))
        # The weights' own place may stand behind the name: --features inception:FILE.
        return cls(features or row.features, extras, metrics == "all", row.samples, row.reference, sys.maxsize)

    def judge(
        self,
        pictures: Integers,
        labels: NDArray[np.int64] | None,
        store: Store,
        own: Features,
        drawn: Drawn,
        generator: Walkable | None,
        what: str,
        engine: Engine,
        progress: Progress | None,
    ) -> Verdict:
        network: Backbone = own
        if self.features != OWN:
            network = find_backbone(self.features, store=store, device=own.net.mean.device)
            network = SharedBackbone(network) if engine.world > 1 else network
        return judge(
            pictures,
            labels,
            store,
            network,
            reference=self.reference,
            most_reference=self.most_reference,
            drawn=drawn,
            extras=self.extras,
            skip_impossible=self.every,
            own=own,
            generator=generator,
            what=what,
            progress=progress,
        )


def _walkable(model: Model, trunc: float) -> Walkable:
    """The generator for walks through its latent space; of its commonest class, where it has classes."""
    shares = model.config.class_shares
    label = int(np.argmax(shares)) if model.config.classes else None

    def labels(n: int) -> Tensor | None:
        return None if label is None else torch.full((n,), label, device=model.device)

    def draw(z: Tensor) -> Tensor:
        return model.draw(z, labels(len(z)), trunc)

    G = model.G
    if not isinstance(G, Mapped):
        return Walkable(model.config.z_dim, draw, device=model.device)
    mapped: Mapped = G

    def mapping(z: Tensor) -> Tensor:
        w: Tensor = mapped.mapping(z.to(model.device), labels(len(z)))
        return w

    def synthesis(w: Tensor) -> Tensor:
        return mapped.synthesis(w[:, None].expand(-1, mapped.layers, -1))

    return Walkable(model.config.z_dim, draw, mapping, synthesis, model.device)


def is_model(path: Path) -> bool:
    """Whether a path is a run or a model folder; raises GanvasError for a run without a model."""
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
    """What a model is compared with: `data`, or what it was trained on. Raises GanvasError if that cannot be had."""
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
