"""The generators of the CycleGAN and pix2pix repository, and of CUT's: residual ones and U-Nets.

Their BatchNorm takes, in that repository's own test script, the statistics of the picture that is painted, as pix2pix
prescribes (Isola et al., 2017, section 3.3): the running ones are left out. So are those of InstanceNorm, which old
versions of PyTorch wrote by mistake, and biases before a norm, which it takes away again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganvas.converting.architecture import Architecture, Taken, Translated
from ganvas.errors import GanvasError

RESOLUTION = (256, 256)  # what these networks were published for
RUNNING = r".*\.(running_mean|running_var|num_batches_tracked)"
BY_PICTURE = "its BatchNorm takes the statistics of each picture, as its own test script does"


class ResnetGenerator(Architecture):
    """resnet_6blocks and resnet_9blocks, and CUT's with blurred halvings and doublings."""

    names = ("resnet", "resnet_6blocks", "resnet_9blocks", "cyclegan", "cut")

    def recognises(self, tensors: Mapping[str, Tensor]) -> bool:
        first = tensors.get("model.1.weight")
        return bool(_blocks(tensors)) and first is not None and first.shape[2:] == (7, 7)

    def translated(self, tensors: Mapping[str, Tensor]) -> Translated:
        take, numbers = Taken(tensors, "a residual generator"), _blocks(tensors)
        if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))) or numbers[0] not in (10, 12):
            raise GanvasError("as a residual generator its blocks would be model.10 or model.12 and those that follow")
        antialias, end = numbers[0] == 12, numbers[-1] + 1
        batch_norm = "model.2.running_mean" in tensors and "model.2.weight" in tensors
        affine = "model.2.weight" in tensors
        width, given = take.shape("model.1.weight")[:2]
        _check_norm(affine or "model.1.bias" in tensors)
        take.drop(RUNNING)
        # Where the convolutions stand: a blur follows each halving and comes before each doubling.
        down, up, last = ((4, 8), (end + 1, end + 5), end + 9) if antialias else ((4, 7), (end, end + 3), end + 7)
        painted = take.shape(f"model.{last}.weight")[0]
        if antialias:
            for number, side in ((7, 3), (11, 3), (end, 4), (end + 4, 4)):
                _check_blur(take, f"model.{number}.filt", side)
        weights = _normed(take, "model.1", "model.2", ("first.convolution", "norm"), affine)
        for i, number in enumerate(down):
            weights |= _normed(take, f"model.{number}", f"model.{number + 1}", _ours(f"down.{i}"), affine)
        for i, number in enumerate(numbers):
            block = f"model.{number}.conv_block"
            second = 6 if f"{block}.6.weight" in take.tensors and take.shape(f"{block}.6.weight")[2:] else 5
            for ours, at in ((1, 1), (2, second)):
                names = f"blocks.{i}.convolution{ours}.convolution", f"blocks.{i}.norm{ours}"
                weights |= _normed(take, f"{block}.{at}", f"{block}.{at + 1}", names, affine)
        for i, number in enumerate(up):
            weights |= _normed(take, f"model.{number}", f"model.{number + 1}", _ours(f"up.{i}"), affine)
        weights |= take.layer(f"model.{last}", "picture.convolution")
        take.check_all_used()
        options = (f"blocks={len(numbers)}", f"antialias={_word(antialias)}", f"affine={_word(affine)}")
        config = _translating("unpaired", "resnet", width, given, painted, options, RESOLUTION)
        words = f"resnet_{len(numbers)}blocks{' with blurs, as CUT' * antialias}, {width} wide"
        return Translated(config, weights, words, BY_PICTURE if batch_norm else "")


class UnetGenerator(Architecture):
    """unet_128 and unet_256: a block within a block, each named `model`."""

    names = ("unet", "unet_256", "unet_128", "pix2pix")

    def recognises(self, tensors: Mapping[str, Tensor]) -> bool:
        return {"model.model.0.weight", "model.model.1.model.1.weight", "model.model.3.weight"} <= tensors.keys()

    def translated(self, tensors: Mapping[str, Tensor]) -> Translated:
        take = Taken(tensors, "a U-Net")
        affine, bias = "model.model.1.model.2.weight" in tensors, "model.model.0.bias" in tensors
        batch_norm = affine and "model.model.1.model.2.running_mean" in tensors
        width, given = take.shape("model.model.0.weight")[:2]
        _check_norm(affine or bias)
        take.drop(RUNNING)
        inner: list[str] = []  # the names of the blocks within the outermost
        while (name := "model.model.1.model" + len(inner) * ".3.model") + ".1.weight" in tensors:
            inner.append(name)
        depth = 1 + len(inner)
        if not 5 <= depth <= 8:
            raise GanvasError(f"it halves pictures {depth} times: known are U-Nets for 32, 64, 128 and 256 pixels")
        painted = take.shape("model.model.3.weight")[1]
        weights = {"down.0.convolution.weight": take("model.model.0.weight", 4)}
        for i, name in enumerate(inner, start=1):
            innermost = i == depth - 1
            down, up = f"down.{i}", f"up.{depth - 1 - i}"
            if innermost:
                weights[f"{down}.convolution.weight"] = take(f"{name}.1.weight", 4)
            else:
                weights |= _normed(take, f"{name}.1", f"{name}.2", _ours(down), affine, in_unet=True)
            at = 3 if innermost else 5
            weights |= _normed(take, f"{name}.{at}", f"{name}.{at + 1}", _ours(up), affine, in_unet=True)
            if not innermost:
                weights[f"{up}.convolution.weight"] = _turned(weights[f"{up}.convolution.weight"])
        picture = take.layer("model.model.3", "picture")
        weights |= {**picture, "picture.weight": _turned(picture["picture.weight"])}
        if bias:
            weights["down.0.convolution.bias"] = take("model.model.0.bias")
            weights[f"down.{depth - 1}.convolution.bias"] = take(f"{inner[-1]}.1.bias")
        take.check_all_used()
        side = 2**depth
        config = _translating("translate", "unet", width, given, painted, (f"bias={_word(bias)}",), (side, side))
        return Translated(config, weights, f"unet_{side}, {width} wide", BY_PICTURE if batch_norm else "")


def _blocks(tensors: Mapping[str, Tensor]) -> list[int]:
    """The numbers of the residual blocks."""
    return sorted({int(m[1]) for n in tensors if (m := re.fullmatch(r"model\.(\d+)\.conv_block\.1\.weight", n))})


def _check_norm(there: bool) -> None:
    if not there:  # published code gives layers a bias or BatchNorm, unless it was trained without a norm
        raise GanvasError("it was trained without normalisation (--norm none), which is not known here")


def _check_blur(take: Taken, name: str, side: int) -> None:
    taps = torch.tensor({3: [0.25, 0.5, 0.25], 4: [0.25, 0.75, 0.75, 0.25]}[side])
    found = take(name, 4)
    expected = torch.outer(taps, taps).expand_as(found) if found.shape[2:] == (side, side) else None
    if expected is None or not torch.allclose(found, expected, atol=1e-4):
        raise GanvasError(f"its {name} is another blur than that of the published network, {side}x{side}")


def _normed(
    take: Taken, layer: str, norm: str, ours: tuple[str, str], affine: bool, *, in_unet: bool = False
) -> dict[str, Tensor]:
    """A convolution and the norm behind it, by our names.

    affine: whether theirs has a gain and a bias. Ours has them if theirs does, in a U-Net always; before the norm ours
    has a bias, in a U-Net never.
    """
    convolution, own = ours
    found = {f"{convolution}.weight": take(f"{layer}.weight", 4)}
    gain, shift = (take(f"{norm}.weight", 1), take(f"{norm}.bias", 1)) if affine else (None, None)
    before = take(f"{layer}.bias", 1) if gain is None or f"{layer}.bias" in take.tensors else torch.zeros_like(gain)
    if gain is None or shift is None:
        gain, shift = torch.ones_like(before), torch.zeros_like(before)
    if not in_unet:
        found[f"{convolution}.bias"] = before
    if affine or in_unet:
        found |= {f"{own}.weight": gain, f"{own}.bias": shift}
    return found


def _ours(stage: str) -> tuple[str, str]:
    return f"{stage}.convolution", f"{stage}.norm"


def _turned(weight: Tensor) -> Tensor:
    """Of a transposed convolution that takes two maps, as if they came the other way round: [2C, C', 4, 4]."""
    first, second = weight.chunk(2)
    return torch.cat([second, first])


def _word(value: bool) -> str:
    return str(value).lower()


def _translating(
    task: str, network: str, width: int, given: int, painted: int, options: tuple[str, ...], size: tuple[int, int]
) -> dict[str, Any]:
    return {
        "task": task,
        "direction": "AtoB",
        "network": network,
        "width": width,
        "network_options": options,
        "resolution": size,
        "in_channels": given,
        "out_channels": painted,
    }
