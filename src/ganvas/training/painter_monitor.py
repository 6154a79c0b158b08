"""What is measured of a run that paints pictures from pictures, between its steps: always the same few pictures.

As for pictures from noise (`monitor`): an inspection depends on the state alone and changes nothing in it. A painter is
asked other things: whether what it paints differs where its inputs do, whether it does anything to them, and whether
that is better than nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganvas.games.contract import rows
from ganvas.games.contrast import ContrastGame
from ganvas.games.pairing import Pair
from ganvas.networks.contract import Painter
from ganvas.networks.enlarging import bicubic
from ganvas.networks.patch_heads import PLACES
from ganvas.training.measurement import Measurement
from ganvas.training.monitor import as_it_was, distance_of_weights, gradient_lengths, saturation
from ganvas.training.random_features import RandomFeatures
from ganvas.training.state import TrainState

WATCHED = 16  # pictures: each holds many patches, and costs as much as one that is trained on
SMALLEST = 1e-12


@dataclass(frozen=True)
class Watched:
    """One direction and the pictures that it is watched by.

    pairs: what is painted from, and the targets, or pictures of the wanted kind where there are no targets. held_out:
    pairs that the players never see, or None. direction: "AtoB" or "BtoA", or "" where a run has one painter alone.
    """

    pairs: Pair
    held_out: Pair | None
    has_targets: bool
    direction: str = ""


class PainterMonitor:
    """Fixed pictures by which one run is inspected again and again: an `Inspector`.

    A number of several directions is that of the worse one where one sick direction is enough, else their mean.
    """

    def __init__(self, ways: Sequence[Watched], *, batch: int, d_sees_input: bool = False) -> None:
        """`ways`: all that the run paints, on the device of the networks. `batch`: pictures at once in G and D."""
        self.ways = [_Way(watched, batch, d_sees_input) for watched in ways]

    @torch.no_grad()
    def inspect(self, state: TrainState, stats: Mapping[str, float] | None = None) -> Measurement:
        """As an `Inspector` does."""
        game = state.game
        found = [way.numbers(state.G_ema, game.G, game.D) for way in self.ways]
        numbers = {
            **(stats or {}),
            **{name: WORSE.get(name, _mean)(each[name] for each in found) for name in found[0]},
            **gradient_lengths(game.G, game.D),
            "moving": distance_of_weights(state.G_ema, game.G),
        }
        if isinstance(game, ContrastGame) and "contrast" in numbers:
            numbers["contrast_of_chance"] = numbers["contrast"] / self._chance(game)
        return Measurement.of(state.images, numbers)

    def _chance(self, game: ContrastGame) -> float:
        """The cross entropy of guessing where patches come from."""
        maps = game.encoder.encode(self.ways[0].watched.pairs.inputs[:1])
        return _mean(math.log(min(PLACES, one.shape[2] * one.shape[3])) for one in maps)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


WORSE: Mapping[str, Callable[[Iterable[float]], float]] = {
    **dict.fromkeys(("spread", "raw_spread", "changed", "real_saturation"), min),
    **dict.fromkeys(("far", "error", "beside_input", "logit_size", "held_gap", "held_sigmas", "saturation"), max),
}


class _Way:
    """One direction: its pictures and what does not change about them."""

    def __init__(self, watched: Watched, batch: int, d_sees_input: bool) -> None:
        self.watched, self.batch, self.d_sees_input = watched, batch, d_sees_input
        pairs, self.held_out = watched.pairs, watched.held_out
        self.wanted = pairs.targets
        self.mask = torch.ones_like(self.wanted[:, :1]) if pairs.mask is None else pairs.mask
        self.as_is = as_it_is(pairs)
        with torch.no_grad():
            self.embed = RandomFeatures(self.wanted)
            self.features = self.embed(self.wanted)
            self.variance = _variance(self.features) + SMALLEST
            self.saturation = saturation(self.wanted)

    def numbers(self, averaged: nn.Module, G: nn.Module, D: nn.Module | None) -> dict[str, float]:
        """All that is measured of this direction."""
        with as_it_was(G):
            raw = self._painted(self._player(G))  # in training mode, as D sees it
        found = self._pictures(self._painted(self._player(averaged)))
        found["raw_spread"] = _variance(self.embed(torch.where(self.mask > 0, raw, self.wanted))) / self.variance
        if D is not None:
            D = D[self.watched.direction[-1]] if isinstance(D, nn.ModuleDict) else D
            with as_it_was(D):
                found |= self._by_discriminator(D, raw)
        return found

    def _pictures(self, painted: Tensor) -> dict[str, float]:
        """How what is painted differs: from one to the other, from what it should be, and from the input."""
        painted = torch.where(self.mask > 0, painted, self.wanted)
        features = self.embed(painted)
        found = {
            "spread": _variance(features) / self.variance,
            "far": float((features.mean(0) - self.features.mean(0)).square().sum()) / self.variance,
            "saturation": saturation(painted),
            "real_saturation": self.saturation,
        }
        others = self._size(self.wanted.roll(1, 0) - self.wanted)
        if self.watched.has_targets:
            found["error"] = self._size(painted - self.wanted) / others
        if self.as_is is None:
            return found
        wanted = self._size(self.wanted - self.as_is)
        found["changed"] = self._size(painted - self.as_is) / wanted
        if self.watched.has_targets:
            found["beside_input"] = self._size(painted - self.wanted) / wanted
        return found

    def _by_discriminator(self, D: nn.Module, painted: Tensor) -> dict[str, float]:
        """D's answers, patch by patch, to the targets, what was painted, and targets that it never saw."""
        pairs = self.watched.pairs
        real, fake = self._judged(D, pairs, self.wanted), self._judged(D, pairs, painted)
        margin = float(real.mean() - fake.mean())
        numbers = {
            "d_right": ranked_right(real.flatten(), fake.flatten()) if math.isfinite(margin) else math.nan,
            "margin": margin,
            "logit_size": float(torch.cat([real, fake]).abs().max()),
            "real_sign": float(real.sign().mean()),
        }
        if self.held_out is not None:
            held = self._judged(D, self.held_out, self.held_out.targets).mean(1)
            known = real.mean(1)
            gap = float(known.mean() - held.mean())
            error = float(known.var() / len(known) + held.var() / len(held)) ** 0.5
            numbers["held_gap"] = gap / margin if margin > 0 else 0.0
            numbers["held_sigmas"] = gap / (error + SMALLEST)
        return numbers

    def _player(self, network: nn.Module) -> Painter:
        painter = network[self.watched.direction] if isinstance(network, nn.ModuleDict) else network
        assert isinstance(painter, Painter)
        return painter

    def _painted(self, painter: Painter) -> Tensor:
        pairs = self.watched.pairs
        return self._in_parts(painter, pairs.inputs, pairs.labels)

    def _judged(self, D: nn.Module, pairs: Pair, pictures: Tensor) -> Tensor:
        """Logits of each patch: [N, K]."""
        shown = torch.cat([pairs.inputs, pictures], dim=1) if self.d_sees_input else pictures
        return self._in_parts(D, shown, pairs.labels).flatten(1)

    def _in_parts(self, network: nn.Module, pictures: Tensor, labels: Tensor | None) -> Tensor:
        parts = [slice(start, start + self.batch) for start in range(0, len(pictures), self.batch)]
        return torch.cat([network(pictures[part], rows(labels, part)).float() for part in parts])

    def _size(self, difference: Tensor) -> float:
        """Root mean square, where it counts."""
        counted = self.mask.sum() * difference.shape[1]
        return float(((difference.square() * self.mask).sum() / counted.clamp(min=1)).sqrt()) + SMALLEST


def as_it_is(pairs: Pair) -> Tensor | None:
    """The inputs in the place of the targets: enlarged, grey as colour; None where their channels do not fit."""
    pictures, (channels, height) = pairs.pictures, pairs.targets.shape[1:3]
    if pairs.mask is not None:
        pictures = pictures[:, :-1]
    if pictures.shape[1] not in (1, channels):
        return None
    scale = height // pictures.shape[2]
    larger = pictures if scale == 1 else bicubic(pictures, scale)
    return larger.expand(-1, channels, -1, -1)


def ranked_right(real: Tensor, fake: Tensor) -> float:
    """Share of pairs of a real and a fake logit of which the real one is higher, ties half: [K], [K'] -> 0 to 1."""
    in_order = fake.sort().values
    below = torch.searchsorted(in_order, real) + torch.searchsorted(in_order, real, right=True)
    return float(below.double().mean()) / (2 * len(fake))


def _variance(features: Tensor) -> float:
    return float(features.var(0).sum())
