"""A transformer that draws, judged by convolutions: the common ground of four papers, and the networks of none.

G follows ViTGAN (Lee et al., 2022) in how z enters: tokens pass through self-attention and a two-layer perceptron,
each behind a layer norm whose scale and shift are functions of w, and w of z ("self-modulated"). TransGAN (Jiang et
al., 2021): few tokens first, then doublings by pixel shuffle, each with fewer channels, up to one token per pixel; to
which a bilinear doubling is added, as StyleSwin (Zhang et al., 2022) has it: by pixel shuffle alone no token knows its
neighbour, and G paints tiles until attention has learned what lies side by side. HiT (Zhao et al., 2021) in how large
maps stay affordable: attention is among the tokens of a window in one block, and among the tokens at the same place of
all windows in the next, so that two blocks connect any two pixels; and maps larger than `attend_up_to` have no
attention at all, only the perceptron.

D is a residual network of convolutions without any norm, for R1 (Mescheder et al., 2018), as in StyleSwin: transformer
discriminators need strong augmentation or distillation to keep up.

Left out: ViTGAN's implicit (Fourier) output, TransGAN's relative positions (rows and columns have learned embeddings at
every size instead), StyleSwin's wavelet discriminator, and attention in D.

Every side from 8 pixels up, square or not: G works on start * 2^k pixels, start at most 8, and crops.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledNoise, Projection
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.networks.layout import to_vectors
from ganvas.networks.sizes import Size, doublings

START = 8  # the largest side of G's first map, and of a window
LAST = 4  # the side of D's last map
HEAD = 32  # channels of an attention head
W_DIM = 128
SHARP = 0.5  # of what a doubling adds to each child alone, at the start: at 1 G paints tiles for long


class TransformerGenerator(Generator):
    """z: [N, z_dim], labels: [N] or None -> [N, channels, H, W] in [-1, 1].

    width: channels of a token at the picture's size; each stage below has twice as many up to `max_width`. depth:
    blocks at each size. attend_up_to: the largest side of a map with attention, besides the first map. G draws no
    numbers of its own, so `random` is not used.
    """

    def __init__(
        self,
        resolution: Size,
        channels: int,
        z_dim: int,
        width: int,
        classes: int = 0,
        max_width: int = 512,
        depth: int = 2,
        attend_up_to: int = 64,
    ) -> None:
        super().__init__()
        self.z_dim, self.classes, self.resolution = z_dim, classes, resolution
        self.input = LabelledNoise(z_dim, classes)
        self.mapping = nn.Sequential(
            nn.Linear(self.input.width, W_DIM), nn.LeakyReLU(0.2), nn.Linear(W_DIM, W_DIM), nn.LeakyReLU(0.2)
        )
        half = min(resolution) // 2
        sizes = doublings(resolution, start=START if half >= START else half)
        start, stages = sizes[0], len(sizes) - 1
        widths = [min(width * 2**i, max_width) for i in reversed(range(stages + 1))]
        self.start_size = start
        self.start = nn.Linear(W_DIM, math.prod(start) * widths[0])
        self.stages = nn.ModuleList()
        for i in range(stages + 1):
            size = (start[0] * 2**i, start[1] * 2**i)
            attention = i == 0 or max(size) <= attend_up_to
            self.stages.append(_Stage(widths[i], size, start, depth if attention else 1, attention))
        self.doublings = nn.ModuleList(Doubling(before, after) for before, after in pairwise(widths))
        self.norm = ModulatedNorm(widths[-1])
        self.picture = nn.Linear(widths[-1], channels)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        w = self.mapping(self.input(z, labels))  # [N, 128]
        x = self.stages[0](self.start(w).unflatten(1, (*self.start_size, -1)), w)  # [N, 8, 8, width]
        for doubling, stage in zip(self.doublings, self.stages[1:], strict=True):
            x = stage(doubling(x), w)
        pictures: Tensor = self.picture(self.norm(x, w)).tanh().permute(0, 3, 1, 2)
        return pictures[:, :, : self.resolution[0], : self.resolution[1]]


class TransformerDiscriminator(Discriminator):
    """images: [N, C, H, W], labels: [N] or None -> logits [N]; `details` also gives "features" [N, F].

    width: channels at the picture's size; each stage behind it has twice as many up to `max_width`.
    """

    def __init__(self, resolution: Size, channels: int, width: int, classes: int = 0, max_width: int = 512) -> None:
        super().__init__()
        sizes = doublings(resolution, start=LAST)
        widths = [min(width * 2**i, max_width) for i in range(len(sizes))]
        self.maps = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            *[_ResidualDown(before, after) for before, after in pairwise(widths)],
            nn.LeakyReLU(0.2),
        )
        self.features = nn.Sequential(nn.Linear(math.prod(sizes[0]) * widths[-1], widths[-1]), nn.LeakyReLU(0.2))
        self.logit = nn.Linear(widths[-1], 1)
        self.projection = Projection(classes, widths[-1])
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=0.2)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        features = self.features(to_vectors(self.maps(images)))
        return {"logits": self.logit(features)[:, 0] + self.projection(features, labels), "features": features}


class ModulatedNorm(nn.Module):
    """Layer norm whose scale and shift come from w: [N, H, W, C], [N, 128] -> [N, H, W, C] (ViTGAN)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(W_DIM, 2 * width)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.modulation(w)[:, None, None].chunk(2, dim=-1)  # [N, 1, 1, C] each
        modulated: Tensor = self.norm(x) * (1 + scale) + shift
        return modulated


class WindowAttention(nn.Module):
    """Self-attention within groups of tokens: [N, H, W, C] -> [N, H, W, C].

    The map is cut into windows of `window` tokens. A group is a window, or if `across` the tokens at one place of all
    windows. Written out, since the fused kernels have no second derivative.
    """

    def __init__(self, width: int, size: Size, window: Size, across: bool) -> None:
        super().__init__()
        self.heads = math.gcd(width, max(1, width // HEAD))
        self.cut = (size[0] // window[0], window[0], size[1] // window[1], window[1])
        self.across = across
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, height, wide, channels = x.shape
        parts = self.qkv(x).view(n, *self.cut, 3, self.heads, channels // self.heads)
        # groups first, then heads, then the tokens of a group
        order = (5, 0, 2, 4, 6, 1, 3, 7) if self.across else (5, 0, 1, 3, 6, 2, 4, 7)
        parts = parts.permute(order)
        q, k, v = parts.flatten(5, 6).unbind()  # [N, a, b, heads, tokens, channels of a head]
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
        mixed = (weights.to(v.dtype) @ v).unflatten(4, parts.shape[5:7])  # [N, a, b, heads, c, d, channels of a head]
        back = (0, 4, 1, 5, 2, 3, 6) if self.across else (0, 1, 4, 2, 5, 3, 6)
        together: Tensor = self.out(mixed.permute(back).reshape(n, height, wide, channels))
        return together


class Doubling(nn.Module):
    """Each token becomes two by two: [N, H, W, before] -> [N, 2H, 2W, after].

    The sum of what it passes on bilinearly, which goes over into its neighbours', and of what it says to each of the
    four alone (pixel shuffle).
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.smooth = nn.Linear(before, after)
        self.sharp = nn.Linear(before, 4 * after, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, _ = x.shape
        smooth = F.interpolate(self.smooth(x).permute(0, 3, 1, 2), scale_factor=2, mode="bilinear").permute(0, 2, 3, 1)
        sharp = self.sharp(x).view(n, height, width, 2, 2, -1).permute(0, 1, 3, 2, 4, 5)
        doubled: Tensor = smooth + SHARP * sharp.reshape(n, 2 * height, 2 * width, -1)
        return doubled


class _Stage(nn.Module):
    """Positions, then blocks: every second one attends across the windows."""

    def __init__(self, width: int, size: Size, window: Size, depth: int, attention: bool) -> None:
        super().__init__()
        self.rows = nn.Parameter(0.1 * torch.randn(size[0], 1, width))
        self.columns = nn.Parameter(0.1 * torch.randn(1, size[1], width))
        self.blocks = nn.ModuleList()
        for i in range(depth):
            across = i % 2 == 1 and size != window
            self.blocks.append(_Block(width, WindowAttention(width, size, window, across) if attention else None))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = x + self.rows + self.columns
        for block in self.blocks:
            x = block(x, w)
        return x


class _Block(nn.Module):
    """Attention and perceptron, each behind its modulated norm and added to what came in."""

    def __init__(self, width: int, attention: WindowAttention | None) -> None:
        super().__init__()
        self.attention = attention
        self.norm = ModulatedNorm(width) if attention is not None else None
        self.perceptron_norm = ModulatedNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        if self.attention is not None and self.norm is not None:
            x = x + self.attention(self.norm(x, w))
        added: Tensor = x + self.perceptron(self.perceptron_norm(x, w))
        return added


class _ResidualDown(nn.Module):
    """[N, before, h, w] -> [N, after, ceil(h / 2), ceil(w / 2)]; the sum of both ways is as large as either."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(before, before, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.AvgPool2d(2, ceil_mode=True),  # before the second convolution, at a quarter of its cost
            nn.Conv2d(before, after, 3, padding=1),
        )
        self.skip = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = (self.main(x) + self.skip(x)) * 0.5**0.5
        return total
