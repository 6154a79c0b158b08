"""One kind of picture from another, learned from pairs: what a run of translation needs, shows and is judged by."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data.facts import DataFacts
from ganvas.data.keypoints.heat_maps import KeypointMaps
from ganvas.data.pairs import open_pairs
from ganvas.data.sources import Source, open_source
from ganvas.data.store import Store
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.features import Features
from ganvas.evaluation.figures import number
from ganvas.evaluation.metrics.frechet import frechet_distance_of_features
from ganvas.evaluation.rows import spread
from ganvas.evaluation.verdict import Metric, Verdict
from ganvas.model_folder import Config
from ganvas.one_hot import find_palette
from ganvas.picture_model import PictureModel
from ganvas.recipe import Recipe
from ganvas.report_words import ReportWords
from ganvas.settings import TrainSettings
from ganvas.tasks.contract import Scorer, Words
from ganvas.tasks.generation import data_words
from ganvas.tasks.measuring import MEANINGS, About, as_a_set
from ganvas.tasks.painting import SCORED, PaintingTask, painter_config, refuse_stream
from ganvas.tasks.relative import feature_distances, relative_difference, relative_frechet
from ganvas.tasks.shown import Shown, as_they_are, mean_difference, painted
from ganvas.training.run_folder import RunFolder

if TYPE_CHECKING:
    from ganvas.data.download import Progress

REFERENCE = 5_000
LOOKED_AT = 20  # headers, to tell A|B by their shape
_SIDED = re.compile(r"(^|[^a-z])(left|right|l|r)([^a-z]|$)")  # names of points that a mirror would swap
MAPS = 200  # label maps whose colours are looked at


class Translation(PaintingTask):
    """G paints B from A, or A from B, as pairs show it."""

    name = "translate"
    default_recipe = "pix2pix"
    report = ReportWords(
        drawn="What it paints",
        sheet="Of pictures it was not trained on where there are any: what it was given, what it painted, the target",
        reals="Pairs from the data: input and target.",
        steps="The same pictures each time: what it was given, what it painted, the target.",
        beside="real pictures",
        reading="no painter needs to do better",
        head=("l1", "frechet_distance"),
    )

    def opened(self, given: str | Path, words: Words, progress: Progress | None = None) -> Source:
        options = data_words(words).source_options()
        if options.side is not None:
            raise UsageError("--side: translation needs both sides of the pairs. Leave it out")
        source = refuse_stream(open_source(given, progress, options))
        _check_points(getattr(source, "keypoints", None), words)
        if getattr(source, "sides", ()):
            return source
        return open_pairs(source, replace(options, pairs=_layout(source)))

    def planned(
        self, data: DataFacts, settings: TrainSettings, recipe: str, source: str
    ) -> tuple[TrainSettings, Config, str]:
        if len(data.sides) != 2:
            raise GanvasError(f"{source} holds no pairs: prepare it with --pairs, or give another --task")
        ways = data.sides if settings.direction == "AtoB" else data.sides[::-1]
        config = painter_config(
            self.name,
            data,
            settings,
            recipe,
            source,
            resolution=(data.height, data.width),
            direction=settings.direction,
            in_channels=ways[0],
            out_channels=ways[1],
        )
        return settings, config, f", {settings.direction.replace('to', ' to ')}"

    def example_data(self, recipe: Recipe, size: tuple[int, int]) -> DataFacts:
        return DataFacts(*size, 6, 8, 1_000, (), (), (3, 3))

    def with_data(self, config: Config, settings: TrainSettings, store: Store) -> Config:
        if store.keypoints is not None:
            points = {"keypoints": store.keypoints.names, "sigma": store.keypoints.sigma, "fit": store.fit}
            return config.model_copy(update=points)
        if not settings.one_hot:
            return config
        maps = store.train.images[spread(store.train_count, MAPS)][:, side_channels(store, settings.direction[0])]
        return config.model_copy(update={"palette": find_palette(maps)})

    def judged_by(self, store: Store, settings: TrainSettings) -> Store:
        return side_of(store, settings.direction[-1])

    def scorer(self, store: Store, config: Config, settings: TrainSettings, judge: Features) -> Scorer:
        return PairScorer(self.shown(store, config, SCORED), self.judged_by(store, settings), judge)

    def judged(
        self, model: Any, store: Store, settings: TrainSettings, judge: Features, folder: RunFolder | None = None
    ) -> Verdict:
        shown = self.shown(store, model.config, settings.judge_samples)
        return translation_verdict(model, shown, store, self.judged_by(store, settings), judge)


class PairScorer:
    """How far from the targets, and from the wanted kind of pictures as a set; both over what unlike pictures are."""

    def __init__(self, shown: Shown, wanted: Store, judge: Features) -> None:
        self.shown, self.judge = shown, judge
        self.reference = judge.extract(wanted.train.images, rows=spread(wanted.train_count, REFERENCE))

    def score(self, model: PictureModel) -> float:
        """The sum of the two; lower is better."""
        pictures = painted(model, self.shown)
        as_a_set = relative_frechet(self.judge.extract(pictures), self.reference)
        return relative_difference(pictures, self.shown.targets) + as_a_set


def translation_verdict(model: PictureModel, shown: Shown, store: Store, wanted: Store, judge: Features) -> Verdict:
    """What it paints beside the targets, the inputs as they are, and real pictures. wanted: the side it paints."""
    if len(shown) < 8:
        raise GanvasError(f"{len(shown)} pairs are too few to judge by: give at least 8")
    about = About(store, model, shown.which, len(shown))
    outputs, inputs, targets = painted(model, shown), as_they_are(shown), shown.targets
    inputs = None if model.config.keypoints else inputs  # points are no pictures
    l1 = about.mean(
        "l1", mean_difference(outputs, targets), None if inputs is None else mean_difference(inputs, targets)
    )

    of_outputs, of_targets = judge.extract(outputs), judge.extract(targets)
    of_inputs = None if inputs is None else judge.extract(inputs)
    beside = None if of_inputs is None else feature_distances(of_inputs, of_targets)
    perceptual = about.mean("feature_distance", feature_distances(of_outputs, of_targets), beside, judge)

    rows = spread(wanted.train_count, REFERENCE)
    if shown.which == "training":  # or the targets would be compared with themselves
        rows = np.setdiff1d(rows, shown.rows)
    reference = judge.extract(wanted.images, rows=rows)
    better, meaning = MEANINGS["frechet_distance"]
    frechet = Metric(
        frechet_distance_of_features(of_outputs, reference),
        replace(
            about.passport("frechet_distance", "training pictures", len(rows), judge),
            reference_fingerprint=wanted.fingerprint,
        ),
        better,
        meaning,
        real_value=frechet_distance_of_features(of_targets, reference),
        real_pair=f"the {shown.which} targets against training pictures",
        input_value=None if of_inputs is None else frechet_distance_of_features(of_inputs, reference),
    )
    return Verdict((l1, perceptual, frechet), _words(l1, frechet, judge, shown), None)


def _words(l1: Metric, frechet: Metric, judge: Features, shown: Shown) -> str:
    as_is = "" if l1.input_value is None else f"; the inputs as they are differ by {number(l1.input_value)}"
    first = (
        f"What it paints from {len(shown)} {shown.which} pictures differs from the targets by {number(l1.value)} "
        f"(mean absolute, black to white is 1{as_is})."
    )
    seen = "" if shown.which == "held-out" else " It was trained on these: new pictures will come out worse."
    as_are = "" if frechet.input_value is None else f" The inputs as they are: {number(frechet.input_value)}."
    return f"{first} {as_a_set(frechet, judge.features)}{as_are}{seen}"


def side_channels(store: Store, side: str) -> slice:
    """Where the channels of side A or B lie in a store of pairs."""
    return slice(0, store.sides[0]) if side == "A" else slice(store.sides[0], sum(store.sides))


def side_of(store: Store, side: str) -> Store:
    """One side of a store of pairs as a store of its own, with a place for the features that are learned from it."""
    path: Path = store.path / f"side-{side}"
    with contextlib.suppress(OSError):  # what cannot be kept is learned again
        path.mkdir(exist_ok=True)
    images: Any = store.images[:, side_channels(store, side)]
    return replace(store, path=path, images=images, fingerprint=f"{store.fingerprint}-{side}", sides=(), keypoints=None)


def _check_points(maps: KeypointMaps | None, words: Words) -> None:
    """Refuse what does not go with pairs of points and pictures."""
    if maps is None:
        return
    if words.get("direction") == "BtoA":
        raise UsageError("--direction BtoA: pictures are drawn from points, not the other way round. Leave it out")
    if words.get("one_hot"):
        raise UsageError("--one-hot is of label maps, and --keypoints gives points: leave it out")
    sided = [name for name in maps.names if _SIDED.search(name.casefold())]
    if words.get("mirror") and sided:
        raise UsageError(f"--mirror would show {sided[0]} on the other side: leave it out")


def _layout(source: Source) -> Any:
    """How pairs lie in a source of which nobody said it. Raises UsageError where that cannot be known."""
    folders = {part.lower() for name in source.names for part in name.split("/")[:-1]}
    if {"a", "b"} <= folders or any({f"{split}a", f"{split}b"} <= folders for split in ("train", "val", "test")):
        return "by-name"
    rows = spread(len(source.names), LOOKED_AT).tolist()
    headers = [source.header(index) for index in rows]
    if all(header.width == 2 * header.height for header in headers):
        return "side-by-side"
    raise UsageError(
        f"{source.name} does not show how A and B of a pair lie: give --pairs side-by-side if each picture shows both "
        "beside each other, or --pairs by-name for folders A/ and B/ with the same names"
    )
