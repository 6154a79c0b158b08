"""CLIP (Radford et al., 2021): its ViT-B/32, in whose features Kynkäänniemi et al. (2023) measured Fréchet distances.

They showed that FID can be lowered by matching the classes of ImageNet, to which CLIP's features are blind.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.evaluation.backbones.network import NetworkBackbone
from ganvas.evaluation.backbones.pretrained import Pretrained, load_pretrained
from ganvas.evaluation.backbones.resize import COLOUR, PILLOW, middle_square_in_pillow

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's own pictures, in [0, 1]
STD = (0.26862954, 0.26130258, 0.27577711)
POSITION_IDS = "vision_model.embeddings.position_ids"  # 0, 1, 2, ...: in old files, no weights


def clip(source: Pretrained, device: torch.device) -> NetworkBackbone:
    """The network of that folder; its features are the picture's embedding, projected but not normalised.

    Raises GanvasError as `load_pretrained`.
    """
    net, config = load_pretrained(source.folder, "CLIPVisionModelWithProjection")
    net.to(device)
    side = int(config.image_size)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))

    def prepare(images: Tensor) -> Tensor:
        return (middle_square_in_pillow(images, side).to(device) / 255 - mean) / std

    def embedding(x: Tensor) -> Tensor:
        projected: Tensor = net(pixel_values=x).image_embeds
        return projected

    return NetworkBackbone(
        name=source.name,
        hash=source.sha256[:12],
        features=int(config.projection_dim),
        resize=f"{COLOUR}; {PILLOW}, shorter side to {side}, the middle square",
        value_range="[0, 1] less CLIP's mean, over its deviation",
        prepare=prepare,
        net=embedding,
        device=device,
    )


def of_pictures(name: str) -> bool:
    """Whether a tensor of CLIP belongs to its picture half."""
    return name.startswith(("vision_model.", "visual_projection.")) and name != POSITION_IDS
