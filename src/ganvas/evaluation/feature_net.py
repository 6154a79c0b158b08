"""The small convolutional network whose 128 features pictures are compared in."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 128
LARGEST_SIDE = 64  # larger pictures are area-averaged to this first
HEAD = "head."


class FeatureNet(nn.Module):
    """3x3 convolutions with 32, 32, 64, 64 channels, every second one of stride 2, then a layer 128 wide, all
    ReLU.

    Pictures above 32 pixels get a third stride-2 stage (the first). `outputs` is the width of `head`: the
    number of classes, or of a contrastive projection. Weights are drawn from `generator`, never from the
    global stream.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, height: int, width: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.expects = (channels, height, width)
        self.height, self.width = _reduced(height, width)
        first_stride = 2 if max(self.height, self.width) > 32 else 1
        with torch.device("meta"):  # or the layers would draw weights that are thrown away from the global stream
            self.trunk = nn.Sequential(
                nn.Conv2d(channels, 32, 3, first_stride, 1),
                nn.ReLU(),
                nn.Conv2d(32, 32, 3, 2, 1),
                nn.ReLU(),
                nn.Conv2d(32, 64, 3, 1, 1),
                nn.ReLU(),
                nn.Conv2d(64, 64, 3, 2, 1),
                nn.ReLU(),
                nn.Flatten(),
            )
            flat = self.trunk(torch.empty(1, channels, self.height, self.width)).shape[1]
            self.features = nn.Linear(flat, FEATURES)
            self.head = nn.Linear(FEATURES, outputs)
        self.to_empty(device="cpu")
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
            else:
                nn.init.zeros_(parameter)
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def reduce(self, x: Tensor) -> Tensor:
        """Area average to at most 64 pixels a side: [N, C, H, W] -> [N, C, h, w]."""
        if x.shape[2:] == (self.height, self.width):
            return x
        return F.adaptive_avg_pool2d(x, (self.height, self.width))

    def embed(self, reduced: Tensor) -> Tensor:
        """[N, C, h, w] as `reduce` gives it, float in [-1, 1] -> [N, 128], never negative."""
        x = (reduced - self.mean) / self.std  # channels of any range, also 12 bits stored in 16, come out alike
        return F.relu(self.features(self.trunk(x.contiguous(memory_format=torch.channels_last))))

    def maps(self, images: Tensor) -> list[Tensor]:
        """What each convolution sees, for distances place by place: [N, C, H, W] float in [-1, 1] -> [N, F, h, w] each.

        Of any height and width, also of parts of pictures; nothing is reduced first.
        """
        x = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        seen = []
        for layer in self.trunk:
            if isinstance(layer, nn.Flatten):
                break
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                seen.append(x)
        return seen

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] float in [-1, 1] -> [N, 128] features, never negative."""
        return self.embed(self.reduce(x))


def _reduced(height: int, width: int) -> tuple[int, int]:
    """The size after area averaging; the aspect stays."""
    factor = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))
