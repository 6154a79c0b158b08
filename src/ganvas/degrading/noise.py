"""Noise: Gaussian, the same everywhere, and Poisson, which counts photons and so grows with the light."""

from __future__ import annotations

import torch
from torch import Tensor

FEW = 5.0  # photons: up to so many, numbers are found exactly
LARGEST_OF_FEW = 23  # more come, where 5 are expected, less than once in 10^9 times


def with_gaussian_noise(images: Tensor, sigmas: Tensor, normal: Tensor) -> Tensor:
    """Noise with a standard deviation of so many levels of 255, per picture: [N, C, H, W] in [-1, 1] -> the same.

    sigmas: [N]. normal: N(0, 1) as large as the pictures. Cut to [-1, 1], as a camera and a file cut it.
    """
    return (images + 2 / 255 * sigmas.view(-1, 1, 1, 1) * normal).clamp_(-1, 1)


def with_poisson_noise(images: Tensor, peaks: Tensor, normal: Tensor) -> Tensor:
    """As many photons as come by chance, where white means `peaks` [N] of them: [N, C, H, W] in [-1, 1] -> the same.

    The fewer the noisier. normal: N(0, 1) as large as the pictures. Cut to [-1, 1].
    """
    peaks = peaks.view(-1, 1, 1, 1)
    counted = poisson((images + 1).clamp_min(0) / 2 * peaks, normal)
    return (2 * counted / peaks - 1).clamp_(-1, 1)


def poisson(expected: Tensor, normal: Tensor) -> Tensor:
    """A Poisson number of each mean, made of one N(0, 1) number each: [...], [...] -> whole numbers as floats, [...].

    Up to a mean of 5 by the distribution function itself; above by the normal quantile with the next two terms of the
    expansion of Cornish and Fisher (1938), rounded: its variance is up to 2 % too large.
    """
    many = expected + expected.sqrt() * normal + (normal.square() - 1) / 6
    many = many + (normal - normal**3) / (72 * expected.clamp_min(FEW).sqrt())
    counted = many.round().clamp_min(0)
    is_few = expected < FEW
    few, uniform = expected[is_few], torch.special.ndtr(normal[is_few])
    chance = (-few).exp()  # of exactly k
    below = chance.clone()  # of at most k
    count = torch.zeros_like(few)
    for k in range(1, LARGEST_OF_FEW + 1):
        count += uniform > below
        chance.mul_(few).div_(k)
        below += chance
    counted[is_few] = count
    return counted
