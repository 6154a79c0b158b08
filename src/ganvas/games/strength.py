"""How strongly D's pictures are changed: as much as D overfits (Karras et al., 2020, section 3; Jiang et al., 2021).

A D that knows the training pictures by heart calls nearly all of them real. So the sign of its logits on reals, on
average over some turns, says how far it is: 0 where D is blind, 1 where it has learned them by heart. The probability p
of augmentation (`ada.py`) or of a fake among the reals (`apa.py`) goes up while that is above a target and down below.
"""

from __future__ import annotations

from torch import Tensor

State = dict[str, float]


class Strength:
    """p in [0, 1], and what it is to be changed by next.

    target: the mean sign at which D learns best. images: in how many images p goes from 0 to 1. every: updates from one
    change of p to the next. All are the paper's.
    """

    def __init__(self, p: float = 0.0, target: float = 0.6, images: int = 500_000, every: int = 4) -> None:
        self.p, self.target, self.images, self.every = p, target, images, every
        self._signs: float | Tensor = 0.0  # the sum over the images seen since p was changed
        self._seen, self._updates = 0, 0

    def update(self, sign_mean: float | Tensor, images: int) -> None:
        """Count a D turn. sign_mean: of D's logits on the turn's `images` reals, over all processes: in [-1, 1].

        Logits that mean something by their difference alone (relativistic and Wasserstein objectives) have no sign of
        their own: give that of real minus fake.
        """
        # A tensor is read only when p is due, so that a GPU need not be waited for at every turn.
        self._signs = self._signs + sign_mean * images
        self._seen, self._updates = self._seen + images, self._updates + 1
        if self._updates < self.every:
            return
        overfitting = float(self._signs) / self._seen - self.target
        step = self._seen / self.images
        if overfitting:
            self.p = min(1.0, max(0.0, self.p + (step if overfitting > 0 else -step)))
        self._signs, self._seen, self._updates = 0.0, 0, 0

    def state(self) -> State:
        """All that changes, as plain numbers, for a checkpoint."""
        return {"p": self.p, "signs": float(self._signs), "seen": self._seen, "updates": self._updates}

    def restore(self, state: State) -> None:
        """Go on from what `state` gave, also after a way through JSON."""
        self.p, self._signs = state["p"], state["signs"]
        self._seen, self._updates = int(state["seen"]), int(state["updates"])
