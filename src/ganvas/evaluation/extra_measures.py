"""What a verdict can hold besides, when it is asked for: `ganvas evaluate --metrics NAME,...` or `all`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ganvas.errors import UsageError
from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.feature_training import Progress
from ganvas.evaluation.features import Features
from ganvas.evaluation.metrics.classification_score import classification_score
from ganvas.evaluation.metrics.feature_diversity import feature_diversity, map_distance, maps_of
from ganvas.evaluation.metrics.fid_infinity import frechet_at_infinity
from ganvas.evaluation.metrics.frechet import Statistics
from ganvas.evaluation.metrics.inception_score import inception_score
from ganvas.evaluation.metrics.intra_class import intra_class
from ganvas.evaluation.metrics.kernel import kernel_distances
from ganvas.evaluation.metrics.labelled import Labelled
from ganvas.evaluation.metrics.ms_ssim import ms_ssim_diversity
from ganvas.evaluation.metrics.path_length import PathLength, path_length_in_w, path_length_in_z
from ganvas.evaluation.metrics.sliced_wasserstein import sliced_wasserstein
from ganvas.evaluation.metrics.spectrum import spectrum, spectrum_distance
from ganvas.evaluation.sides import Measured, Side
from ganvas.evaluation.verdict import Better

PATHS = 2_000  # for a path length
INCEPTION = "inception-v3"  # how the name of its backbone begins, whatever resizes before it
KID_SUBSETS = 100
SEEDS = (0, 1, 2)  # of the classifiers of a classification score
FEWEST_TESTED = 50  # held-out pictures that those are tested on
Z = 1.96

Latents = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Walkable:
    """A generator as walks through its latent space need it: floats [N, C, H, W], of one class where it has some."""

    z_dim: int
    draw: Latents  # [N, z_dim] -> pictures
    mapping: Latents | None = None  # [N, z_dim] -> [N, w_dim], where there is one
    synthesis: Latents | None = None  # [N, w_dim] -> pictures
    device: torch.device | str = "cpu"


@dataclass(frozen=True)
class Given:
    """What measures need besides the two sides."""

    features: Backbone
    own: Features | None = None  # the network that was trained on the data, whichever `features` are
    train: Labelled | None = None  # real training pictures with their classes
    test: Labelled | None = None  # real pictures kept from training, with their classes
    generator: Walkable | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class Finding:
    """A number, and the same one for real pictures where it is found on the way."""

    measured: Measured
    real: float | None = None


@dataclass(frozen=True)
class Extra:
    """One row of the table. of: raises ValueError where what is given is too little, with what is missing."""

    better: Better
    meaning: str
    seen: Literal["features", "own", "pixels", "classifiers"]
    of: Callable[[Side, Side, Given], Finding]
    twice: bool = True  # whether real pictures can stand in the place of the samples


def _at_infinity(sample: Side, reference: Side, given: Given) -> Finding:
    statistics = Statistics(reference.features.shape[1])
    statistics.add(reference.features)
    return Finding(
        Measured(frechet_at_infinity(sample.features, statistics).value, len(sample), len(reference)),
    )


def _kid(sample: Side, reference: Side, given: Given) -> Finding:
    if not given.features.name.startswith(INCEPTION):
        raise ValueError("it is that of the Inception network alone: add --features inception")
    values = kernel_distances(sample.features, reference.features, subsets=KID_SUBSETS)
    return Finding(Measured(sum(values) / len(values), len(sample), len(reference)))


def _inception_score(sample: Side, reference: Side, given: Given) -> Finding:
    probabilities = given.features.probabilities_of(sample.features)
    if probabilities is None or not given.features.name.startswith(INCEPTION):
        raise ValueError("it is that of the Inception network alone: add --features inception")
    found = inception_score(probabilities)
    half = Z * found.spread / found.splits**0.5
    return Finding(Measured(found.value, len(sample), 0, (found.value - half, found.value + half)))


def _intra_class(sample: Side, reference: Side, given: Given) -> Finding:
    if sample.labels is None or reference.labels is None:
        raise ValueError("it needs classes on both sides")
    found = intra_class(sample.features, sample.labels, reference.features, reference.labels)
    return Finding(Measured(found.mean, len(sample), len(reference)))


def _feature_diversity(sample: Side, reference: Side, given: Given) -> Finding:
    pictures = sample.pictures()
    found = feature_diversity(pictures, maps_of(_own(given).net), sample.labels_of_pictures())
    return Finding(Measured(found.value, len(pictures), 0))


def _ms_ssim(sample: Side, reference: Side, given: Given) -> Finding:
    pictures = sample.pictures()
    found = ms_ssim_diversity(pictures, sample.labels_of_pictures())
    return Finding(Measured(found.similarity.value, len(pictures), 0))


def _sliced_wasserstein(sample: Side, reference: Side, given: Given) -> Finding:
    found = sliced_wasserstein(sample.pictures(), reference.pictures())
    return Finding(Measured(found.mean, found.pictures, found.pictures))


def _spectrum_distance(sample: Side, reference: Side, given: Given) -> Finding:
    a, b = spectrum(sample.pictures()), spectrum(reference.pictures())
    return Finding(Measured(spectrum_distance(a, b), a.pictures, b.pictures))


def _classification_score(sample: Side, reference: Side, given: Given) -> Finding:
    if sample.labels is None or given.train is None:
        raise ValueError("it needs samples and training pictures with classes")
    if given.test is None or len(given.test.images) < FEWEST_TESTED:
        raise ValueError(f"it needs at least {FEWEST_TESTED} labelled pictures that were kept from training")
    generated = Labelled(sample.pictures(len(sample)), sample.labels.numpy())
    found = classification_score(generated, given.train, given.test, seeds=SEEDS, progress=given.progress)
    around = found.generated.interval
    measured = Measured(found.generated.mean, len(sample), len(given.test.images), (around.low, around.high))
    return Finding(measured, found.real.mean)


def _path_length_z(sample: Side, reference: Side, given: Given) -> Finding:
    if given.generator is None:
        raise ValueError("it needs a generator, not its pictures")
    walked = given.generator
    return _path(path_length_in_z(walked.draw, _distance(given), walked.z_dim, paths=PATHS, device=walked.device))


def _path_length_w(sample: Side, reference: Side, given: Given) -> Finding:
    walked = given.generator
    if walked is None or walked.mapping is None or walked.synthesis is None:
        raise ValueError("it needs a generator with a mapping to w, such as stylegan2")
    found = path_length_in_w(
        walked.mapping, walked.synthesis, _distance(given), walked.z_dim, paths=PATHS, device=walked.device
    )
    return _path(found)


def _path(found: PathLength) -> Finding:
    half = Z * found.standard_error
    return Finding(Measured(found.value, found.paths, 0, (found.value - half, found.value + half)))


def _distance(given: Given) -> Callable[[Tensor, Tensor], Tensor]:
    maps = maps_of(_own(given).net)
    return lambda a, b: map_distance(maps(a), maps(b))


def _own(given: Given) -> Features:
    if given.own is None:
        raise ValueError("it needs the network that is trained on the data")
    return given.own


EXTRAS: Mapping[str, Extra] = {
    "frechet_distance_at_infinity": Extra(
        "lower",
        "The Fréchet distance as it would be with infinitely many samples: free of what few samples add.",
        "features",
        _at_infinity,
    ),
    "kid": Extra(
        "lower",
        "The kernel distance as papers print it: of Inception's features as they are, 100 subsets of 1000.",
        "features",
        _kid,
    ),
    "inception_score": Extra(
        "higher",
        "How surely each sample is one class, and how evenly all of them come (Inception's classes).",
        "features",
        _inception_score,
    ),
    "intra_class_distance": Extra(
        "lower",
        "The Fréchet distance within each class, on average: a set can be right as a whole and wrong in each.",
        "features",
        _intra_class,
    ),
    "feature_diversity": Extra(
        "target",
        "How far apart two samples (of a class) are on average in the network's maps, as LPIPS measures it.",
        "own",
        _feature_diversity,
    ),
    "ms_ssim": Extra(
        "target",
        "How alike two samples (of a class) are on average: 1 is the same picture. Above real: too little variety.",
        "pixels",
        _ms_ssim,
    ),
    "sliced_wasserstein": Extra(
        "lower",
        "How unlike the small patches are at several sizes. No network looks: texture and colour, not meaning.",
        "pixels",
        _sliced_wasserstein,
    ),
    "spectrum_distance": Extra(
        "lower",
        "Decibels between the mean spectra: checkerboards and missing fine detail show here.",
        "pixels",
        _spectrum_distance,
    ),
    "classification_score": Extra(
        "higher",
        "How many real pictures a classifier gets right that learned from samples alone.",
        "classifiers",
        _classification_score,
        twice=False,
    ),
    "path_length_z": Extra(
        "lower", "How much a picture changes along a walk through z: lower is smoother.", "own", _path_length_z, False
    ),
    "path_length_w": Extra(
        "lower", "How much a picture changes along a walk through w: lower is smoother.", "own", _path_length_w, False
    ),
}


def find_extras(names: str) -> tuple[str, ...]:
    """The measures of a list such as "sliced_wasserstein,ms_ssim", or all; raises UsageError with the nearest name."""
    import difflib

    if names == "all":
        return tuple(EXTRAS)
    wanted = tuple(name.strip().lower().replace("-", "_") for name in names.split(",") if name.strip())
    for name in wanted:
        if name not in EXTRAS:
            near = difflib.get_close_matches(name, EXTRAS, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise UsageError(f"there is no metric '{name}': {hint}Besides the usual ones there are {', '.join(EXTRAS)}")
    return wanted
