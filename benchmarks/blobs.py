"""Pictures that a GAN can learn, made in a moment: soft blobs of one colour on grey, at any place and of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def save_blobs(path: Path, count: int, side: int, channels: int) -> Path:
    """An .npz of `images` [count, side, side] or [..., 3] uint8, always the same."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    place = random.uniform(0.25, 0.75, (2, count, 1, 1))
    size = random.uniform(0.08, 0.2, (count, 1, 1))
    colour = random.uniform(64, 255, (count, 1, 1, channels))
    shape = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * size**2))
    np.savez(path, images=np.uint8(64 + (colour - 64) * shape[..., None]).squeeze())
    return path
