"""The convolutions of VGG-19 (Simonyan and Zisserman, 2015, configuration E), by which perceptual losses see.

Sixteen 3x3 convolutions with ReLU in five stages, named conv1_1 to conv5_4; between stages the largest of 2x2. Weights
are those that torchvision publishes, which see RGB in [0, 1] less ImageNet's mean, over its deviation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.networks.enlarging import to_unit

STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels, convolutions
LAYERS = tuple(f"conv{s}_{i}" for s, (_, count) in enumerate(STAGES, 1) for i in range(1, count + 1))
SMALLEST = 16  # pixels a side, which four halvings leave one of
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg19(nn.Module):
    """[N, C, H, W], C 1, 3 or 4, in [-1, 1] -> what the convolutions `layers` give, before ReLU: [N, F, h, w] each.

    Grey is repeated, alpha is not seen. Weights are not drawn: they come from a file. Raises ValueError for a layer
    that there is not.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: Sequence[str] = LAYERS) -> None:
        super().__init__()
        unknown = [name for name in layers if name not in LAYERS]
        if unknown or not layers:
            raise ValueError(f"VGG-19 has the layers {', '.join(LAYERS)}, not {', '.join(unknown) or 'none'}")
        self.layers = tuple(layers)
        deepest = max(LAYERS.index(name) for name in layers)
        channels = [3, *(width for width, count in STAGES for _ in range(count))]
        with torch.device("meta"):
            self.convolutions = nn.ModuleDict(
                {
                    name: nn.Conv2d(channels[i], channels[i + 1], 3, padding=1)
                    for i, name in enumerate(LAYERS[: deepest + 1])
                }
            )
        self.to_empty(device="cpu")
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """See the class: the maps in the order of the layers asked for."""
        rgb = images[:, :3] if images.shape[1] >= 3 else images[:, :1].expand(-1, 3, -1, -1)
        x = ((to_unit(rgb) - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        found: dict[str, Tensor] = {}
        for name, convolution in self.convolutions.items():
            if found and name.endswith("_1"):
                x = F.max_pool2d(x, 2)
            found[name] = x = convolution(x)
            x = F.relu(x)
        return [found[name] for name in self.layers]


def load_vgg19(weights: Mapping[str, Tensor], what: str, layers: Sequence[str]) -> Vgg19:
    """The network with weights by the names of its own state dict, of which those of deeper layers are left out.

    Raises GanvasError, which calls them `what`, if one is missing or of another shape.
    """
    net = Vgg19(layers)
    expected = net.state_dict()
    for name, own in expected.items():
        if name not in weights:
            raise GanvasError(f"{what} lacks {name!r}: these are not the weights of VGG-19")
        if weights[name].shape != own.shape:
            shapes = f"{list(weights[name].shape)}, expected {list(own.shape)}"
            raise GanvasError(f"{what} has {name} of shape {shapes}: these are not the weights of VGG-19")
    net.load_state_dict({name: weights[name] for name in expected})
    return net.eval()


def from_torchvision(tensors: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Torchvision's names, "features.0.weight" and so on, as ours. Raises GanvasError if one is missing."""
    found, place = {}, 0
    for name in LAYERS:
        for part in ("weight", "bias"):
            theirs = f"features.{place}.{part}"
            if theirs not in tensors:
                raise GanvasError(f"{what} lacks {theirs!r}: these are not the weights of VGG-19")
            found[f"convolutions.{name}.{part}"] = tensors[theirs]
        last_of_stage = name in (f"conv{s}_{count}" for s, (_, count) in enumerate(STAGES, 1))
        place += 3 if last_of_stage else 2  # convolution, ReLU, and behind each stage a pool
    return found
