"""Pictures that tests make up."""

from __future__ import annotations

import numpy as np


def bars(n: int, side: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bright bars on black, lying (class 0) or standing (class 1): [n, side, side] uint8, [n]."""
    random = np.random.default_rng(seed)
    images = np.zeros((n, side, side), np.uint8)
    labels = np.arange(n) % 2
    for image, label in zip(images, labels, strict=True):
        place, width = random.integers(0, side - 4), random.integers(2, 5)
        image[place : place + width] = random.integers(150, 256)
        if label:
            image[:] = image.T.copy()
    return images, labels
