"""Sheets of what is painted: input, output and target of the same pictures each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from ganvas.data.keypoints.heat_maps import coloured
from ganvas.images import Integers, grid
from ganvas.picture_model import PictureConfig, PictureModel
from ganvas.tasks.shown import Shown, first, painted

ROWS, ACROSS = 8, 2  # groups of pictures


def painted_sheet(model: PictureModel, shown: Shown) -> Integers:
    """Groups of input, output and target, two beside each other: [H, W, C]."""
    some = first(shown, ROWS * ACROSS)
    return side_by_side([_seen(some, model.config), painted(model, some), some.targets])


def pairs_sheet(shown: Shown, config: PictureConfig) -> Integers:
    """Groups of input and target: [H, W, C]."""
    some = first(shown, ROWS * ACROSS)
    return side_by_side([_seen(some, config), some.targets])


def side_by_side(columns: Sequence[Integers], across: int = ACROSS) -> Integers:
    """[N, C, H, W] each, of sizes and channels of their own -> one sheet, a group of all in turn, `across` in a row."""
    height, width = (max(pictures.shape[i] for pictures in columns) for i in (2, 3))
    alike = [_alike(pictures, height, width) for pictures in columns]
    groups = cast(Integers, np.stack(alike, axis=1).reshape(-1, height, width, 3))
    return grid(groups, len(columns) * across)


def _seen(shown: Shown, config: PictureConfig) -> Integers:
    """The inputs as pictures: heat maps as coloured points on black."""
    return coloured(shown.inputs) if config.keypoints else shown.inputs


def _alike(pictures: Integers, height: int, width: int) -> Integers:
    """As RGB of that size, pixels repeated: [N, C, h, w] -> [N, height, width, 3]. Transparent parts become white."""
    rows = np.arange(height) * pictures.shape[2] // height
    columns = np.arange(width) * pictures.shape[3] // width
    larger = pictures[:, :, rows][:, :, :, columns].transpose(0, 2, 3, 1)
    if larger.shape[3] == 4:
        white = np.iinfo(larger.dtype).max
        opaque = larger[..., 3:].astype(np.float32) / white
        larger = cast(Integers, (larger[..., :3] * opaque + white * (1 - opaque)).round().astype(pictures.dtype))
    return larger[..., :3] if larger.shape[3] >= 3 else larger[..., :1].repeat(3, axis=3)
