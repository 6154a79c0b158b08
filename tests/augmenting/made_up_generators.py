"""Generators whose pictures are known beforehand, and real pictures that they stand beside.

Run as a script it makes a set in the folder that is given, and waits a moment after each round: to be killed.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganvas.augmenting import Wish, make_set
from ganvas.data.store import Store
from ganvas.evaluation.features import Features, learn_features
from ganvas.model import Model, ModelConfig
from ganvas.networks.contract import Discriminator, Generator
from ganvas.synthetic.copies import CopyFilter
from ganvas.synthetic.filters import Filters
from ganvas.synthetic.need import need_of
from ganvas.synthetic.result import Augmented, Origin

SIDE = 12
NAMES = ("across", "down", "both")


def bar(label: int, rng: np.random.Generator) -> np.ndarray:
    """[1, 12, 12] uint8: a bright bar across (0), down (1), or both (2), on noise."""
    image = rng.integers(0, 60, (1, SIDE, SIDE)).astype(np.uint8)
    row, column = rng.integers(1, SIDE - 1, 2)
    bright = rng.integers(150, 256)
    if label in (0, 2):
        image[0, row] = bright
    if label in (1, 2):
        image[0, :, column] = bright
    return image


def bars(counts: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """So many of each class, one class after the other."""
    rng, labels = np.random.default_rng(seed), np.repeat(np.arange(len(counts)), counts)
    return np.stack([bar(int(label), rng) for label in labels]), labels.astype(np.int64)


def bar_store(path: Path, train: tuple[int, ...] = (90, 60, 40), held_out: tuple[int, ...] = (30, 30, 30)) -> Store:
    path.mkdir(parents=True, exist_ok=True)
    images, labels = bars(train, seed=0)
    if held_out:
        more, of_more = bars(held_out, seed=1)
        images, labels = np.concatenate([images, more]), np.concatenate([labels, of_more])
    return Store(path, "bars", "f" * 64, images, labels, NAMES, "3 classes", (), sum(train), ())


class Known(Generator):
    """Draws what `picture(label, rng)` gives: the random numbers follow from z alone."""

    def __init__(self, picture, classes: int = 3) -> None:
        super().__init__()
        self.picture, self.classes = picture, classes

    def forward(self, z: Tensor, labels: Tensor | None = None, random=None) -> Tensor:
        labels = torch.zeros(len(z), dtype=torch.int64) if labels is None else labels
        drawn = []
        for row, label in zip(z, labels.tolist(), strict=True):
            rng = np.random.default_rng(row.to(torch.float64).numpy().view(np.uint32))
            drawn.append(self.picture(label, rng))
        return torch.from_numpy(np.stack(drawn)).float() / 127.5 - 1


class Brightness(Discriminator):
    """Finds bright pictures real."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        return {"logits": images.mean((1, 2, 3))}


def model_of(picture, classes: int = 3) -> Model:
    names = NAMES if classes else ()
    shares = (0.5, 0.3, 0.2) if classes else ()
    config = ModelConfig(
        network="fast",
        resolution=(SIDE, SIDE),
        channels=1,
        z_dim=4,
        width=8,
        class_names=names,
        class_shares=shares,
        recipe="made up",
        weights_sha256="a" * 64,
    )
    return Model(Known(picture, classes), config)


def features_of(store: Store) -> Features:
    return learn_features(store, pictures=6000)


def origin_of(model: Model, store: Store, features: Features, **changes) -> Origin:
    origin = Origin(
        run="made up",
        recipe="made up",
        model_sha256=model.hash,
        images_seen=0,
        conditional=model.config.classes > 0,
        discriminator=None,
        data=store.source_name,
        data_fingerprint=store.fingerprint,
        trained_on_data=True,
        classifier=features.name,
        classifier_accuracy=features.accuracy,
        copy_scale="1.1 % of 90 held-out pictures are as near",
        rule="as asked",
        keep=1.0,
        trunc=1.0,
        tries=20,
    )
    return replace(origin, **changes)


def made(
    out: Path,
    picture,
    store: Store,
    features: Features,
    *,
    per_class: int | None = None,
    classes: int = 3,
    show=lambda _what, _done, _all: None,
    **wish,
) -> Augmented:
    """A set of the generator that draws `picture`; without D unless `keep` says so; no gain unless `seeds` does."""
    wished = Wish(**{"keep": 1.0, "seeds": 0, "tries": 20, **wish})
    model = model_of(picture, classes)
    need = need_of(store.train.labels, store.class_names, per_class=per_class)
    D = Brightness() if wished.keep < 1 else None
    origin = origin_of(model, store, features, keep=wished.keep, tries=wished.tries, discriminator=D and 1000)
    filters = Filters(features, D, CopyFilter(store, features))
    return make_set(out, model, filters, store, need, wished, origin, show)


def slow(what: str, done: int, total: int) -> None:
    time.sleep(0.05)


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    real = bar_store(folder / "store")
    made(folder / "set", bar, real, features_of(real), per_class=150, keep=0.7, show=slow)
