"""Large holes filled by fast Fourier convolutions: LaMa (Suvorov et al., 2022, "Resolution-robust Large Mask
Inpainting with Fourier Convolutions").

A fast Fourier convolution (Chi et al., 2020; section 2.1 of LaMa) splits its maps into a local part, which sees 3x3
places, and a global one, whose Fourier transform gets a 1x1 convolution: one layer looks at the whole picture, and a
pattern that repeats can be taken up on the other side of a hole. As there: a 7x7 convolution, three halvings (two below
64 pixels), residual blocks of two such convolutions with three quarters of the maps global, doublings by transposed
3x3 convolutions, a 7x7 convolution; mirrored edges, BatchNorm and ReLU.

The input is the picture with its hole at 0, and the mask, 1 in the hole. The result is the painted picture in the hole
and the input everywhere else, exactly; the paper lets its network also paint what is known, and cuts that off after
training. tanh ends it here, the range being [-1, 1]. Left out: the local Fourier unit, which LaMa does not use either.

With `smooth`, which is ours, the hole is not 0 but filled smoothly from its edges, and the painter adds to that, at
first nothing: untrained it is as good as such a filling, which minutes from nothing do not reach.

Fourier transforms are taken in float32 under any autocast: half precision has neither the range nor, on many devices,
the sizes. 64 wide, nine blocks, RGB: 27,048,451 parameters (27 M as published), eighteen blocks:
50,975,491 (51 M).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.conditioning import LabelledPictures
from ganvas.networks.contract import Chance, Painter
from ganvas.networks.filling import filled_smoothly
from ganvas.networks.norms import initialise_dcgan
from ganvas.networks.padding import mirrored, with_edges
from ganvas.networks.resnet_painter import EdgeConvolution
from ganvas.networks.sizes import Size

HALVINGS, FEW_HALVINGS, MANY_FROM = 3, 2, 64  # from so many pixels on, and below
GLOBAL = 3, 4  # three quarters of the maps
Halves = tuple[Tensor, Tensor]  # the local maps and the global ones


class FourierPainter(Painter):
    """[N, out_channels + 1, H, W], labels [N] or None -> [N, out_channels, H, W] in [-1, 1].

    The last channel of the input is the mask. width: of the first map; it doubles with each halving. blocks: residual
    ones. smooth: whether to add to the smooth filling, without tanh. Raises ValueError where the input is not one
    channel more than the output.
    """

    reach = -1

    def __init__(
        self,
        resolution: Size,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        classes: int = 0,
        blocks: int = 9,
        smooth: bool = False,
    ) -> None:
        super().__init__()
        if in_channels != out_channels + 1:
            raise ValueError(
                f"the input has {in_channels} channels, expected {out_channels + 1}: the picture's and a mask. This "
                "painter fills holes"
            )
        if width % 4:
            raise ValueError(f"a width of {width} has no three quarters: give a multiple of 4")
        self.in_channels, self.out_channels, self.classes = in_channels, out_channels, classes
        halvings = HALVINGS if min(resolution) >= MANY_FROM else FEW_HALVINGS
        self.multiple = 2**halvings
        self.input = LabelledPictures(in_channels, classes)
        widths = [width * 2**i for i in range(halvings + 1)]
        global_ = widths[-1] * GLOBAL[0] // GLOBAL[1]
        local = widths[-1] - global_
        self.first = nn.Sequential(EdgeConvolution(self.input.channels, width, 7), nn.BatchNorm2d(width), nn.ReLU())
        self.down = nn.Sequential(*(_Down(before, after) for before, after in pairwise(widths[:-1])))
        self.split = _Split(widths[-2], local, global_)
        self.blocks = nn.ModuleList(_Block(local, global_) for _ in range(blocks))
        self.up = nn.Sequential(*(_Up(before, after) for before, after in pairwise(reversed(widths))))
        self.picture = EdgeConvolution(width, out_channels, 7)
        initialise_dcgan(self)
        self.smooth = smooth
        if smooth:
            nn.init.zeros_(self.picture.convolution.weight)

    def forward(self, images: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        height, width = images.shape[2:]
        known, mask = images[:, :-1], images[:, -1:]
        base = filled_smoothly(known, mask).to(images.dtype) if self.smooth else known
        x = mirrored(self.input(torch.cat([base, mask], dim=1), labels), self.multiple)
        halves = self.split(self.down(self.first(x)))
        for block in self.blocks:
            halves = block(halves)
        painted = self.picture(self.up(torch.cat(halves, dim=1)))[:, :, :height, :width]
        painted = base + painted if self.smooth else painted.tanh()
        return torch.where(mask > 0.5, painted.to(images.dtype), known)


class _Down(nn.Module):
    """3x3 of stride 2, BatchNorm, ReLU: [N, C, h, w] -> [N, C', h / 2, w / 2]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.convolution(x)))


class _Up(nn.Module):
    """Transposed 3x3 of stride 2, BatchNorm, ReLU: [N, C, h, w] -> [N, C', 2h, 2w]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.convolution(x)))


class _Split(nn.Module):
    """The last halving, into a local and a global part: [N, C, h, w] -> both [N, ., h / 2, w / 2]."""

    def __init__(self, before: int, local: int, global_: int) -> None:
        super().__init__()
        self.local, self.global_ = _Down(before, local), _Down(before, global_)

    def forward(self, x: Tensor) -> Halves:
        return self.local(x), self.global_(x)


class _Block(nn.Module):
    """Two fast Fourier convolutions, plus what came in; local and global maps -> the same."""

    def __init__(self, local: int, global_: int) -> None:
        super().__init__()
        self.convolution1 = _FourierConvolution(local, global_)
        self.convolution2 = _FourierConvolution(local, global_)

    def forward(self, halves: Halves) -> Halves:
        local, global_ = self.convolution2(self.convolution1(halves))
        return halves[0] + local, halves[1] + global_


class _FourierConvolution(nn.Module):
    """Each part from both: 3x3 convolutions, but the global part from itself by its spectrum; BatchNorm, ReLU."""

    def __init__(self, local: int, global_: int) -> None:
        super().__init__()
        self.local_from_local = nn.Conv2d(local, local, 3, bias=False)
        self.local_from_global = nn.Conv2d(global_, local, 3, bias=False)
        self.global_from_local = nn.Conv2d(local, global_, 3, bias=False)
        self.global_from_global = _SpectralTransform(global_)
        self.local_norm, self.global_norm = nn.BatchNorm2d(local), nn.BatchNorm2d(global_)

    def forward(self, halves: Halves) -> Halves:
        near_local, near_global = (with_edges(x, 1) for x in halves)
        new_local = self.local_from_local(near_local) + self.local_from_global(near_global)
        new_global = self.global_from_local(near_local) + self.global_from_global(halves[1])
        return F.relu(self.local_norm(new_local)), F.relu(self.global_norm(new_global))


class _SpectralTransform(nn.Module):
    """1x1 to half the maps, plus the same through their spectrum, 1x1 back: [N, C, h, w] -> the same."""

    def __init__(self, features: int) -> None:
        super().__init__()
        half = features // 2
        self.reduce = nn.Sequential(nn.Conv2d(features, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.spectrum = _FourierUnit(half)
        self.restore = nn.Conv2d(half, features, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        y: Tensor = self.restore(x + self.spectrum(x))
        return y


class _FourierUnit(nn.Module):
    """1x1, BatchNorm and ReLU of the real and imaginary parts of a map's spectrum: [N, C, h, w] -> the same."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2 * features, 2 * features, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * features)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.fft.rfft2(x.float(), norm="ortho")  # [N, C, h, w // 2 + 1], complex
            parts = torch.cat([spectrum.real, spectrum.imag], dim=1)
            real, imaginary = F.relu(self.norm(self.convolution(parts))).chunk(2, dim=1)
            y: Tensor = torch.fft.irfft2(torch.complex(real, imaginary), s=x.shape[2:], norm="ortho")
        return y.to(x.dtype)
