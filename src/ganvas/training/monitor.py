"""What is measured of a run between its steps: the same seeds, the same reals, a few cheap numbers.

An inspection depends on the state alone, changes nothing in it, and costs about as much as one training step of 64
pictures. What the numbers mean together is said elsewhere, in `diagnosis`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.evaluation.features import Features
from ganvas.games.noise import generator_for
from ganvas.model import ModelConfig
from ganvas.training.measurement import Measurement
from ganvas.training.random_features import RandomFeatures
from ganvas.training.state import TrainState

SAMPLES = 64  # fixed seeds, looked at every time
FEWEST_REALS = 8
TWIN = 0.2  # of the typical distance of two reals: nearer ones are the same picture to the eye
COPY = 0.5  # of the usual distance from a real picture to the nearest other one
NEIGHBOURS = 5  # coverage (Naeem et al., 2020) with their k
LEAST_EXPECTED = 3  # of a class among the samples, for its absence to mean something
_NOISE_STREAM = 1_001  # apart from the (seed, step) streams of training: three counters are never two


class Inspector(Protocol):
    """What inspects a run of one kind of task."""

    def inspect(self, state: TrainState, stats: Mapping[str, float] | None = None) -> Measurement:
        """Look at the run as it is now. `stats`: means of the step's stats since the last inspection, kept as given.

        Nothing of the state changes, buffers and random streams included; gradients are read where the last step
        left them, and left out of the numbers where there are none.
        """


class Monitor:
    """Fixed reals and fixed seeds by which one run is inspected again and again."""

    def __init__(
        self,
        reals: Tensor,
        labels: Tensor | None = None,
        held_out: Tensor | None = None,
        held_out_labels: Tensor | None = None,
        *,
        seed: int,
        samples: int = SAMPLES,
        batch: int = SAMPLES,
        judge: Features | None = None,
    ) -> None:
        """`reals`, `held_out`: [N, C, H, W] in [-1, 1], of any N from 8 on, on the device of the networks.

        Both are samples of all there are, in no order: the first of a set sorted by class would mislead. A few hundred
        `reals` are well spent: all are compared with, though D sees only the first `samples` of them each time.
        Labels [N] int64 where the game has classes. `judge`: features learned from the pictures instead of random
        ones; where it is a classifier, classes are counted too. `batch`: pictures at once in G and D.
        Raises GanvasError for fewer pictures.
        """
        if len(reals) < FEWEST_REALS or (held_out is not None and len(held_out) < FEWEST_REALS):
            raise GanvasError(
                f"{len(reals) if held_out is None else min(len(reals), len(held_out))} real pictures are too few to "
                f"watch a run by: give at least {FEWEST_REALS}"
            )
        self.seed, self.samples, self.batch, self.judge = seed, samples, batch, judge
        self.shown, self.shown_labels = reals[:samples], None if labels is None else labels[:samples]
        self.held_out = None if held_out is None else held_out[:samples]
        self.held_out_labels = None if held_out_labels is None else held_out_labels[:samples]
        # The fakes get the labels of the reals that D sees, so that both halves are mixed alike.
        self.labels = None if labels is None else labels[torch.arange(samples, device=labels.device) % len(labels)]
        self.embed: nn.Module = RandomFeatures(reals) if judge is None else judge.net
        with torch.no_grad():
            self.reals = _Pictures(self.embed(reals), labels)
            self.shown_features = self.reals.features[:samples]
            self.pixel_variance = float(reals.flatten(1).var(0).mean()) + 1e-12
            self.real_saturation = saturation(reals)
            apart = self.reals.apart()
            self.typical = float(apart.median()) + 1e-12
            self.real_twin_share = float((apart < TWIN * self.typical).float().mean())
            self.usual_nearest = self._usual_nearest(held_out)
            self.expected_classes = self._expect_classes()

    @torch.no_grad()
    def inspect(self, state: TrainState, stats: Mapping[str, float] | None = None) -> Measurement:
        """As an `Inspector` does."""
        game, config = state.game, state.config
        assert isinstance(config, ModelConfig), "only what draws from noise is inspected"
        assert game.D is not None
        z = torch.randn((self.samples, config.z_dim), generator=generator_for("cpu", self.seed, 0, _NOISE_STREAM))
        z = z.to(self.shown.device)
        averaged = self._run(state.G_ema, z, self.labels)
        with as_it_was(game.G):
            raw = self._run(game.G, z, self.labels)  # in training mode, as D sees it
        numbers = {
            **(stats or {}),
            **self._variety(averaged, raw),
            **self._by_discriminator(game.D, raw),
            **gradient_lengths(game.G, game.D),
            "moving": distance_of_weights(state.G_ema, game.G),
        }
        return Measurement.of(state.images, numbers)

    def _run(self, network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
        """G on noise or D on pictures, `batch` at a time, in float32."""
        found = []
        for start in range(0, len(x), self.batch):
            part = slice(start, start + self.batch)
            found.append(network(x[part], None if labels is None else labels[part]).float())
        answers = torch.cat(found)
        return answers.mean(dim=1) if answers.dim() == 2 else answers  # of K judgements on a picture the mean

    def _variety(self, averaged: Tensor, raw: Tensor) -> dict[str, float]:
        """How diverse the samples are, and how far from the reals."""
        found, found_raw = (_Pictures(self.embed(p), self.labels) for p in (averaged, raw))
        variance = self.reals.variance() + 1e-12
        numbers = {
            "spread": found.variance() / variance,
            "raw_spread": found_raw.variance() / variance,
            "pixel_spread": float(averaged.flatten(1).var(0).mean()) / self.pixel_variance,
            "twin_share": float((found.apart() < TWIN * self.typical).float().mean()),
            "real_twin_share": self.real_twin_share,
            "far": float((found.features.mean(0) - self.reals.features.mean(0)).square().sum()) / variance,
            "coverage": _coverage(self.shown_features, found.features),
            "copy_share": self._copy_share(found.features),
            "saturation": saturation(averaged),
            "real_saturation": self.real_saturation,
            "ema_raw": float((averaged - raw).square().mean() / self.pixel_variance) ** 0.5,
        }
        if found.has_company and self.reals.has_company:
            numbers["spread_within"] = found.variance_within() / (self.reals.variance_within() + 1e-12)
        return {**numbers, **self._classes(found.features)}

    def _by_discriminator(self, D: nn.Module, fakes: Tensor) -> dict[str, float]:
        """D's answers on training reals, fakes and held-out reals."""
        with as_it_was(D):
            real, fake = self._run(D, self.shown, self.shown_labels), self._run(D, fakes, self.labels)
            held = None if self.held_out is None else self._run(D, self.held_out, self.held_out_labels)
        margin = float(real.mean() - fake.mean())
        higher = (real[:, None] > fake[None]).float() + 0.5 * (real[:, None] == fake[None]).float()
        numbers = {
            "d_right": float(higher.mean()) if math.isfinite(margin) else math.nan,
            "margin": margin,
            "logit_size": float(torch.cat([real, fake]).abs().max()),
            "real_sign": float(real.sign().mean()),
        }
        if held is not None:
            gap = float(real.mean() - held.mean())
            error = float(real.var() / len(real) + held.var() / len(held)) ** 0.5
            numbers["held_gap"] = gap / margin if margin > 0 else 0.0
            numbers["held_sigmas"] = gap / (error + 1e-12)
        return numbers

    def _classes(self, features: Tensor) -> dict[str, float]:
        """What a classifier finds among the samples, where the judge is one."""
        if self.expected_classes is None or self.judge is None:
            return {}
        taken_for = self.judge.net.head(features).argmax(1)
        found = torch.isin(self.expected_classes, taken_for)
        numbers = {"class_coverage": float(found.float().mean())}
        if self.labels is not None:
            numbers["class_agreement"] = float((taken_for == self.labels).float().mean())
        return numbers

    def _expect_classes(self) -> Tensor | None:
        """The classes that a classifier finds often enough among the reals to expect them among the samples."""
        if self.judge is None or self.judge.kind != "classifier":
            return None
        counts = self.judge.net.head(self.reals.features).argmax(1).bincount()
        often = (counts * self.samples >= LEAST_EXPECTED * len(self.reals.features)).nonzero()[:, 0]
        return often if len(often) else None

    def _usual_nearest(self, held_out: Tensor | None) -> float:
        """The median distance from a real picture to the nearest training picture that is not itself."""
        if held_out is not None:
            return float(torch.cdist(self.embed(held_out), self.reals.features).min(1).values.median())
        apart = torch.cdist(self.reals.features, self.reals.features)
        return float(apart.fill_diagonal_(math.inf).min(1).values.median())

    def _copy_share(self, features: Tensor) -> float:
        nearest = torch.cdist(features, self.reals.features).min(1).values
        return float((nearest < COPY * self.usual_nearest).float().mean())


class _Pictures:
    """Features of a set of pictures, with their labels."""

    def __init__(self, features: Tensor, labels: Tensor | None) -> None:
        self.features, self.labels = features.float(), labels  # [N, F], [N]
        self.groups = 1 if labels is None else len(_kinds(labels))

    @property
    def has_company(self) -> bool:
        """Whether most pictures have another one of their class beside them."""
        return self.labels is not None and len(self.features) >= 2 * self.groups

    def variance(self) -> float:
        """Summed over the features, unbiased."""
        return float(self.features.var(0).sum())

    def variance_within(self) -> float:
        """As `variance`, around the mean of each class."""
        assert self.labels is not None, "without classes nothing is within one"
        centred = torch.cat([part - part.mean(0) for part in self._by_class()])
        return float(centred.square().sum()) / (len(centred) - self.groups)

    def apart(self) -> Tensor:
        """Distances of all pairs, inside a class where most pictures have company there: [pairs]."""
        parts = self._by_class() if self.has_company else [self.features]
        return torch.cat([torch.pdist(part) for part in parts if len(part) > 1])

    def _by_class(self) -> list[Tensor]:
        assert self.labels is not None, "without classes there is nothing to part by"
        return [self.features[self.labels == label] for label in _kinds(self.labels)]


def _kinds(labels: Tensor) -> list[int]:
    return sorted(set(labels.tolist()))


@contextmanager
def as_it_was(network: nn.Module) -> Iterator[None]:
    """Within the block the network may run as in training; BatchNorm's and spectral norm's buffers are put back."""
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


def saturation(pictures: Tensor) -> float:
    """Share of the values above 0.99 in size."""
    return float((pictures.abs() > 0.99).float().mean())


def _coverage(reals: Tensor, fakes: Tensor) -> float:
    """Share of the reals with a fake no further away than their k-th nearest real: [N, F], [M, F]."""
    k = min(NEIGHBOURS, len(reals) - 1)
    radius = torch.cdist(reals, reals).kthvalue(k + 1, dim=1).values  # the nearest is the picture itself
    return float((torch.cdist(reals, fakes).min(1).values <= radius).float().mean())


def gradient_lengths(G: nn.Module, D: nn.Module | None) -> dict[str, float]:
    """The lengths of both players' gradients, as the last step left them, and G's over D's."""
    lengths = {"g_grad": _gradient_length(G), "d_grad": None if D is None else _gradient_length(D)}
    found = {name: length for name, length in lengths.items() if length is not None}
    if len(found) == 2 and found["d_grad"] > 0:
        found["grad_ratio"] = found["g_grad"] / found["d_grad"]
    return found


def _gradient_length(network: nn.Module) -> float | None:
    """None where the last step left no gradient, as right after a resume."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not gradients:
        return None
    return float(torch.stack(torch._foreach_norm(gradients)).norm())


def distance_of_weights(a: nn.Module, b: nn.Module) -> float:
    """How far the weights of two networks of one kind are apart, over the length of those of b."""
    pairs = list(zip(a.parameters(), b.parameters(), strict=True))
    apart = torch.stack([(x - y).norm() for x, y in pairs]).norm()
    return float(apart / (torch.stack([y.norm() for _, y in pairs]).norm() + 1e-12))
