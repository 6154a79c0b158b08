"""A chain of what happens to real small pictures, each link of a random strength: blur, resizing, noise, JPEG.

The first-order chain of BSRGAN (Zhang et al., 2021, "Designing a Practical Degradation Model for Deep Blind Image
Super-Resolution") and Real-ESRGAN (Wang et al., 2021, section 3.1): a Gaussian blur, round or not; a resize to a random
size by a random method; Gaussian noise, coloured or grey, or Poisson noise; a resize to the final size; JPEG. The
ranges are Real-ESRGAN's, those of sizes put into proportion to the factor. Left out: sizes above the first one, the
second round, sinc filters, and BSRGAN's random order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.degrading.blur import blurred, gaussian_kernels
from ganvas.degrading.contract import Random, between
from ganvas.degrading.jpeg import through_jpeg
from ganvas.degrading.noise import with_gaussian_noise, with_poisson_noise

KERNEL = 21  # pixels
SIGMA = 0.2, 3.0  # of the blur, in pixels
RATIO = 0.5, 1.0  # of its sigmas across and along
SMALLEST = 0.6  # of the final size, for the size in between
NOISE = 1.0, 30.0  # levels of 255
POISSON_SHARE, GREY_SHARE = 0.5, 0.4
POISSON_SCALE = 0.05, 3.0  # times the noise of 256 photons
QUALITY = 30.0, 95.0
METHODS = ("area", "bilinear", "bicubic")


def blind(images: Tensor, random: Random, factor: int) -> Tensor:
    """[N, C, H, W] in [-1, 1], C of 1 or 3 -> [N, C, H / factor, W / factor] in [-1, 1]."""
    n, _, height, width = images.shape
    sigmas, ratios = between(*SIGMA, random.at(0), n), between(*RATIO, random.at(1), n)
    kernels = gaussian_kernels(sigmas, ratios, math.pi * random.at(2).uniform(n), KERNEL)
    images = blurred(images, kernels)
    least = SMALLEST / factor
    shares = between(math.log(least), 0.0, random.at(3), n).exp().tolist()  # as many halvings at any size
    methods = random.at(4).integers(len(METHODS), n, 2).tolist()
    sizes = [(max(1, round(height * share)), max(1, round(width * share))) for share in shares]
    final = (height // factor, width // factor)
    noise = _Noise(random.at(5), n, images.shape[1:])
    small = [
        resized(noise.on(i, resized(one[None], sizes[i], METHODS[methods[i][0]])), final, METHODS[methods[i][1]])
        for i, one in enumerate(images)
    ]
    return through_jpeg(torch.cat(small), between(*QUALITY, random.at(6), n).round())


def resized(images: Tensor, size: tuple[int, int], method: str) -> Tensor:
    """[N, C, H, W] in [-1, 1] -> [N, C, *size] in [-1, 1], antialiased."""
    if images.shape[2:] == size:
        return images
    if method == "area":
        return F.interpolate(images, size=size, mode="area")
    return F.interpolate(images, size=size, mode=method, antialias=True).clamp_(-1, 1)


class _Noise:
    """Noise for pictures one by one, whatever size each of them has by then."""

    def __init__(self, random: Random, n: int, shape: torch.Size) -> None:
        self.poisson = random.at(0).uniform(n) < POISSON_SHARE
        self.grey = random.at(1).uniform(n) < GREY_SHARE
        self.sigmas = between(*NOISE, random.at(2), n)
        self.peaks = 256 / between(*POISSON_SCALE, random.at(3), n).square()
        self.normal = random.at(4).normal(n, *shape)  # as large as any resize leaves a picture

    def on(self, i: int, image: Tensor) -> Tensor:
        """[1, C, h, w] of picture i -> the same, noisy."""
        height, width = image.shape[2:]
        normal = self.normal[i : i + 1, :, :height, :width]
        if self.grey[i]:
            normal = normal[:, :1].expand_as(image)
        if self.poisson[i]:
            return with_poisson_noise(image, self.peaks[i : i + 1], normal)
        return with_gaussian_noise(image, self.sigmas[i : i + 1], normal)
