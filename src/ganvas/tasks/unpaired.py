"""One kind of picture from another without pairs: what an unpaired run needs, shows and is judged by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from ganvas.data.batches import Batches
from ganvas.data.facts import DataFacts
from ganvas.data.sources import Source, open_source
from ganvas.data.store import Store
from ganvas.data.styled import KINDS, open_styled
from ganvas.data.unpaired_batches import UnpairedBatches
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.features import Features, learn_features
from ganvas.evaluation.figures import number
from ganvas.evaluation.metrics.frechet import frechet_distance_of_features
from ganvas.evaluation.rows import spread
from ganvas.evaluation.verdict import Metric, Verdict
from ganvas.games.pairing import Pair
from ganvas.images import Integers, to_float, to_integers
from ganvas.model_folder import Config
from ganvas.picture_model import DIRECTIONS, Direction, PictureConfig, PictureModel
from ganvas.recipe import Recipe
from ganvas.recipes import find_recipe
from ganvas.report_words import ReportWords
from ganvas.settings import TrainSettings
from ganvas.tasks.contract import Scorer, Words
from ganvas.tasks.domains import domain_of, domains_of, given_pictures, rows_of_domain
from ganvas.tasks.generation import data_words
from ganvas.tasks.measuring import MEANINGS, About, as_a_set
from ganvas.tasks.painting import SCORED, SHOWN, PaintingTask, painter_config, refuse_stream
from ganvas.tasks.picture_sheets import side_by_side
from ganvas.tasks.relative import relative_frechet
from ganvas.tasks.shown import CHUNK, FEWEST, Shown, mean_difference
from ganvas.training.painter_monitor import WATCHED, Watched
from ganvas.training.run_folder import RunFolder

if TYPE_CHECKING:
    from ganvas.data.download import Progress

SIZE_ON_CPU, SIZE_ON_GPU = (64, 64), (128, 128)  # of what is learned from a style
_WITH_STYLE = {"direction": "AtoB", "fit": "crop", "labels": True}  # what else may not be asked for


class Unpaired(PaintingTask):
    """G paints B from A, or both ways, and has seen both kinds but no pairs."""

    name = "unpaired"
    default_recipe = "cyclegan"
    report = ReportWords(
        drawn="What it paints",
        sheet="Of pictures it was not trained on where there are any: what it was given, what it painted and, where it "
        "holds both directions, the way back",
        reals="Pictures of both kinds from the data; they do not belong together.",
        steps="The same pictures each time: what it was given, what it painted, the way back.",
        beside="real pictures",
        reading="no painter needs to do better",
        head=("frechet_distance_AtoB", "frechet_distance_BtoA", "cycle_error_A", "cycle_error_B"),
    )

    def prepared(self, words: Words, device: torch.device) -> Words:
        """With a style the size is settled first, as the crops are made for it."""
        if words.get("style") is None:
            return words
        other = [name for name, usual in _WITH_STYLE.items() if words.get(name) not in (None, usual)]
        if other or _typed(words) not in (None, KINDS):
            raise UsageError(f"--{(*other, 'domains')[0]} does not go with --style, which paints photos in that style")
        size = words.get("resolution")
        return {**words, "resolution": size or (SIZE_ON_GPU if device.type == "cuda" else SIZE_ON_CPU)}

    def choose_recipe(self, data: DataFacts, words: Words, device: torch.device) -> tuple[Recipe, str]:
        if words.get("style") is not None:
            return find_recipe("cut"), "the default with --style"
        return super().choose_recipe(data, words, device)

    def opened(self, given: str | Path, words: Words, progress: Progress | None = None) -> Source:
        source = refuse_stream(open_source(given, progress, data_words(words).source_options()))
        if getattr(source, "sides", ()):
            raise UsageError(f"{given} gives pairs: leave out --pairs, or learn from them with --task translate")
        if words.get("style") is not None:
            resolution = data_words(words).resolution
            assert resolution is not None, "it was prepared"
            return open_styled(source, words["style"], resolution)
        if not source.class_names:
            raise UsageError(
                f"{given} does not show two kinds of pictures ({source.labels_note}): give folders trainA/ and "
                "trainB/, A/ and B/, or two class folders, or name pictures to be painted like with --style"
            )
        domains_of(source.class_names, _typed(words))
        return source

    def usable(self, store: Store, words: Words) -> Store:
        names = domains_of(store.class_names, _typed(words))
        for name in names:
            count = len(rows_of_domain(store, name, held_out=False))
            if count < FEWEST:
                raise GanvasError(f"there are {count} training pictures of {name}: at least {FEWEST} are needed")
        return store

    def planned(
        self, data: DataFacts, settings: TrainSettings, recipe: str, source: str
    ) -> tuple[TrainSettings, Config, str]:
        domains = domains_of(data.class_names, settings.domains)
        settings = settings.model_copy(update={"domains": domains})
        config = painter_config(
            self.name,
            data,
            settings,
            recipe,
            source,
            resolution=(data.height, data.width),
            direction=settings.direction,
            both=settings.game == "cycle",
            in_channels=data.channels,
            out_channels=data.channels,
            domains=domains,
        )
        given, wanted = domains if settings.direction == "AtoB" else domains[::-1]
        return settings, config, f", from {given} to {wanted}{' and back' if config.both else ''}"

    def example_data(self, recipe: Recipe, size: tuple[int, int]) -> DataFacts:
        return DataFacts(*size, 3, 8, 1_000, ("A", "B"), (0.5, 0.5))

    def batches(
        self, store: Store, settings: TrainSettings, device: torch.device, rows: slice = slice(None)
    ) -> Batches:
        s = settings
        a, b = (rows_of_domain(store, name, held_out=False) for name in _settled(s))
        return UnpairedBatches(store.images, a, b, s.batch, s.seed, device, s.mirror, rows)

    def judged_by(self, store: Store, settings: TrainSettings) -> Store:
        return domain_of(store, _settled(settings)[settings.direction == "AtoB"])

    def shown(self, store: Store, config: Config, most: int) -> Shown:
        """Pictures of the side that is painted from."""
        return given_pictures(store, cast(PictureConfig, config), most)

    def watched(self, store: Store, config: Config, settings: TrainSettings, device: torch.device) -> list[Watched]:
        def some(way: Direction, *, held_out: bool) -> Pair | None:
            sides = [rows_of_domain(store, name, held_out=held_out) for name in _settled(settings)]
            if held_out and min(map(len, sides)) < FEWEST:
                return None
            count = min(WATCHED, *map(len, sides))
            a, b = (
                to_float(torch.from_numpy(np.ascontiguousarray(store.images[rows[spread(len(rows), count)]])))
                for rows in sides
            )
            return (Pair(a, b) if way == "AtoB" else Pair(b, a)).to(device)

        ways: tuple[Direction, ...] = DIRECTIONS if cast(PictureConfig, config).both else (settings.direction,)
        found = []
        for way in ways:
            seen = some(way, held_out=False)
            assert seen is not None, "`usable` refuses fewer"
            found.append(Watched(seen, some(way, held_out=True), has_targets=False, direction=way))
        return found

    def scorer(self, store: Store, config: Config, settings: TrainSettings, judge: Features) -> Scorer:
        return UnpairedScorer(store, settings, judge)

    def real_sheet(self, store: Store, config: Config) -> Integers:
        c = cast(PictureConfig, config)
        a, b = (given_pictures(store, c.model_copy(update={"direction": way}), SHOWN) for way in DIRECTIONS)
        count = min(len(a), len(b))
        return side_by_side([a.inputs[:count], b.inputs[:count]])

    def sheet(self, model: Any, store: Store) -> Integers:
        columns: list[Integers] = []
        for one in ways_of(model):
            shown = given_pictures(store, one.config, SHOWN)
            there = paint_levels(one, shown.inputs)
            columns += [shown.inputs, there]
            if one.config.both:
                columns.append(paint_levels(one.towards(_other(one)), there))
        count = min(map(len, columns))
        return side_by_side([column[:count] for column in columns], across=1 if model.config.both else 2)

    def judged(
        self, model: Any, store: Store, settings: TrainSettings, judge: Features, folder: RunFolder | None = None
    ) -> Verdict:
        metrics: list[Metric] = []
        sentences: list[str] = []
        for one in ways_of(model):
            found, said = _way_verdict(one, store, settings, judge)
            metrics += found
            sentences.append(said)
        return Verdict(tuple(metrics), " ".join(sentences), None)


class UnpairedScorer:
    """How far what is painted is from the wanted kind as a set, over that kind's variance; the mean of both ways."""

    def __init__(self, store: Store, settings: TrainSettings, judge: Features) -> None:
        self.store, self.settings, self.judge = store, settings, judge
        self._references: dict[str, tuple[Features, torch.Tensor]] = {}

    def score(self, model: PictureModel) -> float:
        """Lower is better."""
        found = []
        for one in ways_of(model):
            judge, reference = self._reference(one)
            pictures = paint_levels(one, given_pictures(self.store, one.config, SCORED).inputs)
            found.append(relative_frechet(judge.extract(pictures), reference))
        return sum(found) / len(found)

    def _reference(self, model: PictureModel) -> tuple[Features, torch.Tensor]:
        way = model.config.direction
        if way not in self._references:
            judge = judge_of(model, self.store, self.settings, self.judge)
            wanted = wanted_by(model, self.store)
            self._references[way] = judge, judge.extract(wanted.train.images)
        return self._references[way]


def _way_verdict(
    model: PictureModel, store: Store, settings: TrainSettings, judge: Features
) -> tuple[list[Metric], str]:
    """Of one direction: how near to the wanted kind, and how far a picture comes back from itself."""
    config, way = model.config, model.config.direction
    shown, wanted = given_pictures(store, config, settings.judge_samples), wanted_by(model, store)
    about, eyes = About(store, model, shown.which, len(shown)), judge_of(model, store, settings, judge)
    painted = paint_levels(model, shown.inputs)
    reference, held = eyes.extract(wanted.train.images), wanted.held_out
    if held is not None and len(held) >= FEWEST:
        stand_in, against, pair = eyes.extract(held.images), reference, "held-out pictures against training ones"
    else:
        stand_in, against = reference[::2], reference[1::2]
        pair = "one half of the training pictures against the other"
    better, meaning = MEANINGS["frechet_distance"]
    passport = about.passport(f"frechet_distance_{way}", "training pictures", len(reference), eyes)
    frechet = Metric(
        frechet_distance_of_features(eyes.extract(painted), reference),
        replace(passport, reference_fingerprint=wanted.fingerprint),
        better,
        meaning,
        real_value=frechet_distance_of_features(stand_in, against),
        real_pair=pair,
        input_value=frechet_distance_of_features(eyes.extract(shown.inputs), reference),
    )
    given, made = _names(model)
    said = f"From {given} to {made}: {as_a_set(frechet, eyes.features)}"
    said += f" The {len(shown)} {shown.which} pictures of {given} as they are: {number(frechet.input_value or 0)}."
    if not config.both:
        return [frechet], said
    back = paint_levels(model.towards(_other(model)), painted)
    error = about.mean("cycle_error", mean_difference(back, shown.inputs))
    error = replace(error, passport=replace(error.passport, metric=f"cycle_error_{way[0]}"))
    said += f" There and back a picture of {given} differs from itself by {number(error.value)} (black to white is 1)."
    return [frechet, error], said


def wanted_by(model: PictureModel, store: Store) -> Store:
    """The kind of pictures that a model paints."""
    return domain_of(store, model.config.domains[model.config.direction == "AtoB"])


def judge_of(model: PictureModel, store: Store, settings: TrainSettings, judge: Features) -> Features:
    """What judges one direction: the run's judge, which learned the wanted kind, or one of the other kind."""
    if model.config.direction == settings.direction:
        return judge
    from ganvas.training.finish import judge_effort

    return learn_features(wanted_by(model, store), device=judge.net.mean.device, effort=judge_effort(settings.minutes))


def ways_of(model: PictureModel) -> list[PictureModel]:
    """The model in each direction that it holds."""
    return [model.towards(way) for way in model.directions]


def paint_levels(model: PictureModel, pictures: Integers) -> Integers:
    """[N, C, H, W] integers -> what the model makes of them."""
    found = []
    for start in range(0, len(pictures), CHUNK):
        some = to_float(torch.from_numpy(np.ascontiguousarray(pictures[start : start + CHUNK])))
        found.append(to_integers(model.paint(some), model.config.bits).cpu().numpy())
    return cast(Integers, np.concatenate(found))


def _other(model: PictureModel) -> str:
    return "BtoA" if model.config.direction == "AtoB" else "AtoB"


def _names(model: PictureModel) -> tuple[str, ...]:
    """What it is given, and what it makes."""
    domains = model.config.domains
    return domains if model.config.direction == "AtoB" else domains[::-1]


def _typed(words: Words) -> tuple[str, str] | None:
    """--domains as the user gave it, checked as a setting is."""
    from ganvas.settings import build_settings

    if words.get("domains") is None:
        return None
    cells = {"task": "unpaired", "game": "cycle", "domains": words["domains"]}
    return build_settings(cells).domains


def _settled(settings: TrainSettings) -> tuple[str, str]:
    assert settings.domains is not None, "the plan names them"
    return settings.domains
