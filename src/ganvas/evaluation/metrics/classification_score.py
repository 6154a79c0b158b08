"""How useful the pictures are for learning: a classifier trained on them is tested on real ones.

The classification accuracy score (Ravuri and Vinyals, 2019) falls when classes are mixed up, left out or drawn without
their variety, which sharp pictures alone do not show. Beside it stands the same classifier trained on real pictures,
and on both together: the gain of adding the generated ones. The paper's classifier is a ResNet-50 on ImageNet; here it
is the small network of `feature_net`, so compare the numbers only with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.feature_training import default_pictures, load, set_input_range, train_classifier
from ganvas.evaluation.metrics.interval import Interval, mean_interval
from ganvas.evaluation.metrics.labelled import Labelled, joined
from ganvas.evaluation.metrics.pictures import checked_alike, row_pieces
from ganvas.images import Integers

SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Accuracy:
    """Share of the test pictures put into the right class, in [0, 1]: one a seed, the mean, and its interval."""

    of_each_seed: tuple[float, ...]
    mean: float
    interval: Interval


@dataclass(frozen=True)
class ClassificationScore:
    """Accuracies by what the classifier was trained on; `gain`: on both together less on real ones, seed by seed.

    There is a gain only where its whole interval lies above 0. The intervals say how far other seeds would be off, not
    other test pictures.
    """

    generated: Accuracy
    real: Accuracy
    joined: Accuracy
    gain: Accuracy
    test_pictures: int
    pictures_shown: int


def classification_score(
    generated: Labelled,
    real: Labelled,
    test: Labelled,
    *,
    seeds: Sequence[int] = SEEDS,
    pictures: int | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> ClassificationScore:
    """Train on `generated`, on `real` and on both, as often as there are seeds, and test each on `test`.

    `test`: real pictures that neither the generator nor `real` holds. `pictures`: how many each classifier is shown,
    the same for all three, so that more data is no more training (default: some ten seconds on two cores). Classes
    that only the test pictures have count as wrong. Raises ValueError below two seeds or two classes, for pictures of
    different sizes, or for labels that do not fit.
    """
    sets = {"generated": generated, "real": real, "test": test}
    for name, one in sets.items():
        if len(one.labels) != len(one.images) or (len(one.labels) and one.labels.min() < 0):
            raise ValueError(f"{len(one.labels)} labels for {len(one.images)} {name} pictures: give each one from 0 up")
    checked_alike(generated.images, real.images)
    checked_alike(real.images, test.images)
    if len({one.images.dtype for one in sets.values()}) > 1:
        raise ValueError("the pictures are partly of 8 and partly of 16 bits: bring all sets to one depth")
    classes = 1 + max(int(one.labels.max()) for one in sets.values())
    if classes < 2 or len(seeds) < 2:
        raise ValueError(f"{classes} classes and {len(seeds)} seeds: give at least two of each")
    if pictures is None:
        pictures = default_pictures(classifier_for(real.images, classes, torch.Generator()), len(real.images))

    trained_on = {"generated": generated, "real": real, "joined": joined(generated, real)}
    found: dict[str, list[float]] = {name: [] for name in trained_on}
    for seed in seeds:
        for name, one in trained_on.items():
            if progress is not None:
                progress(f"training on {name} pictures, seed {seed}")
            found[name].append(float(recognised(one, test, classes, pictures, seed, device).mean()))
    gains = [joined - alone for joined, alone in zip(found["joined"], found["real"], strict=True)]
    scores = {name: over_seeds(values) for name, values in {**found, "gain": gains}.items()}
    return ClassificationScore(**scores, test_pictures=len(test.images), pictures_shown=pictures)


def recognised(
    train: Labelled, test: Labelled, classes: int, pictures: int, seed: int, device: torch.device | str = "cpu"
) -> NDArray[np.bool_]:
    """Which of the test pictures a classifier gets right that is shown so many of `train`, from that seed: [N]."""
    generator = torch.Generator().manual_seed(seed)
    net = classifier_for(train.images, classes, generator).to(device)
    train_classifier(net, train.images, train.labels, np.arange(len(train.images)), pictures, generator, None)
    right = np.empty(len(test.images), np.bool_)
    with torch.inference_mode():
        for rows in row_pieces(np.arange(len(test.images)), 256):
            right[rows] = net.head(net(load(test.images, rows, device))).argmax(1).cpu().numpy() == test.labels[rows]
    return right


def classifier_for(images: Integers, classes: int, generator: torch.Generator) -> FeatureNet:
    """An untrained network for pictures such as these, with their mean and spread."""
    _, channels, height, width = images.shape
    net = FeatureNet(channels, height, width, classes, generator)
    set_input_range(net, images)
    return net


def over_seeds(values: Sequence[float]) -> Accuracy:
    """One accuracy, or difference of two, a seed: at least two."""
    return Accuracy(tuple(values), sum(values) / len(values), mean_interval(values))
