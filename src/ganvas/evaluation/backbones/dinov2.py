"""DINOv2 (Oquab et al., 2023), in whose features Stein et al. (2023) found distances to agree with people.

`dinov2` is the ViT-L/14 that they and those after them report; `dinov2-base` is smaller and gives other numbers.
"""

from __future__ import annotations

from math import isqrt
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.evaluation.backbones.network import NetworkBackbone
from ganvas.evaluation.backbones.pretrained import Pretrained, load_pretrained
from ganvas.evaluation.backbones.resize import COLOUR, PILLOW, resize_in_pillow

SIDE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]


def dinov2(source: Pretrained, device: torch.device) -> NetworkBackbone:
    """The network of that folder; its features are the class token behind the last layer norm.

    Raises GanvasError as `load_pretrained`, and for patches that do not fill 224 pixels.
    """
    net, config = load_pretrained(source.folder, "Dinov2Model")
    _fit_positions(net, int(config.patch_size), source.folder)
    net.to(device)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))

    def prepare(images: Tensor) -> Tensor:
        return (resize_in_pillow(images, SIDE, SIDE).to(device) / 255 - mean) / std

    def class_token(x: Tensor) -> Tensor:
        token: Tensor = net(pixel_values=x).last_hidden_state[:, 0]
        return token

    return NetworkBackbone(
        name=source.name,
        hash=source.sha256[:12],
        features=int(config.hidden_size),
        resize=f"{COLOUR}; {PILLOW}, to {SIDE}x{SIDE}",
        value_range="[0, 1] less ImageNet's mean, over its deviation",
        prepare=prepare,
        net=class_token,
        device=device,
    )


def _fit_positions(net: nn.Module, patch: int, folder: Path) -> None:
    """Bring the position embeddings to the grid of 224 pixels once, as the authors' code does at every call.

    transformers would resample them by other steps, and its features would differ from those that papers measured in.
    """
    embeddings = net.get_submodule("embeddings")
    if SIDE % patch:
        raise GanvasError(f"{folder} has patches of {patch} pixels, which do not fill {SIDE}: give another DINOv2")
    positions = embeddings.get_parameter("position_embeddings")
    fitted = fit_positions(positions, SIDE // patch)
    embeddings.position_embeddings = nn.Parameter(fitted, requires_grad=False)


def fit_positions(positions: Tensor, grid: int) -> Tensor:
    """[1, 1 + M * M, F] -> [1, 1 + grid * grid, F], bicubic; the first row, the class token's, stays.

    The step from one place to the next is M / (grid + 0.1), not M / grid: the 0.1 once kept the size from being rounded
    down, and the published features have it.
    """
    side = isqrt(positions.shape[1] - 1)
    if side == grid:
        return positions
    maps = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)  # [1, F, M, M]
    scale = (grid + 0.1) / side
    maps = F.interpolate(maps, scale_factor=(scale, scale), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], maps.permute(0, 2, 3, 1).reshape(1, grid * grid, -1)], 1)
