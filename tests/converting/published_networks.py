"""Networks as they were published, plainly, with random weights under the names of their files."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def drawn(network, seed=0, spread=1.0):
    """The network with He-normal weights, biases and norms away from zero and one, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in network.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim == 4:
                p.copy_(spread * noise * (2 / (p[0].numel() or 1)) ** 0.5)
            else:
                p.copy_(0.1 * noise + (1.0 if name.endswith("weight") else 0.0))
    return network.eval()


def conv(before, after, kernel=3, **more):
    return nn.Conv2d(before, after, kernel, padding=kernel // 2, **more)


class Dense(nn.Module):
    def __init__(self, width, growth):
        super().__init__()
        for i in range(5):
            setattr(self, f"conv{i + 1}", conv(width + i * growth, growth if i < 4 else width))

    def forward(self, x):
        seen = x
        for i in range(1, 5):
            seen = torch.cat([seen, F.leaky_relu(getattr(self, f"conv{i}")(seen), 0.2)], 1)
        return x + 0.2 * self.conv5(seen)


class Rrdb(nn.Module):
    def __init__(self, width, growth):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(width, growth) for _ in range(3))

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RrdbNet(nn.Module):
    """[0, 1] -> [0, 1], by the names of BasicSR."""

    def __init__(self, channels=3, width=8, blocks=2, growth=4, unshuffle=1, ups=2):
        super().__init__()
        self.unshuffle, self.ups = unshuffle, ups
        self.conv_first = conv(channels * unshuffle**2, width)
        self.body = nn.Sequential(*(Rrdb(width, growth) for _ in range(blocks)))
        self.conv_body = conv(width, width)
        for i in range(ups):
            setattr(self, f"conv_up{i + 1}", conv(width, width))
        self.conv_hr, self.conv_last = conv(width, width), conv(width, channels)

    def forward(self, x):
        first = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        x = first + self.conv_body(self.body(first))
        for i in range(self.ups):
            x = F.leaky_relu(getattr(self, f"conv_up{i + 1}")(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


def old_names(state, blocks, ups):
    """Of an RrdbNet, as ESRGAN's first code called its tensors."""
    places = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    places |= {f"conv_up{i + 1}": f"model.{3 * i + 3}" for i in range(ups)}
    places |= {"conv_hr": f"model.{3 * ups + 2}", "conv_last": f"model.{3 * ups + 4}"}
    renamed = {}
    for name, tensor in state.items():
        layer, part = name.rsplit(".", 1)
        if layer.startswith("body."):
            _, block, dense, convolution = layer.split(".")
            places[layer] = f"model.1.sub.{block}.{dense.upper()}.{convolution}.0"
        renamed[f"{places[layer]}.{part}"] = tensor
    return renamed


def middle_names(state):
    """Of an RrdbNet, as ESRGAN's second code called its tensors."""
    renamed = {}
    for name, tensor in state.items():
        for new, old in (("body.", "RRDB_trunk."), ("rdb", "RDB"), ("conv_hr", "HRconv"), ("conv_up", "upconv")):
            name = (
                name.replace(new, old) if not name.startswith("conv_body") else name.replace("conv_body", "trunk_conv")
            )
        renamed[name] = tensor
    return renamed


class MsrBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = conv(width, width), conv(width, width)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


class MsrResNet(nn.Module):
    def __init__(self, width=8, blocks=2, scale=4):
        super().__init__()
        self.scale, self.step = scale, 2 if scale == 4 else scale
        self.conv_first = conv(3, width)
        self.body = nn.Sequential(*(MsrBlock(width) for _ in range(blocks)))
        self.upconv1 = conv(width, width * self.step**2)
        if scale == 4:
            self.upconv2 = conv(width, width * 4)
        self.conv_hr, self.conv_last = conv(width, width), conv(width, 3)

    def forward(self, x):
        y = self.body(F.leaky_relu(self.conv_first(x), 0.1))
        y = F.leaky_relu(F.pixel_shuffle(self.upconv1(y), self.step), 0.1)
        if self.scale == 4:
            y = F.leaky_relu(F.pixel_shuffle(self.upconv2(y), 2), 0.1)
        y = self.conv_last(F.leaky_relu(self.conv_hr(y), 0.1))
        return y + F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)


class SrvggNetCompact(nn.Module):
    def __init__(self, width=8, convolutions=3, scale=4):
        super().__init__()
        self.scale = scale
        layers = [conv(3, width), nn.PReLU(width)]
        for _ in range(convolutions):
            layers += [conv(width, width), nn.PReLU(width)]
        self.body = nn.ModuleList([*layers, conv(width, 3 * scale**2)])

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        return F.pixel_shuffle(y, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


def norm_of(kind, features):
    """kind: instance, instance-running (as old versions of PyTorch wrote it), or batch."""
    if kind == "batch":
        return nn.BatchNorm2d(features)
    return nn.InstanceNorm2d(features, track_running_stats=kind == "instance-running")


class Block(nn.Module):
    def __init__(self, features, norm, dropout):
        super().__init__()
        bias = norm != "batch"
        half = [nn.ReflectionPad2d(1), nn.Conv2d(features, features, 3, bias=bias), norm_of(norm, features)]
        again = [nn.ReflectionPad2d(1), nn.Conv2d(features, features, 3, bias=bias), norm_of(norm, features)]
        self.conv_block = nn.Sequential(*half, nn.ReLU(), *([nn.Dropout(0.5)] if dropout else []), *again)

    def forward(self, x):
        return x + self.conv_block(x)


class Blur(nn.Module):
    """What CUT puts behind a halving convolution and before a doubling one."""

    def __init__(self, features, larger):
        super().__init__()
        self.larger, self.features = larger, features
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4 if larger else torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("filt", torch.outer(taps, taps)[None, None].repeat(features, 1, 1, 1))

    def forward(self, x):
        if not self.larger:
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filt, stride=2, groups=self.features)
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(x, self.filt, stride=2, padding=2, groups=self.features)[:, :, 1:-1, 1:-1]


class ResnetGenerator(nn.Module):
    """[-1, 1] -> [-1, 1]."""

    def __init__(self, width=4, blocks=6, norm="instance", antialias=False, dropout=False, channels=(3, 3)):
        super().__init__()
        bias = norm != "batch"

        def normed(convolution):
            return [convolution, norm_of(norm, convolution.out_channels), nn.ReLU()]

        layers = [nn.ReflectionPad2d(3), *normed(nn.Conv2d(channels[0], width, 7, bias=bias))]
        for before in (width, 2 * width):
            stride = 1 if antialias else 2
            layers += normed(nn.Conv2d(before, 2 * before, 3, stride, 1, bias=bias))
            layers += [Blur(2 * before, larger=False)] * antialias
        layers += [Block(4 * width, norm, dropout) for _ in range(blocks)]
        for before in (4 * width, 2 * width):
            if antialias:
                layers += [Blur(before, larger=True), *normed(nn.Conv2d(before, before // 2, 3, 1, 1, bias=bias))]
            else:
                layers += normed(nn.ConvTranspose2d(before, before // 2, 3, 2, 1, 1, bias=bias))
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, channels[1], 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


class UnetBlock(nn.Module):
    """Halving, what is within, doubling; beside it what came in."""

    def __init__(self, outer, inner, norm, within=None, given=None, dropout=False):
        super().__init__()
        bias, self.outermost = norm != "batch", given is not None
        down = nn.Conv2d(given or outer, inner, 4, 2, 1, bias=bias)
        doubled = inner if within is None else 2 * inner
        if self.outermost:
            layers = [down, within, nn.ReLU(), nn.ConvTranspose2d(doubled, outer, 4, 2, 1), nn.Tanh()]
        else:
            up = [nn.ReLU(), nn.ConvTranspose2d(doubled, outer, 4, 2, 1, bias=bias), norm_of(norm, outer)]
            middle = [] if within is None else [norm_of(norm, inner), within]
            layers = [nn.LeakyReLU(0.2), down, *middle, *up, *([nn.Dropout(0.5)] if dropout else [])]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UnetGenerator(nn.Module):
    def __init__(self, depth, width=4, norm="batch", channels=(3, 3)):
        super().__init__()
        block = UnetBlock(8 * width, 8 * width, norm)
        for _ in range(depth - 5):
            block = UnetBlock(8 * width, 8 * width, norm, block, dropout=True)
        for times in (4, 2, 1):
            block = UnetBlock(times * width, 2 * times * width, norm, block)
        self.model = UnetBlock(channels[1], width, norm, block, given=channels[0])

    def forward(self, x):
        return self.model(x)


def by_picture(network):
    """Its BatchNorm takes the statistics of what it is given; dropout stays off."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d):
            layer.train()
            layer.momentum = 0.0
    return network
