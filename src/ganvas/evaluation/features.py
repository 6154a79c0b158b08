"""Features learned from the user's own pictures, in which sets of pictures are compared.

Never call a distance in these features FID: FID names one fixed network, and numbers of different networks
cannot be compared. What they are called instead stands in `Features.name`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.evaluation.feature_net import FEATURES, FeatureNet
from ganvas.evaluation.feature_training import (
    Progress,
    default_pictures,
    load,
    set_input_range,
    train_classifier,
    train_contrastive,
)
from ganvas.evaluation.rows import spread
from ganvas.hashing import sha256_of_tensors
from ganvas.images import Integers

if TYPE_CHECKING:
    from ganvas.data.store import Store

VERSION = 1  # of the network and its training: features of another version are learned anew
FEWEST = 8
PROJECTION = 64
SET_ASIDE = 10  # without held-out pictures, every tenth is kept from the classifier to count how many it gets right
FEWEST_TO_SET_ASIDE = 200

Kind = Literal["classifier", "self-supervised"]


@dataclass(frozen=True)
class Learning:
    """How a feature network learned; saved as JSON beside its weights."""

    version: int
    kind: Kind
    store: str  # fingerprint of the pictures
    pictures_seen: int
    accuracy: float | None
    accuracy_on: str
    outputs: int
    hash: str


class Features:
    """A feature network that has learned, and how: a `ganvas.evaluation.backbones.contract.Backbone`."""

    def __init__(self, net: FeatureNet, learning: Learning) -> None:
        self.net = net.eval().requires_grad_(False)
        self.learning = learning

    @property
    def kind(self) -> Kind:
        return self.learning.kind

    @property
    def accuracy(self) -> float | None:
        """Share of pictures kept from the classifier that it gets right, or None."""
        return self.learning.accuracy

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name the weights."""
        return self.learning.hash[:12]

    @property
    def name(self) -> str:
        if self.kind == "self-supervised":
            return "self-supervised network trained on these pictures"
        if self.accuracy is None:
            return "classifier trained on these pictures"
        right = f"{100 * self.accuracy:.1f} % right on {self.learning.accuracy_on}"
        return f"classifier trained on these pictures ({right})"

    @property
    def features(self) -> int:
        """F: how many features a picture has."""
        return FEATURES

    @property
    def resize(self) -> str:
        """What is done to a picture before the network sees it, in words."""
        net = self.net
        as_it_is = net.expects[1:] == (net.height, net.width)
        return "none" if as_it_is else f"averaged over areas to {net.height}x{net.width}"

    @property
    def value_range(self) -> str:
        """The range in which the network sees it, in words."""
        return "[-1, 1] less the training pictures' mean, over their deviation, channel by channel"

    def extract(self, images: Integers, batch: int = 64, rows: NDArray[np.int64] | None = None) -> Tensor:
        """[N, C, H, W] uint8 or uint16, of the store's channels, height and width -> [N, 128] float32, on the CPU.

        `rows`: only those pictures. The network is in evaluation mode, so a picture's features do not depend on
        its batch. Raises GanvasError for pictures of another shape or type.
        """
        rows = np.arange(len(images)) if rows is None else rows
        return torch.cat([*self._batches(images, rows, batch), torch.empty(0, FEATURES)])

    def probabilities(self, images: Integers, batch: int = 64, rows: NDArray[np.int64] | None = None) -> Tensor | None:
        """As for `extract` -> [N, K] class probabilities, float32; None without a classifier."""
        return None if self.kind != "classifier" else self.probabilities_of(self.extract(images, batch, rows))

    def probabilities_of(self, features: Tensor) -> Tensor | None:
        """[N, 128] as `extract` gives them -> [N, K] class probabilities; None without a classifier."""
        if self.kind != "classifier":
            return None
        with torch.inference_mode():
            logits = self.net.head(features.to(self.net.mean.device))
            probabilities: Tensor = logits.softmax(1).cpu()
        return probabilities

    def _batches(self, images: Integers, rows: NDArray[np.int64], batch: int) -> Iterator[Tensor]:
        if images.shape[1:] != self.net.expects or images.dtype not in (np.uint8, np.uint16):
            expected = ", ".join(map(str, self.net.expects))
            raise GanvasError(
                f"pictures of shape {list(images.shape)} and type {images.dtype} cannot be judged: expected "
                f"[N, {expected}] uint8 or uint16, as the features were learned from"
            )
        device = self.net.mean.device
        with torch.inference_mode():
            for start in range(0, len(rows), batch):
                yield self.net(load(images, rows[start : start + batch], device)).float().cpu()


def learn_features(
    store: Store,
    *,
    device: torch.device | str = "cpu",
    pictures: int | None = None,
    effort: float = 1.0,
    progress: Progress | None = None,
) -> Features:
    """The features of a store's pictures: those saved beside it, or learned now (some ten seconds) and saved.

    Labelled pictures train a classifier, others a contrastive network. `pictures` is how many are shown in
    training (default: what ten seconds on two cores allow, times `effort`). The same store gives the same features;
    the global random state is not touched. `progress` is called with short lines of words. Raises GanvasError below
    8 training pictures.
    """
    images = store.train.images
    if len(images) < FEWEST:
        raise GanvasError(
            f"{len(images)} training pictures are too few to learn features: at least {FEWEST} are needed"
        )
    labels = store.train.labels
    classes = len(store.class_names) if labels is not None else 0
    kind: Kind = "classifier" if classes > 1 else "self-supervised"

    generator = torch.Generator().manual_seed(0)
    _, channels, height, width = images.shape
    net = FeatureNet(channels, height, width, classes if kind == "classifier" else PROJECTION, generator)
    usual = default_pictures(net, len(images), per_picture=1 if kind == "classifier" else 2)
    shown = pictures or int(usual * effort)
    folder = store.path / (f"features-{VERSION}" if shown == usual else f"features-{VERSION}-{shown}")
    saved = _load(folder, net, store.fingerprint, kind)
    if saved is not None:
        return Features(net.to(device), saved)

    set_input_range(net, images)
    net.to(device)
    accuracy, accuracy_on = None, ""
    if kind == "classifier":
        assert labels is not None, "a classifier is only chosen for labelled pictures"
        accuracy, accuracy_on = _learn_classes(net, store, images, labels, shown, generator, progress)
    else:
        train_contrastive(net, images, shown, generator, progress)
    found = sha256_of_tensors(net.state_dict())
    learning = Learning(VERSION, kind, store.fingerprint, shown, accuracy, accuracy_on, net.head.out_features, found)
    _save(folder, net, learning)
    return Features(net, learning)


def _learn_classes(
    net: FeatureNet,
    store: Store,
    images: Integers,
    labels: NDArray[np.int64],
    shown: int,
    generator: torch.Generator,
    progress: Progress | None,
) -> tuple[float | None, str]:
    """Train the classifier; return how much it gets right of pictures it never saw, and which those are."""
    held_out = store.held_out
    everything = np.arange(len(images))
    if held_out is not None and held_out.labels is not None and len(held_out.images):
        train_classifier(net, images, labels, everything, shown, generator, progress)
        return _accuracy(net, held_out.images, held_out.labels), "held-out pictures"
    if len(images) < FEWEST_TO_SET_ASIDE:
        train_classifier(net, images, labels, everything, shown, generator, progress)
        return None, ""
    aside = everything % SET_ASIDE == SET_ASIDE - 1
    train_classifier(net, images, labels, everything[~aside], shown, generator, progress)
    return _accuracy(net, images[aside], labels[aside]), "pictures set aside"


def _accuracy(net: FeatureNet, images: Integers, labels: NDArray[np.int64]) -> float:
    """Share of up to 10 000 pictures, spread evenly, whose likeliest class is theirs."""
    rows = spread(len(images), 10_000)
    right = 0
    with torch.inference_mode():
        for chosen in np.array_split(rows, max(1, len(rows) // 256)):
            predicted = net.head(net(load(images, chosen, net.mean.device))).argmax(1).cpu()
            right += int((predicted == torch.from_numpy(labels[chosen])).sum())
    return right / len(rows)


def _save(folder: Path, net: FeatureNet, learning: Learning) -> None:
    """Write weights and learning; the folder appears whole or not at all. What cannot be written is learned
    again.
    """
    partial: Path | None = None
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        weights = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
        save_file(weights, partial / "features.safetensors")
        (partial / "features.json").write_text(json.dumps(asdict(learning), indent=2), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # a damaged or foreign one, or it would have been loaded
        os.replace(partial, folder)
    except OSError:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _load(folder: Path, net: FeatureNet, fingerprint: str, kind: Kind) -> Learning | None:
    """Fill `net` from the folder and return the learning; None if it is missing, damaged or of other
    pictures.
    """
    try:
        learning = Learning(**json.loads((folder / "features.json").read_text(encoding="utf-8")))
        if (learning.version, learning.store, learning.kind) != (VERSION, fingerprint, kind):
            return None
        weights = load_file(folder / "features.safetensors")
        expected = {name: value.shape for name, value in net.state_dict().items()}
        if {name: value.shape for name, value in weights.items()} != expected:
            return None
        before = {name: value.clone() for name, value in net.state_dict().items()}
        net.load_state_dict(weights)
        if sha256_of_tensors(net.state_dict()) != learning.hash:
            net.load_state_dict(before)
            return None
        return learning
    except (OSError, ValueError, TypeError, SafetensorError):
        return None
