"""Pictures from noise: what a run of generation needs, shows and is judged by."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ganvas.data.facts import DataFacts
from ganvas.data.sources import Source, open_source
from ganvas.data.store import Store
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.features import Features
from ganvas.evaluation.rows import spread
from ganvas.evaluation.verdict import Verdict
from ganvas.games.contract import Batch
from ganvas.games.engine import Engine
from ganvas.images import Integers, to_float
from ganvas.model import ModelConfig
from ganvas.model_folder import Config
from ganvas.networks.table import NETWORKS, check_size
from ganvas.recipe import Recipe
from ganvas.recipes import choose_recipe
from ganvas.report_words import OF_GENERATION
from ganvas.settings import DataSettings, TrainSettings, build_data_settings
from ganvas.tasks.contract import Task, Words
from ganvas.training import looked_through
from ganvas.training.finish import judge_samples
from ganvas.training.health import check_first_batch, in_words
from ganvas.training.measurement import inspection_interval
from ganvas.training.monitor import FEWEST_REALS, SAMPLES, Monitor
from ganvas.training.run_folder import RunFolder
from ganvas.training.score import Scorer, samples_of_score
from ganvas.training.sheets import fake_sheet, real_sheet
from ganvas.training.state import TrainState

if TYPE_CHECKING:
    from ganvas.data.download import Progress

WATCHED_REALS = 256


class Generation(Task):
    """G draws pictures like the data from noise, and from a class where the data have some."""

    name = "generate"
    report = OF_GENERATION

    def opened(self, given: str | Path, words: Words, progress: Progress | None = None) -> Source:
        opened = open_source(given, progress, data_words(words).source_options())
        if getattr(opened, "sides", ()):
            raise UsageError(
                f"{given} gives pairs and this recipe draws single pictures: add --side A or --side B, or --task "
                "translate to paint one side from the other"
            )
        return opened

    def choose_recipe(self, data: DataFacts, words: Words, device: torch.device) -> tuple[Recipe, str]:
        size, labelled = (data.height, data.width), bool(data.class_names)
        return choose_recipe(size=size, pictures=data.train_count, labelled=labelled, device=device.type)

    def resolved(self, data: DataFacts) -> Words:
        size = (data.height, data.width)
        return {"resolution": size, "channels": data.channels, "labels": bool(data.class_names)}

    def planned(
        self, data: DataFacts, settings: TrainSettings, recipe: str, source: str
    ) -> tuple[TrainSettings, Config, str]:
        size, more = (data.height, data.width), ""
        check_size(settings.network, size)
        if NETWORKS[settings.network].labels == "unused" and data.class_names:
            data = replace(data, class_names=(), class_shares=())
            settings = settings.model_copy(update={"labels": False})
            more = f"; the labels are not used, {settings.network} does without"
        if NETWORKS[settings.network].labels == "needed" and len(data.class_names) < 2:
            raise UsageError(
                f"the network '{settings.network}' needs pictures of two classes or more, and {source} has no labels "
                "(or they are switched off): give class folders or --labels-file, or use another --recipe"
            )
        config = ModelConfig(
            network=settings.network,
            resolution=size,
            channels=data.channels,
            bits=data.bits,
            z_dim=settings.z_dim,
            width=settings.width,
            max_width=settings.max_width,
            network_options=settings.network_options,
            class_names=data.class_names,
            class_shares=data.class_shares,
            recipe=recipe,
            source=source,
        )
        return settings, config, more

    def example_data(self, recipe: Recipe, size: tuple[int, int]) -> DataFacts:
        labelled = NETWORKS[recipe.cells["network"]].labels == "needed"
        names, shares = (("0", "1"), (0.5, 0.5)) if labelled else ((), ())
        return DataFacts(*size, 3, 8, 1_000, names, shares)

    def looks_through(
        self, config: Config, settings: TrainSettings, store: Store, engine: Engine, effort: float
    ) -> nn.Module | None:
        return looked_through.learned(config, store, engine, effort)

    def unlearned_eyes(self, config: Config, settings: TrainSettings) -> nn.Module | None:
        channels, height, width = config.made_shape
        return looked_through.unlearned_maps(config.network, channels, (height, width))

    def samples_of_score(self, train_count: int) -> int:
        return samples_of_score(train_count)

    def make_some(self, model: Any, count: int) -> Integers:
        pictures: Integers = np.ascontiguousarray(model.sample(range(count), batch=256).transpose(0, 3, 1, 2))
        return pictures

    def monitor(self, store: Store, config: Config, settings: TrainSettings, device: torch.device) -> Monitor | None:
        labelled = config.classes > 0

        def some(of: Any) -> tuple[Tensor, Tensor | None]:
            rows = spread(len(of), WATCHED_REALS)
            labels = torch.from_numpy(of.labels[rows]).to(device) if labelled and of.labels is not None else None
            return to_float(torch.from_numpy(of.images[rows])).to(device), labels

        held_out = store.held_out
        try:
            reals, labels = some(store.train)
            held, held_labels = some(held_out) if held_out is not None and len(held_out) >= 8 else (None, None)
            batch = settings.micro_batch or SAMPLES
            return Monitor(reals, labels, held, held_labels, seed=settings.seed, batch=batch)
        except GanvasError:
            return None  # too few pictures to be watched by

    def looks_every(self, settings: TrainSettings, expected: int = 0) -> int:
        return inspection_interval(settings.images, settings.batch * settings.n_critic)

    def rehearsed_monitor(self, batch: Batch, config: Config, settings: TrainSettings) -> Monitor | None:
        real, labels = batch
        if len(real) < FEWEST_REALS:
            return None
        return Monitor(real, labels, seed=settings.seed, batch=settings.micro_batch or SAMPLES)

    def scorer(self, store: Store, config: Config, settings: TrainSettings, judge: Features) -> Scorer:
        return Scorer(store, judge)

    def finishing_seconds(self, state: TrainState, store: Store, settings: TrainSettings, judge: Features) -> float:
        began, n = time.monotonic(), min(128, store.train_count)
        judge.extract(store.images[:n])
        state.model().sample(range(n))
        per_picture = (time.monotonic() - began) / n
        reference = min(store.train_count + store.held_out_count, 70_000)
        # The look for copies, of 1000 samples and 500 real pictures, takes about as long as 3000 pictures.
        return 3.0 + 1.3 * per_picture * (settings.judge_samples + reference / 2 + 3_000)

    def first_problems(self, state: TrainState, batch: tuple[Tensor, Tensor | None]) -> list[str]:
        real, labels = batch
        D, model = state.game.D, state.model()
        assert D is not None, "generation has a discriminator"
        D.eval()  # a look must not move BatchNorm statistics
        problems = check_first_batch(D, real, model.draw(model.noise(range(len(real))), labels), labels)
        D.train()
        return problems

    def real_sheet(self, store: Store, config: Config) -> Integers:
        return real_sheet(store)

    def sheet(self, model: Any, store: Store) -> Integers:
        return fake_sheet(model)

    def in_words(self, stats: Mapping[str, float], settings: TrainSettings) -> str:
        return in_words(stats, settings.objective)

    def judged(
        self, model: Any, store: Store, settings: TrainSettings, judge: Features, folder: RunFolder | None = None
    ) -> Verdict:
        return judge_samples(model, store, settings.judge_samples, judge, folder)


def data_words(words: Words) -> DataSettings:
    """The part of the user's words that is about the data."""
    return build_data_settings({k: v for k, v in words.items() if k.replace("-", "_") in DataSettings.model_fields})
