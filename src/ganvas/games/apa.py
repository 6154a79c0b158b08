"""Adaptive pseudo augmentation: some of D's reals are fakes (Jiang et al., 2021, "Deceive D").

A D that would know the training pictures by heart is kept from being sure of them. How many is in `strength.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.games.ada import Probability
from ganvas.games.noise import Draws


def pseudo_reals(real: Tensor, fake: Tensor, p: Probability, random: Draws) -> Tensor:
    """The reals that D is shown, each of which is a fake with probability p: twice [N, C, H, W] -> [N, C, H, W].

    fake: drawn for this, with the reals' labels, and not those that D is shown as fakes in the same turn: a pair of one
    picture teaches a relativistic D nothing. No gradient goes into them.
    """
    if isinstance(p, float | int) and p == 0:
        return real
    chosen = random.uniform(len(real), 1, 1, 1) < p
    return torch.where(chosen, fake.detach().to(real.dtype), real)
