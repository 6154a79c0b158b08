"""Pictures as they come back from a JPEG file: a real one, written and read by Pillow."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganvas.images import to_float, to_integers


def through_jpeg(images: Tensor, qualities: Tensor) -> Tensor:
    """Each picture at its own quality [N], 1 to 95: [N, 1 or 3, H, W] in [-1, 1] -> the same, of 8 bits.

    Colour is kept at half the resolution (4:2:0), as most writers do. The work is done on the CPU, whatever the device.
    """
    levels = to_integers(images).permute(0, 2, 3, 1).contiguous().cpu().numpy()  # [N, H, W, C] uint8
    decoded = [_decoded(one, int(quality)) for one, quality in zip(levels, qualities.tolist(), strict=True)]
    back = torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2)
    return to_float(back).to(images.device)


def _decoded(picture: np.ndarray, quality: int) -> np.ndarray:
    """[H, W, C] uint8 -> the same, after a JPEG file."""
    grey = picture.shape[2] == 1
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if grey else picture).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return np.asarray(image).reshape(picture.shape)
