"""Photographs of a ZIP, and how near a repaired one is: pixels, structure, fine detail, and the eye of a network."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.feature_training import default_pictures, set_input_range, train_contrastive
from ganvas.evaluation.features import PROJECTION
from ganvas.evaluation.metrics.restoration import luma

Picture = NDArray[np.uint8]  # [H, W, C]
SUFFIXES = (".png", ".jpg", ".jpeg")
PATCH = 64
EYE_SEED = 1  # the judge of a run learns with seed 0


def read_pictures(path: Path, folder: str) -> list[Picture]:
    """The pictures in one folder of a ZIP, in order of their names; grey ones with one channel."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{folder}/")]
        found = [read_picture(archive, name) for name in sorted(names) if name.lower().endswith(SUFFIXES)]
    if not found:
        raise SystemExit(f"{path} holds no pictures in {folder}/")
    return found


def read_picture(archive: zipfile.ZipFile, name: str) -> Picture:
    """[H, W, C]; a grey picture has one channel."""
    with Image.open(io.BytesIO(archive.read(name))) as image:
        pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    return pixels.reshape(*pixels.shape[:2], -1).copy()


def learned_eye(photos: Sequence[Picture]) -> FeatureNet:
    """A network that learned to tell these photographs apart, with a seed of its own: no run was trained through it."""
    patches = [
        photo[top : top + PATCH, left : left + PATCH]
        for photo in photos
        for top in range(0, photo.shape[0] - PATCH + 1, PATCH)
        for left in range(0, photo.shape[1] - PATCH + 1, PATCH)
    ]
    images = np.ascontiguousarray(np.stack(patches).transpose(0, 3, 1, 2))
    random = torch.Generator().manual_seed(EYE_SEED)
    net = FeatureNet(3, PATCH, PATCH, PROJECTION, random)
    set_input_range(net, images)
    train_contrastive(net, images, default_pictures(net, len(images), per_picture=2), random, None)
    return net.eval()


def batched(picture: Picture, channels: int | None = None) -> NDArray[np.uint8]:
    """[H, W, C] -> [1, C, H, W]; grey repeated where more channels are wanted."""
    wanted = channels or picture.shape[2]
    repeated = picture if picture.shape[2] == wanted else picture.repeat(wanted, axis=2)
    return np.ascontiguousarray(repeated.transpose(2, 0, 1)[None])


def fine_detail(picture: Picture, original: Picture, above: float = 1 / 8) -> float:
    """Power of the luma at more than so many cycles a pixel, over that of the original: 1 is as much of it.

    1/8 is the finest that a picture of a quarter of the side can hold. Seen through a Hann window, because the edges of
    a picture that do not meet would look like fine detail.
    """
    return _fine_power(picture, above) / _fine_power(original, above)


def _fine_power(picture: Picture, above: float) -> float:
    grey = luma(torch.from_numpy(batched(picture)).double() / 255)[0, 0]
    windows = [torch.hann_window(side, periodic=False, dtype=torch.float64) for side in grey.shape]
    power = torch.fft.fft2((grey - grey.mean()) * windows[0][:, None] * windows[1]).abs().square()
    down, across = (torch.fft.fftfreq(side, dtype=torch.float64) for side in grey.shape)
    return float(power[torch.hypot(down[:, None], across) > above].sum())


def centre(picture: Picture, side: int) -> Picture:
    """The middle of a picture, or of a mask: [H, W, ...] -> [side, side, ...]."""
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[top : top + side, left : left + side]


def save_sheet(columns: dict[str, list[Picture]], path: Path, gap: int = 4, bar: int = 18) -> None:
    """A PNG with a row for each picture and a column, under its name, for each way: all of one size."""
    height, width, _ = next(iter(columns.values()))[0].shape
    rows = max(map(len, columns.values()))
    sheet = Image.new("RGB", (len(columns) * (width + gap), bar + rows * (height + gap)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for i, (name, pictures) in enumerate(columns.items()):
        draw.text((i * (width + gap) + 2, 1), name, fill="black", font=font)
        for j, picture in enumerate(pictures):
            pixels = np.broadcast_to(picture, (height, width, 3))
            sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (i * (width + gap), bar + j * (height + gap)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)
    print(f"wrote {path.name}", flush=True)
