"""What all tasks have in common whose pictures come from pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ganvas.data.facts import DataFacts
from ganvas.data.shards.streamed import StreamedSource
from ganvas.data.sources import Source
from ganvas.data.store import Split, Store
from ganvas.devices import pick_device
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.backbones.table import OWN
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.features import Features, learn_features
from ganvas.evaluation.rows import spread
from ganvas.games.contract import Batch
from ganvas.games.engine import Engine
from ganvas.games.noise import Draws
from ganvas.games.pairing import Pair, pairing_of
from ganvas.games.perceivers import find_perceiver
from ganvas.images import Integers, to_float, to_integers
from ganvas.model_folder import Config
from ganvas.picture_model import DIRECTIONS, PictureConfig
from ganvas.recipe import Recipe
from ganvas.recipes import find_recipe
from ganvas.settings import TrainSettings
from ganvas.tasks.contract import Task, Words
from ganvas.tasks.picture_sheets import painted_sheet, pairs_sheet
from ganvas.tasks.shown import CHUNK, FEWEST, Shown, shown_pairs
from ganvas.training.health import in_words
from ganvas.training.measurement import inspection_interval
from ganvas.training.painter_monitor import WATCHED, PainterMonitor, Watched
from ganvas.training.state import TrainState

SCORED = 64  # pictures of a score, in each direction
SHOWN = 16  # pairs of a sheet
LEAST_BETWEEN_LOOKS = 400  # images: an inspection costs about as much as training on ten
WATCH_STREAM = 1_002  # of what is done to the inspected pictures, apart from the (seed, step) streams of training
SET_ASIDE, LEAST_TO_SET_ASIDE, MOST_SET_ASIDE = 10, 40, 200  # one in so many, of a set of at least, but at most


class PaintingTask(Task):
    """G paints pictures from pictures."""

    default_recipe: str

    def choose_recipe(self, data: DataFacts, words: Words, device: torch.device) -> tuple[Recipe, str]:
        return find_recipe(self.default_recipe), f"the default of --task {self.name}"

    def resolved(self, data: DataFacts) -> Words:
        return {"resolution": (data.height, data.width), "labels": bool(data.class_names), "task": self.name}

    def usable(self, store: Store, words: Words) -> Store:
        """Where nothing is held out, the last tenth is: a verdict on pictures that were trained on says little."""
        count = min(MOST_SET_ASIDE, store.train_count // SET_ASIDE)
        if store.held_out_count or store.labels is not None or store.train_count < LEAST_TO_SET_ASIDE:
            return store
        note = f"nothing is held out: the last {count} of {store.train_count} are kept from training, for the verdict"
        return replace(store, train_count=store.train_count - count, notes=(*store.notes, note))

    def looks_through(
        self, config: Config, settings: TrainSettings, store: Store, engine: Engine, effort: float
    ) -> nn.Module | None:
        """What a perceptual weight is about: a network of others, or the one that learns these pictures."""
        if not settings.perceptual_weight:
            return None
        if settings.perceptual != OWN:
            return engine.main_first(lambda: find_perceiver(settings.perceptual, config.made_shape, engine.device))
        wanted = self.judged_by(store, settings)
        engine.on_main(lambda: str(learn_features(wanted, effort=effort)))  # the others find it saved
        return learn_features(wanted, device=engine.device, effort=effort).net

    def unlearned_eyes(self, config: Config, settings: TrainSettings) -> nn.Module | None:
        if not settings.perceptual_weight:
            return None
        if settings.perceptual != OWN:
            return find_perceiver(settings.perceptual, config.made_shape, pick_device(settings.device), learned=False)
        return FeatureNet(*config.made_shape, 1, torch.Generator().manual_seed(0)).requires_grad_(False)

    def shown(self, store: Store, config: Config, most: int) -> Shown:
        """Pairs for sheets, scores and the verdict. Raises GanvasError where their classes are not the config's."""
        if config.class_names and config.class_names != store.class_names:
            theirs = ", ".join(store.class_names[:10]) or "none"
            raise GanvasError(
                f"{store.source_name} has other classes ({theirs}) than the model: {', '.join(config.class_names[:10])}"
            )
        return shown_pairs(store, pairing_of(cast(PictureConfig, config)), most)

    def watched(self, store: Store, config: Config, settings: TrainSettings, device: torch.device) -> list[Watched]:
        """The pictures by which each direction is inspected."""
        pairing = pairing_of(cast(PictureConfig, config))

        def some(of: Split, number: int) -> Pair:
            rows = spread(len(of), WATCHED)
            pictures = to_float(torch.from_numpy(np.ascontiguousarray(of.images[rows])))
            pair = pairing(pictures, Draws("cpu", (settings.seed, number, WATCH_STREAM)))
            if config.class_names and of.labels is not None:
                pair = replace(pair, labels=torch.from_numpy(of.labels[rows]))
            return pair.to(device)

        held = store.held_out
        unseen = some(held, 1) if held is not None and len(held) >= FEWEST else None
        return [Watched(some(store.train, 0), unseen, has_targets=True)]

    def monitor(self, store: Store, config: Config, settings: TrainSettings, device: torch.device) -> PainterMonitor:
        ways = self.watched(store, config, settings, device)
        return PainterMonitor(ways, batch=settings.micro_batch or WATCHED, d_sees_input=settings.d_sees_input)

    def looks_every(self, settings: TrainSettings, expected: int = 0) -> int:
        return inspection_interval(settings.images or expected, settings.batch, LEAST_BETWEEN_LOOKS)

    def rehearsed_monitor(self, batch: Batch, config: Config, settings: TrainSettings) -> PainterMonitor:
        c, pictures = cast(PictureConfig, config), batch[0].repeat(WATCHED, 1, 1, 1)[:WATCHED].cpu()
        pair = pairing_of(c)(pictures, Draws("cpu", (0, 0, WATCH_STREAM)))
        if c.class_names:
            pair = replace(pair, labels=torch.zeros(len(pair), dtype=torch.int64))
        pair = pair.to(batch[0].device)
        ways = DIRECTIONS if c.both else (c.direction,)
        watched = [Watched(pair, pair, has_targets=True, direction=way) for way in ways]
        return PainterMonitor(watched, batch=settings.micro_batch or WATCHED, d_sees_input=settings.d_sees_input)

    def first_problems(self, state: TrainState, batch: tuple[Tensor, Tensor | None]) -> list[str]:
        pictures, _ = batch
        if pictures.min() < -1.001 or pictures.max() > 1.001:
            return [f"pictures reach from {pictures.min():.2f} to {pictures.max():.2f}, outside [-1, 1]"]
        return []

    def real_sheet(self, store: Store, config: Config) -> Integers:
        return pairs_sheet(self.shown(store, config, SHOWN), cast(PictureConfig, config))

    def sheet(self, model: Any, store: Store) -> Integers:
        return painted_sheet(model, self.shown(store, model.config, SHOWN))

    def in_words(self, stats: Mapping[str, float], settings: TrainSettings) -> str:
        found = [f"differs from the target by {stats['l1']:.3g}"] if "l1" in stats else []
        if "cycle" in stats:
            found.append(f"comes back to within {stats['cycle']:.3g}")
        if "real_logit" in stats:
            found.append(in_words(stats, settings.objective))
        return ", ".join(found)

    def samples_of_score(self, train_count: int) -> int:
        return SCORED

    def make_some(self, model: Any, count: int) -> Integers:
        config: PictureConfig = model.config
        found = []
        for _ in range(0, count, CHUNK):
            nothing = torch.zeros(CHUNK, config.in_channels, *config.resolution)
            painted = model.paint(nothing, torch.zeros(CHUNK, dtype=torch.int64))
            found.append(to_integers(painted, config.bits).cpu().numpy())
        return cast(Integers, np.concatenate(found)[:count])

    def finishing_seconds(self, state: TrainState, store: Store, settings: TrainSettings, judge: Features) -> float:
        """Painted once, and looked at by the judge about three times."""
        model, few = state.model(), 8
        shown = self.shown(store, state.config, few)
        began = time.monotonic()
        model.paint(shown.given(slice(0, few)), shown.labels_of(slice(0, few)))
        painting = (time.monotonic() - began) / len(shown)
        looked_at = self.judged_by(store, settings).images
        began = time.monotonic()
        judge.extract(looked_at[:64])
        looking = (time.monotonic() - began) / min(64, len(looked_at))
        pictures = min(settings.judge_samples, store.held_out_count or store.train_count)
        return 4.0 + 1.5 * (pictures * (painting + 3 * looking) + min(5_000, store.train_count) * looking)


def painter_config(
    task: str, data: DataFacts, settings: TrainSettings, recipe: str, source: str, **more: Any
) -> PictureConfig:
    """What all configs of painters say alike. Raises UsageError where classes are asked for and there are none."""
    if settings.class_conditional:
        if not data.class_names:
            raise UsageError(
                f"--class-conditional: {source} shows no classes. Put the pictures into class folders (of pairs inside "
                "A/ and B/) or give --labels-file, and leave out --no-labels"
            )
        more |= {"class_names": data.class_names, "class_shares": data.class_shares}
    return PictureConfig(
        task=task,  # type: ignore[arg-type]
        network=settings.network,
        bits=data.bits,
        width=settings.width,
        max_width=settings.max_width,
        network_options=settings.network_options,
        recipe=recipe,
        source=source,
        **more,
    )


def refuse_stream(source: Source) -> Source:
    """Raises UsageError for what is streamed."""
    if isinstance(source, StreamedSource):
        raise UsageError(f"{source.name} is streamed, which only pictures from noise can be: leave out --stream")
    return source
