"""Inception v3 as FID and the Inception Score know it: the graph that Google published on 2015-12-05, in PyTorch.

Szegedy et al. (2016) describe the network. The published graph, which Salimans et al. (2016) and Heusel et al. (2017)
measure in, differs from what torchvision offers under that name: the average pools of its mixed layers leave the
padding out of the mean, the last mixed layer has a maximum pool, there are 1008 outputs, and the weights are others.
Pictures come as (x - 128) / 128. Features are what the last pool gives; the Inception Score's logits go without bias,
as in the reference code of FID and IS.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.evaluation.backbones.network import NetworkBackbone
from ganvas.evaluation.backbones.resize import CLEAN, COLOUR, TENSORFLOW_1, resize_clean
from ganvas.evaluation.backbones.weights import INCEPTION

SIDE, FEATURES, OUTPUTS = 299, 2048, 1008
BATCH_NORM_EPS = 1e-3

Resize = Callable[[Tensor, int, int], Tensor]
Kernel = int | tuple[int, int]  # height and width


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation with its kept statistics, ReLU.

    Its size stays (odd kernels, zero padding), except with `valid`, where nothing is padded.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, stride: int = 1, *, valid: bool = False) -> None:
        super().__init__()
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        self.stride, self.padding = stride, (0, 0) if valid else (height // 2, width // 2)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, height, width))
        self.scale = nn.Parameter(torch.empty(outputs))
        self.shift = nn.Parameter(torch.empty(outputs))
        self.register_buffer("mean", torch.empty(outputs))
        self.register_buffer("variance", torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs, H, W] -> [n, outputs, h, w], never negative."""
        x = F.conv2d(x, self.weight, stride=self.stride, padding=self.padding)
        return F.relu(F.batch_norm(x, self.mean, self.variance, self.scale, self.shift, eps=BATCH_NORM_EPS))


class Branches(nn.ModuleList):
    """The same input through each branch, the outputs behind each other as channels."""

    def forward(self, x: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, sum of the branches' channels, h, w]."""
        return torch.cat([branch(x) for branch in self], 1)


def _mixed_5(inputs: int, pooled: int) -> Branches:
    """35x35 pixels, 5x5 and twice 3x3: -> 224 + pooled channels."""
    return Branches(
        [
            Convolution(inputs, 64, 1),
            nn.Sequential(Convolution(inputs, 48, 1), Convolution(48, 64, 5)),
            nn.Sequential(Convolution(inputs, 64, 1), Convolution(64, 96, 3), Convolution(96, 96, 3)),
            nn.Sequential(_average(), Convolution(inputs, pooled, 1)),
        ]
    )


def _mixed_6a() -> Branches:
    """35x35 -> 17x17 pixels, 288 -> 768 channels."""
    return Branches(
        [
            Convolution(288, 384, 3, 2, valid=True),
            nn.Sequential(Convolution(288, 64, 1), Convolution(64, 96, 3), Convolution(96, 96, 3, 2, valid=True)),
            nn.MaxPool2d(3, 2),
        ]
    )


def _mixed_6(inner: int) -> Branches:
    """17x17 pixels, 7x7 as 1x7 and 7x1, once and twice: 768 -> 768 channels."""
    wide, high = (1, 7), (7, 1)
    return Branches(
        [
            Convolution(768, 192, 1),
            nn.Sequential(Convolution(768, inner, 1), Convolution(inner, inner, wide), Convolution(inner, 192, high)),
            nn.Sequential(
                Convolution(768, inner, 1),
                Convolution(inner, inner, high),
                Convolution(inner, inner, wide),
                Convolution(inner, inner, high),
                Convolution(inner, 192, wide),
            ),
            nn.Sequential(_average(), Convolution(768, 192, 1)),
        ]
    )


def _mixed_7a() -> Branches:
    """17x17 -> 8x8 pixels, 768 -> 1280 channels."""
    return Branches(
        [
            nn.Sequential(Convolution(768, 192, 1), Convolution(192, 320, 3, 2, valid=True)),
            nn.Sequential(
                Convolution(768, 192, 1),
                Convolution(192, 192, (1, 7)),
                Convolution(192, 192, (7, 1)),
                Convolution(192, 192, 3, 2, valid=True),
            ),
            nn.MaxPool2d(3, 2),
        ]
    )


def _mixed_7(inputs: int, pool: nn.Module) -> Branches:
    """8x8 pixels, 3x3 as 1x3 beside 3x1: -> 2048 channels."""
    return Branches(
        [
            Convolution(inputs, 320, 1),
            nn.Sequential(Convolution(inputs, 384, 1), _wide_beside_high()),
            nn.Sequential(Convolution(inputs, 448, 1), Convolution(448, 384, 3), _wide_beside_high()),
            nn.Sequential(pool, Convolution(inputs, 192, 1)),
        ]
    )


def _wide_beside_high() -> Branches:
    return Branches([Convolution(384, 384, (1, 3)), Convolution(384, 384, (3, 1))])


def _average() -> nn.AvgPool2d:
    """At the edge the mean of those pixels only that are there."""
    return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)


class Inception(nn.Module):
    """[n, 3, 299, 299] float about [-1, 1] -> [n, 2048] features, never negative."""

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):  # weights come from a file: none are drawn, the global stream stays as it is
            self.layers = nn.Sequential(
                OrderedDict[str, nn.Module](
                    conv_1a=Convolution(3, 32, 3, 2, valid=True),
                    conv_2a=Convolution(32, 32, 3, valid=True),
                    conv_2b=Convolution(32, 64, 3),
                    pool_2=nn.MaxPool2d(3, 2),
                    conv_3b=Convolution(64, 80, 1),
                    conv_4a=Convolution(80, 192, 3, valid=True),
                    pool_4=nn.MaxPool2d(3, 2),  # 35x35 pixels from here
                    mixed_5b=_mixed_5(192, 32),
                    mixed_5c=_mixed_5(256, 64),
                    mixed_5d=_mixed_5(288, 64),
                    mixed_6a=_mixed_6a(),  # 17x17
                    mixed_6b=_mixed_6(128),
                    mixed_6c=_mixed_6(160),
                    mixed_6d=_mixed_6(160),
                    mixed_6e=_mixed_6(192),
                    mixed_7a=_mixed_7a(),  # 8x8
                    mixed_7b=_mixed_7(1280, _average()),
                    mixed_7c=_mixed_7(2048, nn.MaxPool2d(3, 1, padding=1)),
                )
            )
            self.classifier = nn.Linear(FEATURES, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        features: Tensor = self.layers(x).mean((2, 3))
        return features

    def logits(self, features: Tensor) -> Tensor:
        """[n, 2048] -> [n, 1008] without the bias."""
        return F.linear(features, self.classifier.weight)


def load_inception(weights: Mapping[str, Tensor], what: str) -> Inception:
    """The network with these weights, by the names of its own state dict, in evaluation mode.

    Raises GanvasError, which calls them `what`, if one is missing, of another shape or type, or one too many.
    """
    net = Inception()
    expected = net.state_dict()
    for name in (*sorted(expected.keys() - weights.keys()), *sorted(weights.keys() - expected.keys())):
        trouble = "lacks" if name in expected else "has"
        raise GanvasError(f"{what} {trouble} {name!r}: expected the {len(expected)} tensors of Inception v3, no other")
    for name, value in weights.items():
        if value.shape != expected[name].shape or value.dtype != torch.float32:
            raise GanvasError(
                f"{what} has {list(value.shape)} {value.dtype} as {name}, expected {list(expected[name].shape)} "
                "torch.float32: these are the weights of another network"
            )
    net.load_state_dict(weights, assign=True)
    return net.eval().requires_grad_(False)


def inception_backbone(net: Inception, sha256: str, resize: Resize, device: torch.device) -> NetworkBackbone:
    """`net` behind `resize_like_tensorflow_1` (as FID was defined) or `resize_clean` (clean-fid).

    sha256: of the file its weights came from; only those of the published file make it the network of FID.
    """
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    way = CLEAN if resize is resize_clean else TENSORFLOW_1

    def prepare(images: Tensor) -> Tensor:
        x = resize(images.to(device), SIDE, SIDE)
        return ((x - 128) / 128).contiguous(memory_format=torch.channels_last)

    return NetworkBackbone(
        name=INCEPTION.backbone if sha256 == INCEPTION.sha256 else "inception-v3 with other weights",
        hash=sha256[:12],
        features=FEATURES,
        resize=f"{COLOUR}; {way}, to {SIDE}x{SIDE}",
        value_range="[-1, 0.992], (x - 128) / 128",
        prepare=prepare,
        net=net,
        device=device,
        classify=lambda features: net.logits(features).softmax(1),
    )
