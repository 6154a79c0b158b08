"""What a run asks of its task: which pictures it needs, what is played, what is shown, scored, judged and said.

Training from noise, translating, restoring are tasks. The loop, sheets, verdict and report ask the task; nothing else
knows which one it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ganvas.data.batches import Batches
from ganvas.data.facts import DataFacts
from ganvas.data.sources import Source
from ganvas.data.store import Split, Store
from ganvas.evaluation.features import Features
from ganvas.evaluation.verdict import Verdict
from ganvas.games.contract import Batch
from ganvas.games.engine import Engine
from ganvas.images import Integers
from ganvas.model_folder import Config
from ganvas.recipe import Recipe
from ganvas.report_words import ReportWords
from ganvas.settings import TrainSettings, build_settings
from ganvas.training.monitor import Inspector
from ganvas.training.run_folder import RunFolder
from ganvas.training.state import TrainState

if TYPE_CHECKING:
    from ganvas.data.download import Progress

Words = dict[str, Any]  # settings by name, as the user gave them


class Scorer(Protocol):
    """Takes the quick distance by which the moments of one run compare with each other."""

    def score(self, model: Any) -> float:
        """Lower is better; inf if a number is not finite."""


class Task(ABC):
    """One kind of run. Stateless: what it works on is given."""

    name: ClassVar[str]
    report: ClassVar[ReportWords]

    def prepared(self, words: Words, device: torch.device) -> Words:
        """The user's words, with what this task sets where the user said nothing."""
        return words

    @abstractmethod
    def opened(self, given: str | Path, words: Words, progress: Progress | None = None) -> Source:
        """The source. Raises UsageError for one that this task cannot use."""

    def usable(self, store: Store, words: Words) -> Store:
        """The prepared pictures, as the task takes them. Raises GanvasError where it cannot."""
        return store

    @abstractmethod
    def choose_recipe(self, data: DataFacts, words: Words, device: torch.device) -> tuple[Recipe, str]:
        """The recipe when the user names none, and why in words."""

    @abstractmethod
    def resolved(self, data: DataFacts) -> Words:
        """The settings that follow from the data."""

    @abstractmethod
    def planned(
        self, data: DataFacts, settings: TrainSettings, recipe: str, source: str
    ) -> tuple[TrainSettings, Config, str]:
        """What will be made, the settings as they then are, and what is to be added to the words on the recipe."""

    def example(self, recipe: Recipe, size: tuple[int, int], **cells: Any) -> tuple[TrainSettings, Config]:
        """Settings and config of a recipe for RGB pictures of that size, to count with."""
        settings = build_settings({**recipe.cells, **cells, "resolution": size})
        settings, config, _ = self.planned(self.example_data(recipe, size), settings, recipe.name, "")
        return settings, config

    @abstractmethod
    def example_data(self, recipe: Recipe, size: tuple[int, int]) -> DataFacts:
        """Of RGB pictures of that size, as a recipe needs them."""

    def with_data(self, config: Config, settings: TrainSettings, store: Store) -> Config:
        """The config with what must be read from the pictures themselves."""
        return config

    def batches(
        self, store: Store, settings: TrainSettings, device: torch.device, rows: slice = slice(None)
    ) -> Batches:
        """What the game is played with; `rows` of each batch are this process's."""
        split, labels = store.train, store.train.labels if settings.labels else None
        return Batches(split.images, labels, settings.batch, settings.seed, device, settings.mirror, rows)

    def looks_through(
        self, config: Config, settings: TrainSettings, store: Store, engine: Engine, effort: float
    ) -> nn.Module | None:
        """A network that has learned to see these pictures, where the game looks through one."""
        return None

    def unlearned_eyes(self, config: Config, settings: TrainSettings) -> nn.Module | None:
        """What `looks_through` gives, before it has learned anything: to try or to count what it costs."""
        return None

    @abstractmethod
    def samples_of_score(self, train_count: int) -> int:
        """How many pictures one score is taken from."""

    @abstractmethod
    def make_some(self, model: Any, count: int) -> Integers:
        """So many pictures as for a score, of no meaning: [N, C, H, W]."""

    def judged_by(self, store: Store, settings: TrainSettings) -> Store:
        """The pictures that the judge learns to compare."""
        return store

    @abstractmethod
    def monitor(self, store: Store, config: Config, settings: TrainSettings, device: torch.device) -> Inspector | None:
        """What inspects the run between its scores; None where there are too few pictures for it."""

    @abstractmethod
    def looks_every(self, settings: TrainSettings, expected: int = 0) -> int:
        """Images between inspections. expected: how many the run will come to, where --images does not say it."""

    @abstractmethod
    def rehearsed_monitor(self, batch: Batch, config: Config, settings: TrainSettings) -> Inspector | None:
        """One that takes as long, of pictures of no meaning as the game gets them."""

    @abstractmethod
    def scorer(self, store: Store, config: Config, settings: TrainSettings, judge: Features) -> Scorer:
        """What takes the run's scores."""

    @abstractmethod
    def finishing_seconds(self, state: TrainState, store: Store, settings: TrainSettings, judge: Features) -> float:
        """How long the verdict will take, from a small share of it."""

    @abstractmethod
    def first_problems(self, state: TrainState, batch: tuple[Tensor, Tensor | None]) -> list[str]:
        """Mistakes that the first batch shows, in words."""

    @abstractmethod
    def real_sheet(self, store: Store, config: Config) -> Integers:
        """Pictures of the data: [H, W, C]."""

    @abstractmethod
    def sheet(self, model: Any, store: Store) -> Integers:
        """What the model makes, of the same seeds or held-out pictures each time: [H, W, C]."""

    @abstractmethod
    def in_words(self, stats: Mapping[str, float], settings: TrainSettings) -> str:
        """What the numbers of some steps say, in a few words."""

    @abstractmethod
    def judged(
        self, model: Any, store: Store, settings: TrainSettings, judge: Features, folder: RunFolder | None = None
    ) -> Verdict:
        """The verdict on a trained model; what belongs to it is written into the run's folder, where one is given.

        Raises GanvasError where there is too little to judge by.
        """


def shown_split(store: Store, fewest: int = 8) -> tuple[Split, str]:
    """The pictures that a verdict is about, and what they are called: held-out ones where there are enough."""
    if store.held_out is not None and len(store.held_out) >= fewest:
        return store.held_out, "held-out"
    return store.train, "training"


def rows_of(split: Split, rows: Sequence[int]) -> Integers:
    """Those pictures: [N, C, H, W]."""
    return split.images[list(rows)]
