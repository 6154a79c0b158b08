"""Small data for everyone: made here, on the fly, so that the suite needs no network and no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or leaves anything in the user's cache. One per session, so that stores are shared."""
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    torch.set_num_threads(1)


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


@pytest.fixture
def bars_npz(tmp_path: Path) -> Path:
    """96 labelled pictures of 12x12."""
    images, labels = bars(96)
    path = tmp_path / "bars.npz"
    np.savez(path, images=images, labels=labels)
    return path


@pytest.fixture
def bars_folder(tmp_path: Path) -> Path:
    """40 unlabelled RGB pictures of 12x12 in a folder."""
    folder = tmp_path / "bars"
    folder.mkdir()
    for i, image in enumerate(bars(40)[0]):
        Image.fromarray(image).convert("RGB").save(folder / f"{i:03d}.png")
    return folder
