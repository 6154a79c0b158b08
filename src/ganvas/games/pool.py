"""Painted pictures of some time ago, so that D does not forget what G no longer paints (Shrivastava et al., 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.games.noise import Draws


class Pool:
    """Up to `size` pictures. D is shown a new one, or by the toss of a coin an old one that the new one replaces."""

    def __init__(self, size: int, shape: tuple[int, int, int], device: torch.device) -> None:
        self.pictures = torch.zeros((size, *shape), device=device)
        self.filled = 0

    def exchange(self, painted: Tensor, random: Draws) -> Tensor:
        """What D is shown for the pictures of a whole batch: [N, C, H, W] -> the same. While it fills, those."""
        size, n = len(self.pictures), len(painted)
        if not size:
            return painted
        keeps_new, places = (random.uniform(n) < 0.5).tolist(), random.integers(size, n).tolist()
        shown = []
        for picture, new, place in zip(painted, keeps_new, places, strict=True):
            if self.filled < size:
                self.pictures[self.filled] = picture
                self.filled += 1
                shown.append(picture)
            elif new:
                shown.append(picture)
            else:
                shown.append(self.pictures[place].clone())
                self.pictures[place] = picture
        return torch.stack(shown)
