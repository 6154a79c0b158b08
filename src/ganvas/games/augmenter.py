"""What pictures go through before D sees them, reals and fakes alike, and how strongly."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ganvas.games.ada import ada
from ganvas.games.augment import augment
from ganvas.games.noise import Draws
from ganvas.games.schedules import cosine
from ganvas.games.strength import Strength
from ganvas.settings import TrainSettings

State = dict[str, float]


class Augmenter:
    """DiffAugment as it is set, then ADA with probability p: fixed, or as much as D overfits. APA shares that p."""

    def __init__(self, settings: TrainSettings) -> None:
        self.settings = settings
        self.strength: Strength | None = None
        if settings.ada_p is None and (settings.ada or settings.apa):
            self.strength = Strength(target=settings.ada_target, images=settings.ada_images)
        self._fixed = settings.ada_p or 0.0

    @property
    def p(self) -> float:
        """The probability of this moment, in [0, 1]."""
        return self._fixed if self.strength is None else self.strength.p

    def set_progress(self, progress: float) -> None:
        """A fixed p is reached from 0 over the burn-in, where there is one."""
        if self.settings.ada_p is not None and self.settings.burn_in:
            self._fixed = cosine(0.0, self.settings.ada_p, progress, self.settings.burn_in)

    def __call__(self, images: Tensor, random: Draws) -> Tensor:
        """[N, C, H, W] -> the same."""
        images = augment(images, self.settings.augment, random)
        return ada(images, self.p, random, self.settings.ada) if self.settings.ada else images

    def learn(self, stats: Mapping[str, Tensor], images: int) -> dict[str, Tensor]:
        """Move p after a step of so many images, by its stats over all processes; the stats with p among them."""
        told = dict(stats)
        if self.strength is not None:
            self.strength.update(told["d_sign"], images)
        if self.settings.ada or self.settings.apa:
            told["augment_p"] = told["d_sign"].new_tensor(self.p)
        return told

    def state(self) -> State:
        """For a checkpoint."""
        return {} if self.strength is None else self.strength.state()

    def restore(self, state: State) -> None:
        """Undo `state`."""
        if self.strength is not None and state:
            self.strength.restore(state)
