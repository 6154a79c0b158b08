"""Pictures made three-channelled and resized as the published networks' own code does it.

A picture of 32 pixels and its copy at 299 differ by the interpolation, and the features with them: FIDs of one set
against itself, resized in two ways, reach the size of a good model's (Parmar et al., 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ganvas.errors import GanvasError

COLOUR = "grey repeated to three channels, transparency laid on white, 16 bits scaled to [0, 255]"
TENSORFLOW_1 = "bilinear without antialiasing as in TensorFlow 1 (corners not aligned, no half-pixel centres)"
CLEAN = "bicubic with antialiasing in float32, as clean-fid"
PILLOW = "rounded to 8 bits, Pillow's bicubic with antialiasing in 8 bits"


def three_channels(images: Tensor) -> Tensor:
    """[n, C, H, W] uint8 or uint16 with C of 1 to 4 -> [n, 3, H, W] float32 in [0, 255].

    Two channels are grey with transparency, four are RGB with transparency; what shines through is white. Raises
    GanvasError for more channels.
    """
    channels = images.shape[1]
    if channels not in (1, 2, 3, 4):
        raise GanvasError(
            f"the pictures have {channels} channels, this feature network sees colours (1 to 4 channels): use the "
            "data's own features"
        )
    x = images.to(torch.float32)
    if images.dtype == torch.uint16:
        x = x / 257  # 65535 is 255 times 257
    if channels in (2, 4):
        alpha = x[:, -1:] / 255
        x = x[:, :-1] * alpha + 255 * (1 - alpha)
    return x.expand(-1, 3, -1, -1)


def resize_like_tensorflow_1(images: Tensor, height: int, width: int) -> Tensor:
    """Bilinear as in the graph of FID (Heusel et al., 2017): integers [n, C, H, W] -> [n, 3, h, w] float32 in [0, 255].

    This is `tf.image.resize_bilinear` of TensorFlow 1: output pixel i lies at i * H / h of the input, counted from its
    first pixel, so the last one is never reached, and shrinking skips pixels. Channels as for `three_channels`.
    """
    levels = images if _is_plain(images) else three_channels(images)
    return torch.cat([_bilinear(part, height, width) for part in _parts(levels)]).expand(-1, 3, -1, -1)


def _bilinear(levels: Tensor, height: int, width: int) -> Tensor:
    """[n, C, H, W] -> [n, C, h, w] float32, along rows first. Pixels are picked as they are and made float after it."""
    left, right, across = _neighbours(levels.shape[3], width, levels.device)
    top, bottom, down = _neighbours(levels.shape[2], height, levels.device)
    if levels.shape[2] > height:  # only the rows that are used
        levels = levels.index_select(2, torch.cat([top, bottom]))
        top = torch.arange(height, device=levels.device)
        bottom = top + height
    pixels = levels.permute(0, 2, 3, 1).contiguous()  # [n, H, W, C]: a pixel is picked with all its channels
    before = pixels.index_select(2, left).float()
    x = before + (pixels.index_select(2, right).float() - before) * across[:, None]
    above = x.index_select(1, top)
    return (above + (x.index_select(1, bottom) - above) * down[:, None, None]).permute(0, 3, 1, 2)


def _neighbours(given: int, wanted: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each output pixel the input pixel before it, the one behind it, and how far it is to the latter: [wanted]."""
    scale = torch.tensor(given, dtype=torch.float32, device=device) / wanted
    place = torch.arange(wanted, dtype=torch.float32, device=device) * scale
    low = place.long()
    return low, (low + 1).clamp_max(given - 1), place - low


def resize_clean(images: Tensor, height: int, width: int) -> Tensor:
    """As clean-fid resizes (Parmar et al., 2022): integers [n, C, H, W] -> [n, 3, h, w] float32 in [0, 255].

    Pillow's bicubic filter for floating point, channel by channel, wide enough to average when shrinking. Channels as
    for `three_channels`.
    """
    return torch.cat([bicubic(three_channels(part), height, width) for part in _parts(images)])


def bicubic(x: Tensor, height: int, width: int) -> Tensor:
    """[n, C, H, W] float32 in [0, 255] -> [n, C, h, w] in [0, 255]; PyTorch's filter is Pillow's."""
    if x.shape[2:] == (height, width):
        return x
    return F.interpolate(x, (height, width), mode="bicubic", align_corners=False, antialias=True).clamp(0, 255)


def resize_in_pillow(images: Tensor, height: int, width: int) -> Tensor:
    """Bicubic in Pillow's 8-bit arithmetic: integers [n, C, H, W] -> [n, 3, h, w] float32, whole numbers, on the CPU.

    The usual preparation for networks trained behind torchvision's transforms. Channels as for `three_channels`.
    """
    levels = images if _is_plain(images) else three_channels(images).round().to(torch.uint8)
    pictures = levels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
    resized = [
        np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), Image.Resampling.BICUBIC))
        for picture in pictures
    ]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float()


def middle_square_in_pillow(images: Tensor, side: int) -> Tensor:
    """Shorter side to `side`, then the middle square: integers [n, C, H, W] -> [n, 3, side, side], as above."""
    height, width = images.shape[2:]
    shorter = min(height, width)
    x = resize_in_pillow(images, side * height // shorter, side * width // shorter)
    top, left = (round((length - side) / 2) for length in x.shape[2:])
    return x[:, :, top : top + side, left : left + side]


def _is_plain(images: Tensor) -> bool:
    """8-bit grey or RGB: nothing to do but to repeat grey."""
    return images.dtype == torch.uint8 and images.shape[1] in (1, 3)


def _parts(images: Tensor) -> Sequence[Tensor]:
    """On the CPU picture by picture: at 1024 pixels a fifth to a third faster, for what lies between stays in memory
    that is warm.
    """
    if images.device.type != "cpu":
        return [images]
    return [images[row : row + 1] for row in range(len(images))]
