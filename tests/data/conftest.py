"""Every test here has a cache folder of its own, and a way to make small pictures."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePictures = Callable[..., None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, used instead of the platform's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GANVAS_CACHE", str(folder))
    monkeypatch.delenv("GANVAS_OFFLINE", raising=False)
    return folder


def png_bytes(level: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> bytes:
    """A PNG of one grey level; size is (width, height)."""
    file = io.BytesIO()
    colour = level if mode == "L" else (level,) * len(mode)
    Image.new(mode, size, colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def make_pictures() -> MakePictures:
    """make(folder, count, size, mode): PNG files 0.png, 1.png, ..., of grey level 0, 1, ..."""

    def make(folder: Path, count: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for level in range(count):
            (folder / f"{level}.png").write_bytes(png_bytes(level, size, mode))

    return make


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """make({member: bytes}): the path of a ZIP that holds them."""

    def make(members: dict[str, bytes]) -> Path:
        path = tmp_path / "pictures.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path

    return make


@pytest.fixture
def png() -> Callable[..., bytes]:
    """png(level, size, mode): the bytes of a PNG of one grey level."""
    return png_bytes


@pytest.fixture
def ramp() -> np.ndarray:
    """[4, 6, 3] uint8 with no two pixels alike, so that every turn of it can be told apart."""
    return np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
