"""Published networks that enlarge pictures: RRDBNet of ESRGAN and Real-ESRGAN, MSRResNet and SRVGGNetCompact.

All see colours in [0, 1] with zeros behind the edges, as do the networks here that they become.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganvas.converting.architecture import Architecture, Taken, Translated, count_of
from ganvas.errors import GanvasError

RESOLUTION = (64, 64)  # of inputs; these networks take any size and do not say what they were trained on
UNSHUFFLED = {1: 1, 4: 2, 16: 4}  # input channels for one of the output -> pixels a side folded into them


class RrdbNet(Architecture):
    """RRDBNet (Wang et al., 2018 and 2021), in the three ways its tensors have been called."""

    names = ("rrdbnet", "esrgan", "real-esrgan")

    def recognises(self, tensors: Mapping[str, Tensor]) -> bool:
        return "body.0.rdb1.conv1.weight" in _newest_names(tensors)

    def translated(self, tensors: Mapping[str, Tensor]) -> Translated:
        take = Taken(_newest_names(tensors), "RRDBNet")
        width, given = take.shape("conv_first.weight")[:2]
        painted, growth = take.shape("conv_last.weight")[0], take.shape("body.0.rdb1.conv1.weight")[0]
        blocks = count_of(take.tensors, r"body\.(\d+)\.")
        doublings = len({name for name in take.tensors if re.fullmatch(r"conv_up\d\.weight", name)})
        if given % painted or given // painted not in UNSHUFFLED:
            raise GanvasError(f"RRDBNet from {given} to {painted} channels is not known: as many, or 4 or 16 times")
        unshuffle = UNSHUFFLED[given // painted]
        scale = 2**doublings // unshuffle
        weights = take.layer("conv_first", "first")
        for block in range(blocks):
            for dense in range(3):
                for layer in range(5):
                    ours = f"body.{block}.dense.{dense}.convolutions.{layer}"
                    weights |= take.layer(f"body.{block}.rdb{dense + 1}.conv{layer + 1}", ours)
        weights |= take.layer("conv_body", "behind")
        for i in range(doublings):
            weights |= take.layer(f"conv_up{i + 1}", f"up.{i}")
        weights |= take.layer("conv_hr", "fine") | take.layer("conv_last", "picture")
        take.check_all_used()
        options = ("plain=true", f"blocks={blocks}", f"growth={growth}", f"unshuffle={unshuffle}")
        config = _enlarging("rrdb", width, painted, scale, options)
        return Translated(config, weights, f"RRDBNet x{scale}, {blocks} blocks, {width} wide")


def _newest_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By the names of BasicSR and Real-ESRGAN: as they are, or from the first or second version of ESRGAN's code."""
    last_block = max((int(m[1]) for n in tensors if (m := re.match(r"model\.1\.sub\.(\d+)\.", n))), default=-1)
    behind = [int(m[1]) for n in tensors if (m := re.fullmatch(r"model\.(\d+)\.weight", n)) and int(m[1]) > 1]
    sequence = sorted(behind)
    renamed = {
        "model.0": "conv_first",
        f"model.1.sub.{last_block}": "conv_body",
        **{f"model.{k}": f"conv_up{i + 1}" for i, k in enumerate(sequence[:-2])},
        **{f"model.{k}": name for k, name in zip(sequence[-2:], ("conv_hr", "conv_last"), strict=False)},
        "trunk_conv": "conv_body",
        "HRconv": "conv_hr",
        "upconv1": "conv_up1",
        "upconv2": "conv_up2",
        "upconv3": "conv_up3",
    }
    if not any(re.match(r"(model\.1\.sub|RRDB_trunk)\.\d+\.RDB1\.", name) for name in tensors):
        return dict(tensors)
    found = {}
    for name, tensor in tensors.items():
        layer, _, part = name.rpartition(".")
        layer = renamed.get(layer, layer)
        layer = re.sub(r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0$", r"body.\1.rdb\2.conv\3", layer)
        layer = re.sub(r"^RRDB_trunk\.(\d+)\.RDB(\d)\.conv(\d)$", r"body.\1.rdb\2.conv\3", layer)
        found[f"{layer}.{part}"] = tensor
    return found


class MsrResNet(Architecture):
    """MSRResNet of BasicSR: SRResNet without BatchNorm."""

    names = ("msrresnet", "srresnet")

    def recognises(self, tensors: Mapping[str, Tensor]) -> bool:
        return {"conv_first.weight", "body.0.conv1.weight", "upconv1.weight", "conv_hr.weight"} <= tensors.keys()

    def translated(self, tensors: Mapping[str, Tensor]) -> Translated:
        take = Taken(tensors, "MSRResNet")
        width = take.shape("conv_first.weight")[0]
        painted = take.shape("conv_last.weight")[0]
        blocks, ups = count_of(tensors, r"body\.(\d+)\."), 1 + ("upconv2.weight" in tensors)
        step = math.isqrt(take.shape("upconv1.weight")[0] // width)
        weights = take.layer("conv_first", "first")
        for block in range(blocks):
            for i in (1, 2):
                weights |= take.layer(f"body.{block}.conv{i}", f"body.{block}.convolution{i}")
        for i in range(ups):
            weights |= take.layer(f"upconv{i + 1}", f"up.{i}.convolution")
        weights |= take.layer("conv_hr", "fine") | take.layer("conv_last", "picture")
        take.check_all_used()
        scale = step**ups
        config = _enlarging("msrresnet", width, painted, scale, (f"blocks={blocks}",))
        return Translated(config, weights, f"MSRResNet x{scale}, {blocks} blocks, {width} wide")


class SrvggNetCompact(Architecture):
    """SRVGGNetCompact of Real-ESRGAN, with PReLU."""

    names = ("srvggnetcompact", "srvgg")

    def recognises(self, tensors: Mapping[str, Tensor]) -> bool:
        first, slope = tensors.get("body.0.weight"), tensors.get("body.1.weight")
        return first is not None and slope is not None and (first.ndim, slope.ndim) == (4, 1)

    def translated(self, tensors: Mapping[str, Tensor]) -> Translated:
        take = Taken(tensors, "SRVGGNetCompact")
        width, channels = take.shape("body.0.weight")[:2]
        layers = count_of(tensors, r"body\.(\d+)\.")
        scale = math.isqrt(take.shape(f"body.{layers - 1}.weight")[0] // channels)
        weights: dict[str, Tensor] = {}
        for i in range(0, layers - 1, 2):
            weights |= take.layer(f"body.{i}", f"body.{i}")
            weights[f"body.{i + 1}.weight"] = take(f"body.{i + 1}.weight", 1)
        weights |= take.layer(f"body.{layers - 1}", "picture.convolution")
        take.check_all_used()
        convolutions = (layers - 3) // 2
        config = _enlarging("srvgg", width, channels, scale, (f"convolutions={convolutions}",))
        return Translated(config, weights, f"SRVGGNetCompact x{scale}, {convolutions + 2} convolutions, {width} wide")


def _enlarging(network: str, width: int, channels: int, scale: int, options: tuple[str, ...]) -> dict[str, Any]:
    if scale not in (1, 2, 3, 4, 8):
        raise GanvasError(f"it enlarges by {scale}: known are 1, 2, 3, 4, 8")
    return {
        "task": "restore",
        "network": network,
        "width": width,
        "network_options": options,
        "resolution": RESOLUTION,
        "in_channels": channels,
        "out_channels": channels,
        "scale": scale,
        "degradation": f"lowres:{scale}" if scale > 1 else "",
    }
