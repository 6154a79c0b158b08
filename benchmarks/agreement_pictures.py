"""Metrics of pictures and generators against references; see `agreement.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agreement import Check, Pairs
from ganvas.evaluation.metrics.feature_diversity import map_distance
from ganvas.evaluation.metrics.ms_ssim import WEIGHTS, ms_ssim
from ganvas.evaluation.metrics.path_length import slerp, step_lengths
from ganvas.evaluation.metrics.restoration import luma, psnr, ssim
from ganvas.evaluation.metrics.sliced_wasserstein import (
    BINOMIAL,
    directions,
    level_sizes,
    patch_corners,
    sliced_wasserstein,
)
from ganvas.evaluation.metrics.spectrum import FLOOR, rings, spectrum

Pictures = NDArray[np.uint8]


def pictures(n: int, channels: int, height: int, width: int, seed: int) -> Pictures:
    """Smooth pictures with noise, [n, C, H, W]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    waves = rng.uniform(1, 6, (2, n, channels, 1, 1)) * 2 * np.pi
    smooth = 127 + 90 * np.sin(waves[0] * rows + waves[1] * columns + rng.uniform(0, 6, (n, channels, 1, 1)))
    return (smooth + rng.normal(0, 12, smooth.shape)).clip(0, 255).astype(np.uint8)


def damaged(images: Pictures, seed: int) -> Pictures:
    """Noisier, and a little darker."""
    noise = np.random.default_rng(seed).normal(0, 5 + 10 * seed, images.shape)
    return (0.95 * images + noise).clip(0, 255).astype(np.uint8)


def pairs_of_pictures(sizes: tuple[tuple[int, int, int], ...]) -> Iterator[tuple[Pictures, Pictures]]:
    for channels, height, width in sizes:
        for seed in (1, 2):
            images = pictures(3, channels, height, width, seed)
            yield images, damaged(images, seed)


def unit(images: Pictures) -> Tensor:
    return torch.from_numpy(images).double() / 255


SMALL = ((1, 28, 28), (3, 33, 50), (3, 64, 64))
LARGE = ((1, 176, 176), (3, 192, 256))  # even at every scale, or it matters how an odd row is halved


def each(ours: Tensor, theirs: Any) -> Pairs:
    return list(zip(ours.tolist(), np.asarray(theirs).tolist(), strict=True))


def psnr_skimage(metrics: Any, color: Any) -> Pairs:
    pairs: Pairs = []
    for a, b in pairs_of_pictures(SMALL):
        found = [metrics.peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b, strict=True)]
        pairs += each(psnr(unit(a), unit(b)), found)
        if a.shape[1] == 3:
            lumas = [color.rgb2ycbcr(x.transpose(0, 2, 3, 1))[..., 0] for x in (a, b)]
            found = [metrics.peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(*lumas, strict=True)]
            pairs += each(psnr(luma(unit(a)), luma(unit(b))), found)
    return pairs


def psnr_piq(piq: Any) -> Pairs:
    pairs: Pairs = []
    for a, b in pairs_of_pictures(SMALL):
        pairs += each(psnr(unit(a), unit(b)), piq.psnr(unit(a), unit(b), reduction="none"))
    return pairs


def ssim_skimage(metrics: Any) -> Pairs:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    pairs: Pairs = []
    for a, b in pairs_of_pictures(SMALL):
        both = zip(unit(a).numpy(), unit(b).numpy(), strict=True)
        found = [metrics.structural_similarity(x, y, channel_axis=0, **options) for x, y in both]
        pairs += each(ssim(unit(a), unit(b)), found)
    return pairs


def ssim_pytorch_msssim(package: Any) -> Pairs:
    pairs: Pairs = []
    for a, b in pairs_of_pictures(SMALL):
        pairs += each(ssim(unit(a), unit(b)), package.ssim(unit(a), unit(b), data_range=1.0, size_average=False))
    return pairs


def ssim_piq(piq: Any) -> Pairs:
    pairs: Pairs = []
    for a, b in pairs_of_pictures(SMALL):
        pairs += each(ssim(unit(a), unit(b)), piq.ssim(unit(a), unit(b), reduction="none", downsample=False))
    return pairs


def ms_ssim_pytorch_msssim(package: Any) -> Pairs:
    pairs: Pairs = []
    for a, b in pairs_of_pictures(LARGE):
        pairs += each(ms_ssim(unit(a), unit(b)), package.ms_ssim(unit(a), unit(b), data_range=1.0, size_average=False))
    return pairs


def ms_ssim_piq(piq: Any) -> Pairs:
    pairs: Pairs = []
    for a, b in pairs_of_pictures(LARGE):
        pairs += each(ms_ssim(unit(a), unit(b)), piq.multi_scale_ssim(unit(a), unit(b), reduction="none"))
    return pairs


def ms_ssim_fewer_scales_piq(piq: Any) -> Pairs:
    pairs: Pairs = []
    for scales, size in ((2, (1, 28, 28)), (3, (3, 64, 64)), (4, (3, 128, 96))):
        for a, b in pairs_of_pictures((size,)):
            weights = torch.tensor(WEIGHTS[:scales], dtype=torch.float64)
            found = piq.multi_scale_ssim(unit(a), unit(b), reduction="none", scale_weights=weights)
            pairs += each(ms_ssim(unit(a), unit(b)), found)
    return pairs


def spectrum_numpy(fft: Any, ndimage: Any) -> Pairs:
    pairs: Pairs = []
    for channels, height, width in ((1, 28, 28), (3, 33, 50), (3, 64, 64)):
        images = pictures(4, channels, height, width, seed=height)
        down, across = np.meshgrid(fft.fftfreq(height), fft.fftfreq(width), indexing="ij")
        ring = np.rint(np.hypot(down, across) * min(height, width)).astype(int)
        ring[(ring == 0) & (np.hypot(down, across) > 0)] = 1
        power = (np.abs(fft.fft2(images / 255)) ** 2).mean(1) / (height * width)
        numbers = np.arange(1, len(rings(height, width)[0]) + 1)
        decibels = [10 * np.log10(ndimage.mean(x, ring, np.unique(ring)[numbers]) + FLOOR) for x in power]
        pairs += each(spectrum(images).mean, np.mean(decibels, axis=0))
    return pairs


def swd_scipy(ndimage: Any, stats: Any) -> Pairs:
    pairs: Pairs = []
    for seed, (channels, height, width) in enumerate(((1, 28, 28), (3, 40, 36))):
        a, b = pictures(6, channels, height, width, 1), pictures(6, channels, height, width, 2)
        pyramids = [_pyramid(ndimage, x / 255, len(level_sizes(height, width))) for x in (a, b)]
        along, theirs = directions(channels, seed).numpy(), []
        for level in range(len(pyramids[0])):
            cut = [_patches(pyramid[level], level, seed) for pyramid in pyramids]
            cut = [(x - x.mean((0, 1, 2))) / x.std((0, 1, 2)) for x in cut]
            flat = [x.reshape(len(x), -1) @ along for x in cut]
            both = zip(flat[0].T, flat[1].T, strict=True)
            theirs.append(1000 * np.mean([stats.wasserstein_distance(x, y) for x, y in both]))
        pairs += zip(sliced_wasserstein(a, b, seed=seed).distances, theirs, strict=True)
    return pairs


def _pyramid(ndimage: Any, x: Any, count: int) -> list[Any]:
    kernel = np.outer(BINOMIAL, BINOMIAL)[None, None]
    levels = []
    for _ in range(count - 1):
        coarse = ndimage.convolve(x, kernel, mode="mirror")[:, :, ::2, ::2]
        spaced = np.zeros_like(x)
        spaced[:, :, ::2, ::2] = coarse
        levels.append(x - ndimage.convolve(spaced, 4 * kernel, mode="mirror"))
        x = coarse
    return [*levels, x]


def _patches(x: Any, level: int, seed: int) -> Any:
    corners = patch_corners(np.arange(len(x)), level, x.shape[2], x.shape[3], seed).numpy()
    cut = [x[i, :, top : top + 7, left : left + 7] for i, each in enumerate(corners) for top, left in each]
    return np.stack(cut).transpose(0, 2, 3, 1)


class Trunk(nn.Module):
    """Maps of the widths of AlexNet's, from random convolutions: what is compared is what comes after."""

    widths = (64, 192, 384, 256, 256)

    def __init__(self, **_: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        before = (3, *self.widths)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(before, self.widths, strict=False))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for layer in self.layers:
            x = layer(x).relu()
            maps.append(x)
        return maps


def lpips_lpips(package: Any, networks: Any) -> Pairs:
    networks.alexnet = Trunk
    pairs: Pairs = []
    for learned in (True, False):
        theirs = package.LPIPS(net="alex", lpips=learned, verbose=False).double()
        weights = [lin.model[-1].weight.flatten() for lin in theirs.lins] if learned else None
        for a, b in pairs_of_pictures(((3, 64, 64),)):
            x, y = 2 * unit(a) - 1, 2 * unit(b) - 1
            with torch.no_grad():
                maps = [theirs.net(theirs.scaling_layer(each)) for each in (x, y)]
                pairs += each(map_distance(*maps, weights), theirs(x, y).flatten())
    return pairs


class SmallGenerator(nn.Module):
    """Latents, scaled to one length, through two dense layers to pictures."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 3 * 8 * 8), nn.Unflatten(1, (3, 8, 8)))

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.layers(z / z.norm(dim=1, keepdim=True))
        return pictures


def path_length_torch_fidelity(package: Any, ppl: Any) -> Pairs:
    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a.double() - b.double()).square().mean((1, 2, 3))

    class Similarity(package.SampleSimilarityBase):  # type: ignore[misc]
        def __init__(self, name: str, **_: Any) -> None:
            super().__init__(name)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return distance(a, b)

    package.register_sample_similarity("squared difference", Similarity)
    draw, pairs = SmallGenerator(), []
    for seed in (1, 2, 3):
        # Its slerp does not bring the ends to one length, so that only unit vectors have the same path.
        for name, kind, path in (("lerp", "normal", torch.lerp), ("slerp_unit", "unit", slerp)):
            rng = np.random.RandomState(seed)
            a, b = (torch.from_numpy(rng.randn(500, 8) if kind == "normal" else rng.rand(500, 8)) for _ in range(2))
            if kind == "unit":
                a, b = (x / x.norm(dim=1, keepdim=True) for x in (a, b))
            ours = step_lengths(draw, distance, path, a, b, torch.zeros(500, 1)).mean().item()
            found = ppl.calculate_ppl(
                1, input1=package.GenerativeModelModuleWrapper(draw, 8, kind, 0), input1_model_num_samples=500,
                cuda=False, verbose=False, batch_size=100, rng_seed=seed, ppl_epsilon=1e-4, ppl_z_interp_mode=name,
                ppl_sample_similarity="squared difference", ppl_discard_percentile_lower=None,
                ppl_discard_percentile_higher=None,
            )  # fmt: skip
            pairs.append((ours, found["perceptual_path_length_mean"]))
    return pairs


FLOATS = "theirs computes the latents in float32, where a step of 1e-4 is rough"
CHECKS = [
    Check("PSNR, plain and on the luma", "scikit-image", ("skimage.metrics", "skimage.color"), psnr_skimage),
    Check("PSNR", "piq", ("piq",), psnr_piq, "piq adds 1e-8 to the squared error"),
    Check("SSIM", "scikit-image structural_similarity", ("skimage.metrics",), ssim_skimage),
    Check("SSIM", "pytorch-msssim", ("pytorch_msssim",), ssim_pytorch_msssim),
    Check("SSIM", "piq", ("piq",), ssim_piq),
    Check("MS-SSIM", "pytorch-msssim", ("pytorch_msssim",), ms_ssim_pytorch_msssim),
    Check("MS-SSIM", "piq", ("piq",), ms_ssim_piq),
    Check("MS-SSIM, two to four scales", "piq", ("piq",), ms_ssim_fewer_scales_piq),
    Check("radial spectrum", "numpy.fft, scipy.ndimage.mean", ("numpy.fft", "scipy.ndimage"), spectrum_numpy),
    Check("sliced Wasserstein distance", "scipy wasserstein_distance", ("scipy.ndimage", "scipy.stats"), swd_scipy),
    Check("distance of feature maps", "lpips", ("lpips", "lpips.pretrained_networks"), lpips_lpips,
          "its learned weights, on maps of a random network"),
    Check("perceptual path length", "torch-fidelity", ("torch_fidelity", "torch_fidelity.metric_ppl"),
          path_length_torch_fidelity, FLOATS),
]  # fmt: skip
