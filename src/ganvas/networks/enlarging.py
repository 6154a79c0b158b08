"""What the super-resolution painters share: the bicubic picture they start from, and the steps that enlarge maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEPS = {1: (), 2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}  # scale -> by what a map is enlarged, one after the other


def steps_to(scale: int) -> tuple[int, ...]:
    """The steps to a scale. Raises ValueError for one that has none."""
    if scale not in STEPS:
        raise ValueError(f"scale {scale} cannot be done: choose {', '.join(map(str, STEPS))}")
    return STEPS[scale]


def bicubic(images: Tensor, scale: int) -> Tensor:
    """Pictures enlarged by the bicubic kernel with a = -0.5, as Pillow does: [N, C, H, W] -> [N, C, scale*H, scale*W].

    Always in float32. Beside its edges the kernel may leave [-1, 1], as bicubic does; nothing is cut here.
    """
    if scale == 1:
        return images
    with torch.autocast(images.device.type, enabled=False):
        # Without `antialias` PyTorch takes a = -0.75; when enlarging, that is all that `antialias` changes.
        return F.interpolate(images.float(), scale_factor=float(scale), mode="bicubic", antialias=True)


def base_of(images: Tensor, out_channels: int, scale: int) -> Tensor:
    """What a painter adds to: its input, enlarged, in the channels of its output.

    [N, C, H, W] -> [N, out_channels, scale*H, scale*W]: the first channels, or a single grey one repeated.
    """
    return bicubic(in_channels_of_output(images, out_channels), scale)


def in_channels_of_output(images: Tensor, out_channels: int) -> Tensor:
    """The first channels, or a single grey one repeated: [N, C, H, W] -> [N, out_channels, H, W]."""
    return images[:, :out_channels] if images.shape[1] >= out_channels else images.expand(-1, out_channels, -1, -1)


def to_unit(images: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1], in which many published networks see colours."""
    return 0.5 * images + 0.5


def from_unit(images: Tensor) -> Tensor:
    """Undo `to_unit`."""
    return 2 * images - 1


def checked_channels(in_channels: int, out_channels: int) -> None:
    """Raise ValueError where the output cannot start from the input."""
    if in_channels != 1 and in_channels < out_channels:
        raise ValueError(
            f"{out_channels} channels cannot start from {in_channels}: this painter adds to its input, which needs as "
            "many channels, or a single grey one"
        )


class SubPixel(nn.Module):
    """A 3x3 convolution to step^2 times the channels, which become pixels (Shi et al., 2016).

    [N, C, h, w] -> [N, C', step*h, step*w].
    """

    def __init__(self, before: int, after: int, step: int) -> None:
        super().__init__()
        self.step = step
        self.convolution = nn.Conv2d(before, after * step**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.convolution(x), self.step)


@torch.no_grad()
def initialise_icnr(layer: SubPixel) -> None:
    """He-normal weights, equal within each block of pixels; biases 0; in place (ICNR, Aitken et al., 2017).

    So it starts as an enlargement to the nearest pixel, without a checkerboard.
    """
    weight = layer.convolution.weight
    of_each_block = weight[:: layer.step**2].clone()  # [C', C, 3, 3]
    nn.init.kaiming_normal_(of_each_block)
    weight.copy_(of_each_block.repeat_interleave(layer.step**2, dim=0))
    if layer.convolution.bias is not None:
        nn.init.zeros_(layer.convolution.bias)
