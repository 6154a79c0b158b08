"""Small data for everyone: made here, on the fly, so that the suite needs no network and no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from example_pictures import bars


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or leaves anything in the user's cache. One per session, so that stores are shared."""
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    torch.set_num_threads(1)


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
