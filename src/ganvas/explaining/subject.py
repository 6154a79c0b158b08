"""The run that is explained: its generator, its discriminator, its pictures, and what both networks see in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.store import Store
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluating import data_of_model, effort_of
from ganvas.evaluation.feature_training import Progress
from ganvas.evaluation.features import Features, learn_features
from ganvas.games.engine import Engine
from ganvas.games.table import discriminator_of
from ganvas.images import Integers, to_float
from ganvas.model import Model, load_generator
from ganvas.networks.contract import Discriminator
from ganvas.networks.progressive import Growing
from ganvas.networks.table import NETWORKS
from ganvas.settings import TrainSettings
from ganvas.training import looked_through
from ganvas.training.plan import read_settings
from ganvas.training.run_discriminator import load_discriminator
from ganvas.training.run_folder import RunFolder, is_run

BATCH = 64
FEWEST = 24  # training pictures, so that in either half each has its tenth-nearest other

Show = Callable[[str, int, int], None]  # what is done, how much of it, and how much there is


@dataclass(frozen=True)
class Pictures:
    """A set of pictures with what the judge's network and D make of it.

    images: [N, C, H, W] integers. numbers: [N], the seeds of samples or the rows of real ones in the store. labels: [N]
    or None. features: [N, 128]. probabilities: [N, K] or None, of the judge's classifier. logits: [N] float64, of D.
    """

    images: Integers
    numbers: NDArray[np.int64]
    labels: NDArray[np.int64] | None
    features: Tensor
    probabilities: Tensor | None
    logits: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def some(self, chosen: list[int]) -> Pictures:
        """Those of them, in that order."""
        return Pictures(
            self.images[chosen],
            self.numbers[chosen],
            None if self.labels is None else self.labels[chosen],
            self.features[chosen],
            None if self.probabilities is None else self.probabilities[chosen],
            self.logits[chosen],
        )


@dataclass(frozen=True)
class Subject:
    """A run with everything that is asked about it. D and `untrained`, another seed's, are in evaluation mode.

    images: real ones that D had been shown. notes: what is to be known of how this was put together.
    """

    folder: RunFolder
    model: Model
    D: Discriminator
    untrained: Discriminator
    store: Store
    features: Features
    images: int
    notes: tuple[str, ...]

    @property
    def conditional(self) -> bool:
        """Whether G and D are told the class."""
        return self.model.config.classes > 0

    def to_d(self, images: Integers) -> Tensor:
        """Pictures as D is shown them in training: [N, C, H, W] integers -> float in [-1, 1], on the device."""
        floats = to_float(torch.from_numpy(np.ascontiguousarray(images)))
        return self.D.as_far_as_grown(floats.to(self.model.device)).contiguous(memory_format=torch.channels_last)

    def labels_to_d(self, labels: NDArray[np.int64] | None) -> Tensor | None:
        """[N] for a D that is told the class, else None."""
        return torch.as_tensor(labels, device=self.model.device) if self.conditional and labels is not None else None

    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """D's logits [N]; of a D with several judgements on a picture their mean."""
        logits: Tensor = self.D(images, labels)
        return logits.reshape(len(images), -1).mean(1)

    def samples(self, seeds: Sequence[int], show: Show) -> Pictures:
        """What `ganvas sample` draws from these seeds."""
        labels, drawn = self.model.labels_for(seeds), []
        for pictures in self.model.sample_batches(seeds, batch=BATCH):
            drawn.append(pictures.transpose(0, 3, 1, 2))
            show("drawing", min(len(drawn) * BATCH, len(seeds)), len(seeds))
        images = cast(Integers, np.concatenate(drawn))
        return self._seen(images, np.asarray(seeds, np.int64), labels, show)

    def reals(self, rows: NDArray[np.int64], show: Show) -> Pictures:
        """Those pictures of the store; `rows` must lie in the training pictures for D to have been shown them."""
        labels = None if self.store.labels is None else self.store.labels[rows]
        return self._seen(cast(Integers, np.asarray(self.store.images[rows])), rows, labels, show)

    def _seen(
        self, images: Integers, numbers: NDArray[np.int64], labels: NDArray[np.int64] | None, show: Show
    ) -> Pictures:
        found, told = self.features.extract(images), self.labels_to_d(labels)
        logits = []
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                part = slice(start, start + BATCH)
                seen = self.judge(self.to_d(images[part]), None if told is None else told[part])
                logits.append(seen.double().cpu())
                show("showing to D", min(start + BATCH, len(images)), len(images))
        probabilities = self.features.probabilities_of(found)
        return Pictures(images, numbers, labels, found, probabilities, torch.cat(logits))


def open_subject(path: Path, device: str = "auto", say: Progress | None = None) -> Subject:
    """Load all of a run; `say` is told how far the judge's network is, where it must learn anew.

    Raises UsageError if `path` is no run folder, GanvasError if it lacks what is needed."""
    if not is_run(path):
        raise UsageError(f"{path} is not a run folder, and only a run keeps its discriminator: give a run to explain")
    folder = RunFolder(path)
    model = load_generator(path, device)
    D, images, notes = load_discriminator(path, model.config, model.device)
    if images != model.config.images_seen:
        notes.append(f"the discriminator has seen {images} images, the generator {model.config.images_seen}")
    store = data_of_model(path, model, None)
    if model.config.classes and store.class_names != model.config.class_names:
        raise GanvasError(f"{path} was trained on other classes than its data have now: restore them, or train again")
    if store.train_count < FEWEST:
        raise GanvasError(f"{store.train_count} training pictures are too few to compare with: {FEWEST} are needed")
    if store.fingerprint != folder.read_facts().get("fingerprint", store.fingerprint):
        notes.append("the data have changed since the run: what is said of real pictures is of the new ones")
    if NETWORKS[model.config.network].looks_through:
        notes.append(
            "the discriminator looks through the network that samples are compared in here: that flatters them"
        )
    features = learn_features(store, device=model.device, effort=effort_of(path), progress=say)
    untrained = _untrained(D, read_settings(folder.settings)[1], model, store, effort_of(path))
    return Subject(folder, model, D, untrained, store, features, images, tuple(notes))


def _untrained(D: Discriminator, settings: TrainSettings, model: Model, store: Store, effort: float) -> Discriminator:
    """One of the same kind as D that has learned nothing, from the next seed."""
    looked = looked_through.learned(model.config, store, Engine(model.device), effort)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 1)
        untrained = discriminator_of(settings, model.config, looked)
    untrained.to(model.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(D, Growing):  # as far as the other has grown, or the two would look at different sizes
        untrained.load_state_dict({"stage": D.stage, "fade": D.fade}, strict=False)
    return untrained.eval().requires_grad_(False)
