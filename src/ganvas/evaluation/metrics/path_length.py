"""Perceptual path length: how much the picture changes along a walk through the latent space (Karras et al., 2019).

    mean of  distance(G(p(t)), G(p(t + epsilon))) / epsilon^2        p: a path between two random latents

Lower is smoother. `distance` should be quadratic in small changes, as LPIPS is. Pictures must stay floats: a step of
1e-4 is lost in 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganvas.seeds import normals, uniforms

Draw = Callable[[Tensor], Tensor]  # latents [N, D] float32 -> pictures [N, C, H, W] float, without noise of its own
Distance = Callable[[Tensor, Tensor], Tensor]  # pictures, twice -> [N], not negative
Path = Callable[[Tensor, Tensor, Tensor], Tensor]  # ends [N, D], twice, and places [N, 1] -> latents [N, D]

EPSILON = 1e-4
BATCH = 32
OUTLIERS = 0.01  # discarded at either end


@dataclass(frozen=True)
class PathLength:
    """Mean over the paths that were kept, and the standard error of that mean."""

    value: float
    standard_error: float
    paths: int
    discarded: int


def path_length_in_z(
    draw: Draw,
    distance: Distance,
    z_dim: int,
    *,
    paths: int = 10_000,
    ends: bool = False,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> PathLength:
    """Along great circles between normal latents z, at a random place of each path or, with `ends`, at its beginning.

    A path's latents depend on the seed and its number alone. The 1 % of shortest and of longest steps are discarded,
    as in the paper. Of a generator of classes, `draw` fixes one. Raises ValueError if there are fewer than 2 paths,
    or a distance is negative or not finite.
    """
    walks = _walks(z_dim, paths, ends, seed, device)
    return _mean([step_lengths(draw, distance, slerp, a, b, t) for a, b, t in walks])


def path_length_in_w(
    mapping: Draw,
    synthesis: Draw,
    distance: Distance,
    z_dim: int,
    *,
    paths: int = 10_000,
    ends: bool = False,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> PathLength:
    """Along straight lines between w = mapping(z), where synthesis(w) is the picture; else as `path_length_in_z`."""
    lengths = []
    for a, b, t in _walks(z_dim, paths, ends, seed, device):
        with torch.inference_mode():
            a, b = mapping(a), mapping(b)
        lengths.append(step_lengths(synthesis, distance, torch.lerp, a, b, t))
    return _mean(lengths)


def step_lengths(draw: Draw, distance: Distance, path: Path, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The change at place t of the path from a to b, over epsilon squared: [N, D], [N, D], [N, 1] -> [N] float64."""
    # In float64 until the generator takes over: near 1 a float32 step of 1e-4 is already rough to 1 in 1000.
    a, b, t = a.double(), b.double(), t.double()
    with torch.inference_mode():
        here, there = draw(path(a, b, t).float()), draw(path(a, b, t + EPSILON).float())
        if not (here.is_floating_point() and there.is_floating_point()):
            raise ValueError(
                f"the generator gives {here.dtype}, in which small steps are lost: give its float pictures"
            )
        lengths = distance(here, there).double().cpu() / EPSILON**2
    if not bool((torch.isfinite(lengths) & (lengths >= 0)).all()):
        raise ValueError("a distance is negative, NaN or infinite: check the generator and the distance")
    return lengths


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Along the great circle from a to b (Shoemake, 1985), its length going evenly from |a| to |b|: [N, D] -> alike.

    For a generator that scales z to one length this is the paper's path between unit vectors; others get latents of
    the usual length.
    """
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    a, b = a / length_a, b / length_b
    cosine = (a * b).sum(1, keepdim=True).clamp(-1, 1)
    side = b - cosine * a
    side = side / side.norm(dim=1, keepdim=True).clamp_min(torch.finfo(side.dtype).tiny)
    angle = t * cosine.acos()
    direction: Tensor = a * angle.cos() + side * angle.sin()
    return direction * torch.lerp(length_a, length_b, t)


def without_outliers(lengths: Tensor) -> Tensor:
    """Those from the 1st to the 99th percentile, both included: [N] -> [M]."""
    low = torch.quantile(lengths, OUTLIERS, interpolation="lower")
    high = torch.quantile(lengths, 1 - OUTLIERS, interpolation="higher")
    return lengths[(lengths >= low) & (lengths <= high)]


def _walks(
    z_dim: int, paths: int, ends: bool, seed: int, device: torch.device | str
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Both ends [n, z_dim] of the paths and a place on each [n, 1], some at a time."""
    if paths < 2:
        raise ValueError(f"{paths} paths are too few: give at least 2, some thousands for a number to print")
    for start in range(0, paths, BATCH):
        numbers = ((seed << 32) + np.arange(start, min(start + BATCH, paths))).tolist()
        z = torch.from_numpy(normals(numbers, 2 * z_dim)).to(device)
        t = torch.from_numpy(uniforms(numbers, np.zeros(1, np.uint64))).to(device)  # counter 0 is none of the normals'
        yield z[:, :z_dim], z[:, z_dim:], torch.zeros_like(t) if ends else t


def _mean(pieces: list[Tensor]) -> PathLength:
    lengths = torch.cat(pieces)
    kept = without_outliers(lengths)
    error = float(kept.std() / len(kept) ** 0.5) if len(kept) > 1 else 0.0
    return PathLength(float(kept.mean()), error, len(lengths), len(lengths) - len(kept))
