"""The obvious ways to repair a photograph, without a network: what a restoration is measured against."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ganvas.degrading.blur import disc_kernels, odd_side
from ganvas.images import to_float, to_integers
from ganvas.networks.filling import filled_smoothly
from photographs import Picture, batched

DEFOCUS = 7.0  # pixels: what the ways that know the blur know
MARGIN = 32  # around a picture, which a Fourier transform takes for one that repeats


@dataclass(frozen=True)
class Bad:
    """A degraded picture, [H, W, 3], and where it has holes, [H, W], or None."""

    picture: Picture
    hole: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Rival:
    """A way to repair. settings: what it is tried with on other pictures; the best of them is taken."""

    name: str
    repair: Callable[[Bad, Any], Picture]
    settings: tuple[Any, ...]
    package: str = ""  # needed for it
    module: str = ""


def missing(rival: Rival) -> str:
    """What has to be installed for it, in words, or nothing."""
    there = not rival.module or importlib.util.find_spec(rival.module) is not None
    return "" if there else f"{rival.package} is not installed: pip install {rival.package}"


def telea(bad: Bad, radius: float) -> Picture:
    import cv2

    return _inpainted(bad, radius, cv2.INPAINT_TELEA)


def navier_stokes(bad: Bad, radius: float) -> Picture:
    import cv2

    return _inpainted(bad, radius, cv2.INPAINT_NS)


def smoothly(bad: Bad, _: Any) -> Picture:
    """What `inpaint` begins with: not a rival, but what its training has to add to."""
    assert bad.hole is not None
    images = to_float(torch.from_numpy(batched(bad.picture)))
    filled = to_integers(filled_smoothly(images, torch.from_numpy(bad.hole)[None, None]))
    return np.where(bad.hole[..., None], filled.numpy()[0].transpose(1, 2, 0), bad.picture)


def _inpainted(bad: Bad, radius: float, method: int) -> Picture:
    import cv2

    assert bad.hole is not None, "a picture with holes"
    painted = cv2.inpaint(np.ascontiguousarray(bad.picture[..., ::-1]), bad.hole.astype(np.uint8), radius, method)
    return np.ascontiguousarray(painted[..., ::-1])


def non_local_means(bad: Bad, strengths: tuple[float, float]) -> Picture:
    """strengths: for light and for colour. Windows of 7 and 21, as OpenCV recommends."""
    import cv2

    given = np.ascontiguousarray(bad.picture[..., ::-1])
    return np.ascontiguousarray(cv2.fastNlMeansDenoisingColored(given, None, *strengths, 7, 21)[..., ::-1])


def unsharp(bad: Bad, setting: tuple[float, int]) -> Picture:
    """setting: radius in pixels, and amount in percent."""
    radius, percent = setting
    return np.asarray(Image.fromarray(bad.picture).filter(ImageFilter.UnsharpMask(radius, percent, threshold=0)))


def wiener(bad: Bad, noise: float) -> Picture:
    """Wiener's filter with the kernel of the blur: conj(K) / (|K|^2 + noise * f^2), f in cycles a pixel.

    The spectra of photographs fall as 1/f^2 and that of noise is even, so their ratio grows as f^2.
    """
    padded = _faded(bad.picture.astype(np.float64))
    kernel = disc_kernels(torch.tensor([DEFOCUS]), odd_side(DEFOCUS))[0].double().numpy()
    size = padded.shape[:2]
    whole = np.zeros(size)
    whole[: len(kernel), : len(kernel)] = kernel
    K = np.fft.fft2(np.roll(whole, (-(len(kernel) // 2),) * 2, axis=(0, 1)))
    squared = np.fft.fftfreq(size[0])[:, None] ** 2 + np.fft.fftfreq(size[1]) ** 2
    W = K.conj() / (np.abs(K) ** 2 + noise * squared)
    sharp = np.fft.ifft2(np.fft.fft2(padded, axes=(0, 1)) * W[..., None], axes=(0, 1)).real
    inner = sharp[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return inner.round().clip(0, 255).astype(np.uint8)


def _faded(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """With its edges repeated outwards, fading to its mean: opposite edges meet, or they would ring all over it."""
    padded = np.pad(picture, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
    down, across = (np.minimum(1, (np.minimum(x, x[::-1]) + 0.5) / MARGIN) for x in map(np.arange, padded.shape[:2]))
    kept = np.minimum(down[:, None], across)[..., None]
    return kept * padded + (1 - kept) * padded.mean((0, 1))


OPENCV = ("opencv-python-headless", "cv2")
RADII = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
STRENGTHS = tuple(product((10.0, 12.0, 15.0, 18.0, 22.0), (6.0, 10.0, 15.0, 20.0)))
SHARPER = tuple(product((1.0, 2.0, 3.0, 4.0, 6.0), (25, 50, 100, 150, 200, 300)))
NOISES = tuple(10.0**exponent for exponent in np.arange(-4, 1.1, 0.5))
_DEBLURRING = (Rival("Wiener", wiener, NOISES), Rival("unsharp", unsharp, SHARPER))
RIVALS: dict[str, tuple[Rival, ...]] = {
    "holes": (
        Rival("Telea", telea, RADII, *OPENCV),
        Rival("Navier-Stokes", navier_stokes, RADII, *OPENCV),
        Rival("smooth filling", smoothly, (None,)),
    ),
    "blur": _DEBLURRING,
    "blur-clean": _DEBLURRING,
    "noise": (Rival("non-local means", non_local_means, STRENGTHS, *OPENCV),),
    "gray": (),
}
