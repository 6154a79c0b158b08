"""Randomness from counters: what step 1000 draws depends on the seed and on 1000, not on what was drawn before.

That makes any step repeatable in any process, and a resumed run equal to one that was never stopped.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator


def generator_for(device: torch.device | str, *counters: int) -> Generator:
    """A torch random generator that depends on the counters alone, for example (seed, step)."""
    # Hashed, because Mersenne Twisters with neighbouring seeds start alike.
    state = int(np.random.SeedSequence(counters).generate_state(1, np.uint32)[0])
    return Generator(device).manual_seed(state)
