"""How the feature network learns from the user's own pictures: by their labels, or by telling them apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.rows import spread
from ganvas.images import Integers, to_float

Progress = Callable[[str], None]

BATCH = 64  # the activations of a larger batch leave the cache of a laptop
DROPOUT = 0.3
TEMPERATURE = 0.2
PEAK_RATE = 3e-3


def default_pictures(net: FeatureNet, count: int, per_picture: int = 1) -> int:
    """How many pictures to show so that two cores need about ten seconds; at most 30 rounds.

    `per_picture`: views that are computed for each picture shown.
    """
    area = net.height * net.width / (4 if max(net.height, net.width) > 32 else 1)  # after the extra stride
    affordable = int(25_000 * 28 * 28 / area) // per_picture
    return max(min(affordable, 80_000, 30 * count), 5_000)


def set_input_range(net: FeatureNet, images: Integers) -> None:
    """Give the network the mean and spread of each channel over up to 2000 pictures, spread evenly."""
    means, squares = [], []
    rows = spread(len(images), 2000)
    for chosen in np.array_split(rows, math.ceil(len(rows) / BATCH)):
        some = load(images, chosen).double()
        means.append(some.mean((2, 3)))
        squares.append(some.square().mean((2, 3)))
    mean = torch.cat(means).mean(0)
    variance = torch.cat(squares).mean(0) - mean.square()
    net.mean.copy_(mean.view(1, -1, 1, 1))
    net.std.copy_(variance.clamp_min(1e-6).sqrt().view(1, -1, 1, 1))


def train_classifier(
    net: FeatureNet,
    images: Integers,
    labels: NDArray[np.int64],
    among: NDArray[np.int64],
    pictures: int,
    generator: torch.Generator,
    progress: Progress | None,
) -> None:
    """Cross entropy with dropout 0.3 on the features and shifts of up to 2 pixels; `net` is trained in place.

    Only the pictures whose row numbers stand in `among` are shown.
    """
    device = net.mean.device

    def loss_of(places: NDArray[np.int64]) -> Tensor:
        rows = among[places]
        x = shifted(net.reduce(load(images, rows, device)), generator)
        features = net.embed(x)
        keep = torch.rand(features.shape, generator=generator).to(device) >= DROPOUT
        logits = net.head(features * keep / (1 - DROPOUT))
        return F.cross_entropy(logits, torch.from_numpy(labels[rows]).to(device))

    _fit(net, loss_of, len(among), pictures, generator, progress)


def train_contrastive(
    net: FeatureNet, images: Integers, pictures: int, generator: torch.Generator, progress: Progress | None
) -> None:
    """Two views of one picture should be nearer than views of others (SimCLR, Chen et al., 2020); in place.

    Views are crops, brightness, contrast and, with three channels or more, colour. Never mirrored: in letters
    and in anatomy a mirrored picture is another picture.
    """
    device = net.mean.device

    def loss_of(rows: NDArray[np.int64]) -> Tensor:
        x = net.reduce(load(images, rows, device))
        both = torch.cat([view(x, generator), view(x, generator)])
        return contrastive_loss(net.head(net.embed(both)))

    _fit(net, loss_of, len(images), pictures, generator, progress)


def contrastive_loss(projections: Tensor) -> Tensor:
    """NT-Xent (Chen et al., 2020, equation 1): [2N, P], rows i and i + N show one picture -> scalar."""
    n = len(projections) // 2
    unit = F.normalize(projections, dim=1)
    similarity = unit @ unit.T / TEMPERATURE
    similarity.fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * n, device=projections.device).roll(n)
    return F.cross_entropy(similarity, partner)


def shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture moved by up to 2 pixels (1 below 16 a side), its edge repeated: [N, C, H, W] -> alike."""
    n, _, height, width = x.shape
    reach = min(2, max(1, min(height, width) // 8))
    padded = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    offset = torch.randint(0, 2 * reach + 1, (2, n, 1), generator=generator).to(x.device)
    rows = offset[0] + torch.arange(height, device=x.device)  # [N, H]
    columns = offset[1] + torch.arange(width, device=x.device)  # [N, W]
    picture = torch.arange(n, device=x.device).view(n, 1, 1)
    return padded[picture, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def view(x: Tensor, generator: torch.Generator) -> Tensor:
    """A crop of 40 to 100 % of the area with other brightness, contrast, colour: [N, C, H, W] -> alike."""
    n, channels = x.shape[:2]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return (torch.rand(shape, generator=generator) * (high - low) + low).to(x.device)

    area, aspect = uniform(0.4, 1.0, n), uniform(math.log(0.8), math.log(1.25), n).exp()
    scale_x, scale_y = (area * aspect).sqrt().clamp_max(1), (area / aspect).sqrt().clamp_max(1)
    theta = torch.zeros(n, 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 0, 2] = scale_x, uniform(-1, 1, n) * (1 - scale_x)
    theta[:, 1, 1], theta[:, 1, 2] = scale_y, uniform(-1, 1, n) * (1 - scale_y)
    crop = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
    gain = uniform(0.6, 1.4, n, 1, 1, 1)
    if channels >= 3:
        gain = gain * uniform(0.8, 1.2, n, channels, 1, 1)
    return crop * gain + uniform(-0.3, 0.3, n, 1, 1, 1)


def load(images: Integers, rows: NDArray[np.int64], device: torch.device | str = "cpu") -> Tensor:
    """The pictures of those rows: [..., C, H, W] integers -> [len(rows), C, H, W] float in [-1, 1]."""
    return to_float(torch.from_numpy(np.ascontiguousarray(images[rows])).to(device))


def _fit(
    net: FeatureNet,
    loss_of: Callable[[NDArray[np.int64]], Tensor],
    count: int,
    pictures: int,
    generator: torch.Generator,
    progress: Progress | None,
) -> None:
    """Adam for `pictures` pictures; the rate warms up over 5 % of them, then falls to 0 along a cosine."""
    batch = min(BATCH, count)
    steps = math.ceil(pictures / batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    net.train()
    for step, rows in enumerate(_rows(count, batch, steps, generator)):
        warm, done = min(1.0, (step + 1) / max(1, 0.05 * steps)), step / steps
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * warm * (0.5 + 0.5 * math.cos(math.pi * done))
        loss = loss_of(rows)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if progress is not None and (step % max(1, steps // 20) == 0):
            progress(f"learning features: {step * batch} of {steps * batch} pictures")
    net.eval()


def _rows(count: int, batch: int, steps: int, generator: torch.Generator) -> Iterator[NDArray[np.int64]]:
    """`steps` batches of row numbers, each round in a new order; a rest shorter than a batch is dropped."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(count, generator=generator)
        rows, order = order[:batch], order[batch:]
        yield rows.sort().values.numpy()  # sorted: a memory map reads forwards
