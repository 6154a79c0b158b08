"""Which generated pictures are nearer to one training picture than real pictures come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.memorisation.look import CopyFinder
from ganvas.evaluation.memorisation.reals import Reals
from ganvas.images import Integers

if TYPE_CHECKING:
    from ganvas.data.store import Store


class CopyFilter:
    """Finds copies as the verdict does (see `ganvas.evaluation.memorisation`): also mirrored, moved and recoloured.

    scale: what real pictures say of how near is too near, in words.
    """

    def __init__(self, store: Store, features: Backbone) -> None:
        self._finder = CopyFinder(Reals.of(store), features)
        look = self._finder.look(store.train.images, np.zeros(1, np.int64))  # of any picture
        real = look.real_copies()
        self.scale = f"{100 * float(real.double().mean()):.1f} % of {len(real)} {look.left_out} are as near"

    def found(self, drawn: Integers) -> NDArray[np.bool_]:
        """[N, C, H, W] integers -> [N], which are copies."""
        if not len(drawn):
            return np.empty(0, np.bool_)
        return np.asarray(self._finder.look(drawn, np.arange(len(drawn))).copies().numpy(), np.bool_)
