"""Good pictures from bad ones, learned from good ones alone: what a run of it needs, shows and is judged by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganvas.data.facts import DataFacts
from ganvas.data.sources import Source, open_source
from ganvas.data.store import Store
from ganvas.degrading.chain import parse
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.features import Features
from ganvas.evaluation.figures import number, percent
from ganvas.evaluation.metrics.restoration import restoration
from ganvas.evaluation.verdict import Metric, Verdict
from ganvas.games.perceiving import distance_seen_by
from ganvas.images import Integers, to_float
from ganvas.model_folder import CONFIG, Config, find_model_folder, read_config_file
from ganvas.networks.enlarging import STEPS
from ganvas.networks.painter_table import PAINTERS
from ganvas.picture_model import PictureConfig, PictureModel
from ganvas.recipe import Recipe
from ganvas.recipes import find_recipe
from ganvas.report_words import ReportWords
from ganvas.settings import TrainSettings, build_settings
from ganvas.tasks.contract import Scorer, Words
from ganvas.tasks.generation import data_words
from ganvas.tasks.measuring import MEANINGS, About
from ganvas.tasks.painting import SCORED, PaintingTask, painter_config, refuse_stream
from ganvas.tasks.shown import CHUNK, Shown, as_they_are, painted
from ganvas.training.run_folder import RunFolder

if TYPE_CHECKING:
    from ganvas.data.download import Progress

MOST_DECIBELS = 100.0  # of a picture that equals its original
TAKEN_OVER = ("network", "width", "max_width", "network_options")  # from the run that one begins from


class Restoration(PaintingTask):
    """G undoes what a degradation does to the user's pictures."""

    name = "restore"
    report = ReportWords(
        drawn="What it restores",
        sheet="Of pictures it was not trained on where there are any: what it was given, what it made, the original",
        reals="What it is given, made of pictures of the data, and the originals.",
        steps="The same pictures each time: what it was given, what it made of it, the original.",
        beside="originals",
        reading="nothing can do better",
        head=("psnr", "ssim", "perceptual_distance"),
    )

    def prepared(self, words: Words, device: torch.device) -> Words:
        """Patches without scaling, as scaling would be a degradation of its own."""
        words = {**words, "fit": words.get("fit") or "patch"}
        if words.get("degrade") is None and words.get("init_from"):
            words["degrade"] = _config_of(words["init_from"]).degradation
        if words.get("degrade") is None:
            raise UsageError(
                "--task restore needs what is to be repaired: give --degrade, such as lowres:4, blur, noise or holes"
            )
        return {**words, "degrade": parse(words["degrade"]).words}

    def opened(self, given: str | Path, words: Words, progress: Progress | None = None) -> Source:
        source = refuse_stream(open_source(given, progress, data_words(words).source_options()))
        if getattr(source, "sides", ()):
            raise UsageError(f"{given} gives pairs, restoration needs good pictures alone: add --side A or --side B")
        return source

    def choose_recipe(self, data: DataFacts, words: Words, device: torch.device) -> tuple[Recipe, str]:
        degradation = parse(words["degrade"])
        if degradation.scale > 1:
            return find_recipe("srresnet"), "pictures are to become larger"
        if degradation.masked:
            return find_recipe("inpaint"), "holes are to be filled"
        return find_recipe("unet-restore"), f"{degradation.words.split(':')[0]} is to be undone at the same size"

    def planned(
        self, data: DataFacts, settings: TrainSettings, recipe: str, source: str
    ) -> tuple[TrainSettings, Config, str]:
        degradation, more = parse(settings.degrade or ""), ""
        if degradation.scale not in STEPS:
            able = ", ".join(map(str, (step for step in STEPS if step > 1)))
            raise UsageError(f"--degrade {degradation.words}: networks enlarge by {able}, not by {degradation.scale}")
        if any(side % degradation.scale for side in (data.height, data.width)):
            raise UsageError(
                f"--degrade {degradation.words} makes pictures {degradation.scale} times smaller, which patches of "
                f"{data.height}x{data.width} cannot be: give --resolution with a multiple of {degradation.scale}"
            )
        if degradation.channels and data.channels not in degradation.channels:
            able = " or ".join(map(str, degradation.channels))
            raise UsageError(f"--degrade {degradation.words} needs pictures of {able} channels: give --channels {able}")
        if settings.init_from is not None:
            begun = _config_of(settings.init_from)
            known = begun.class_names
            if known != (data.class_names if known or settings.class_conditional else ()):
                told = f"knows the classes {', '.join(known[:10])}" if known else "was not told classes"
                raise UsageError(
                    f"--init-from {settings.init_from}: it {told}, here there are {', '.join(data.class_names[:10])}: "
                    "give the same pictures, and --class-conditional only where the first run had it"
                )
            taken = {name: getattr(begun, name) for name in TAKEN_OVER}
            settings = settings.model_copy(update={**taken, "class_conditional": bool(known)})
            more = f"; the network is that of {settings.init_from}: {begun.network}"
        elif settings.adversarial_weight:
            raise UsageError(
                f"--recipe {recipe} is the second stage: train without a D first (ganvas train {source} --task restore "
                f"--degrade {degradation.words}), then give --init-from RUN"
            )
        return settings, _config(data, settings, recipe, source), more

    def example(self, recipe: Recipe, size: tuple[int, int], **cells: Any) -> tuple[TrainSettings, Config]:
        family = PAINTERS[str(recipe.cells["network"])]
        degrade = "holes" if family.masked else "lowres:4" if len(family.scales) > 1 else "noise"
        settings = build_settings({**recipe.cells, "degrade": degrade, **cells, "resolution": size})
        return settings, _config(self.example_data(recipe, size), settings, recipe.name, "")

    def example_data(self, recipe: Recipe, size: tuple[int, int]) -> DataFacts:
        return DataFacts(*size, 3, 8, 1_000, (), ())

    def scorer(self, store: Store, config: Config, settings: TrainSettings, judge: Features) -> Scorer:
        return RestorationScorer(self.shown(store, config, SCORED), judge.net if settings.perceptual_weight else None)

    def judged(
        self, model: Any, store: Store, settings: TrainSettings, judge: Features, folder: RunFolder | None = None
    ) -> Verdict:
        return restoration_verdict(model, self.shown(store, model.config, settings.judge_samples), store, judge)


class RestorationScorer:
    """How far from the originals: root mean square, black to white being 1, or by eye where a run learns by that."""

    def __init__(self, shown: Shown, eyes: FeatureNet | None) -> None:
        self.shown, self.eyes = shown, eyes

    def score(self, model: PictureModel) -> float:
        """Lower is better."""
        pictures = painted(model, self.shown)
        if self.eyes is not None:
            return float(distances_seen(self.eyes, pictures, self.shown.targets).mean())
        return float((10 ** (-fidelity(pictures, self.shown.targets, 1)[0] / 20)).mean())


def restoration_verdict(model: PictureModel, shown: Shown, store: Store, judge: Features) -> Verdict:
    """What it restores beside the originals, and what it was given: PSNR, SSIM, by eye, and what a classifier sees."""
    if len(shown) < 8:
        raise GanvasError(f"{len(shown)} pictures are too few to judge by: give at least 8")
    about = About(store, model, shown.which, len(shown))
    outputs, inputs, targets, scale = painted(model, shown), as_they_are(shown), shown.targets, model.config.scale
    (psnr, ssim), given = (
        fidelity(outputs, targets, scale),
        None if inputs is None else fidelity(inputs, targets, scale),
    )
    metrics = [about.mean("psnr", psnr, None if given is None else given[0])]
    if ssim is not None:
        metrics.append(about.mean("ssim", ssim, None if given is None else given[1]))
    beside = None if inputs is None else distances_seen(judge.net, inputs, targets)
    metrics.append(about.mean("perceptual_distance", distances_seen(judge.net, outputs, targets), beside, judge))
    if judge.kind == "classifier" and store.labels is not None:
        metrics.append(_accuracy(about, judge, store.labels[shown.rows], outputs, inputs, targets))
    return Verdict(tuple(metrics), _words({m.metric: m for m in metrics}, shown, model.config), None)


def fidelity(
    pictures: Integers, targets: Integers, scale: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """PSNR, at most 100, and SSIM (None below 11 pixels) of each picture: [N, C, H, W] twice -> [N], [N].

    As papers on super-resolution measure where pictures were enlarged: on the luma, without a border as wide as the
    scale. Alpha does not count.
    """
    colour = min(3, targets.shape[1]) if targets.shape[1] != 2 else 1
    border = scale if scale > 1 else 0
    a, b = pictures[:, :colour], targets[:, :colour]
    if min(targets.shape[2:]) - 2 * border < 11:
        largest = float(np.iinfo(targets.dtype).max)
        errors = (((a.astype(np.float64) - b) / largest) ** 2).mean(axis=(1, 2, 3))
        return np.minimum(-10 * np.log10(np.maximum(errors, 1e-12)), MOST_DECIBELS), None
    found = restoration(a, b, border=border, on_luma=scale > 1)
    return np.minimum(np.array(found.psnr_of_each), MOST_DECIBELS), np.array(found.ssim_of_each)


@torch.inference_mode()
def distances_seen(net: FeatureNet, pictures: Integers, targets: Integers) -> NDArray[np.float64]:
    """`distance_seen_by` of pictures in levels: [N, C, H, W] twice -> [N]."""
    device, found = net.mean.device, []
    for start in range(0, len(targets), CHUNK):
        a, b = (
            to_float(torch.from_numpy(np.ascontiguousarray(x[start : start + CHUNK]))).to(device)
            for x in (pictures, targets)
        )
        found.append(distance_seen_by(net, a, b).double().cpu().numpy())
    return np.concatenate(found)


def _accuracy(
    about: About,
    judge: Features,
    labels: NDArray[np.int64],
    outputs: Integers,
    inputs: Integers | None,
    originals: Integers,
) -> Metric:
    """How often a classifier of good pictures is right on what was restored, on what was given, and on originals."""

    def right(pictures: Integers) -> float:
        probabilities = judge.probabilities(pictures)
        assert probabilities is not None, "the judge is a classifier"
        return float((probabilities.argmax(1).numpy() == labels).mean())

    better, meaning = MEANINGS["class_accuracy"]
    share = right(outputs)
    half = 1.96 * (share * (1 - share) / len(labels)) ** 0.5
    return Metric(
        share,
        about.passport("class_accuracy", f"{about.which} pictures", len(labels), judge),
        better,
        meaning,
        (max(0.0, share - half), min(1.0, share + half)),
        right(originals),
        "the originals",
        None if inputs is None else right(inputs),
    )


def _words(metrics: dict[str, Metric], shown: Shown, config: PictureConfig) -> str:
    """The verdict in a few sentences."""
    how = "enlarged by bicubic" if config.scale > 1 else "as they are"
    psnr, ssim, eye = metrics["psnr"], metrics.get("ssim"), metrics["perceptual_distance"]

    said = f"From {len(shown)} {shown.which} pictures ({config.degradation}) it comes to {psnr.value:.2f} dB PSNR"
    said += "" if ssim is None else f" and {ssim.value:.3f} SSIM"
    if psnr.input_value is not None:
        said += f"; the inputs, {how}, have {psnr.input_value:.2f} dB"
        said += "" if ssim is None else f" and {ssim.input_value:.3f}"
    sentences = [f"{said}."]
    if psnr.input_value is not None and psnr.value < psnr.input_value:
        sentences.append("By PSNR that is worse than doing nothing.")
    beside = "" if eye.input_value is None else f", that of the inputs {number(eye.input_value)}"
    sentences.append(
        f"Its distance to the eye of a network that learned these pictures is {number(eye.value)}{beside}."
    )
    seen = metrics.get("class_accuracy")
    if seen is not None:
        given = "" if seen.input_value is None else f"{percent(seen.input_value)} of the degraded pictures, "
        sentences.append(
            f"A classifier names {given}{percent(seen.value)} of the restored and {percent(seen.real_value or 0)} of "
            "the original ones rightly."
        )
    if shown.which != "held-out":
        sentences.append("It was trained on these: new pictures will come out worse.")
    return " ".join(sentences)


def _config(data: DataFacts, settings: TrainSettings, recipe: str, source: str) -> PictureConfig:
    degradation = parse(settings.degrade or "")
    return painter_config(
        Restoration.name,
        data,
        settings,
        recipe,
        source,
        resolution=(data.height // degradation.scale, data.width // degradation.scale),
        in_channels=degradation.in_channels(data.channels),
        out_channels=data.channels,
        scale=degradation.scale,
        degradation=degradation.words,
        masked=degradation.masked,
    )


def _config_of(path: str) -> PictureConfig:
    """The config of the run or model that is begun from. Raises GanvasError where it restores nothing."""
    folder = find_model_folder(Path(path))
    config = read_config_file(folder / CONFIG, PictureConfig)
    if not config.degradation:
        raise GanvasError(f"--init-from {path}: it restores nothing (task {config.task}): give a run of --task restore")
    return config
