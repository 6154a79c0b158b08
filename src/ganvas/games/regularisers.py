"""What D and G learn besides the objective: each term by a weight of the settings, on any network that offers it.

Penalties on D's gradient (R1, R2, WGAN-GP, DRAGAN) are not here: the game takes them lazily, in full precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.errors import UsageError
from ganvas.games.augment import augment
from ganvas.games.noise import Draws
from ganvas.networks.contract import Classifying, Coded, Decoding, Discriminator, Finding, Generator, Mapped
from ganvas.objectives.auxiliary import category_loss, class_loss, gaussian_code_loss
from ganvas.objectives.consistency import consistency_penalty
from ganvas.objectives.feature_matching import feature_matching_loss
from ganvas.objectives.lecam import lecam_penalty, running_mean
from ganvas.objectives.orthogonal import orthogonal_regularisation
from ganvas.objectives.path_length import path_length_penalty, path_lengths, updated_target
from ganvas.objectives.reconstruction import reconstruction_loss
from ganvas.settings import TrainSettings

Stats = dict[str, Tensor]

PATH_LENGTH_EVERY = 8  # G turns, after which it weighs as much more (Karras et al., 2020, appendix B)
CONTINUOUS = 0.1  # of the category's weight: at equal weight G writes the codes at the pictures' expense
MOVED = ("translation",)  # how the copies of consistency regularisation differ, after mirroring half of them


@dataclass(frozen=True)
class Turn:
    """What a term can look at: pictures of a D turn or a G turn, what they were drawn from, and what D said of them."""

    real: Tensor
    fake: Tensor
    labels: Tensor | None
    z: Tensor | None
    real_seen: dict[str, Tensor]
    fake_seen: dict[str, Tensor]
    random: Draws
    plain_logits: Callable[[Tensor, Tensor | None], Tensor]  # D on pictures as they are


class Regularisers:
    """The terms of one game. Raises UsageError where a network does not offer what a weight asks for."""

    def __init__(self, G: Generator, D: Discriminator, settings: TrainSettings, device: torch.device) -> None:
        self.G, self.D, self.settings = G, D, settings
        self._check()
        self.ask_for_details = bool(settings.class_weight or settings.info_weight or settings.feature_matching_weight)
        # What is remembered between steps, for a checkpoint too.
        self.means = {name: torch.zeros((), device=device) for name in self._remembered()}

    def _check(self) -> None:
        G, D, settings = self.G, self.D, self.settings
        for weight, offered, words, network in (
            ("class_weight", isinstance(D, Classifying), "an auxiliary classifier", "acgan"),
            ("info_weight", isinstance(G, Coded) and isinstance(D, Finding), "codes in z", "infogan"),
            ("reconstruct_weight", isinstance(D, Decoding), "a D that decodes", "fastgan"),
            ("path_length_weight", isinstance(G, Mapped), "a mapping network", "stylegan2"),
        ):
            if getattr(settings, weight) and not offered:
                raise UsageError(
                    f"--{weight.replace('_', '-')} needs {words}, which the network '{settings.network}' does not "
                    f"have: use --network {network}, or leave it out"
                )

    def _remembered(self) -> tuple[str, ...]:
        lecam = ("real_logit", "fake_logit") if self.settings.lecam_weight else ()
        return (*lecam, *(("path_length",) if self.settings.path_length_weight else ()))

    def of_d(self, turn: Turn) -> tuple[Tensor | float, Stats]:
        """What is added to D's loss on some pictures."""
        settings, terms = self.settings, dict[str, tuple[float, Tensor]]()
        if settings.class_weight:
            assert turn.labels is not None, "a network with an auxiliary classifier has classes"
            seen = torch.cat([turn.real_seen["classes"], turn.fake_seen["classes"]])
            terms["d_class"] = settings.class_weight, 2 * class_loss(seen, turn.labels.repeat(2)).mean()
        if settings.info_weight:
            terms["d_info"] = settings.info_weight, self._lost_codes(turn)
        if settings.reconstruct_weight:
            quarters = turn.random.integers(4, len(turn.real))
            assert isinstance(self.D, Decoding), "checked at the start"
            pairs = self.D.reconstruct(turn.real.detach(), quarters)
            terms["d_reconstruction"] = settings.reconstruct_weight, reconstruction_loss(pairs).mean()
        if settings.consistency_weight:
            terms["consistency"] = settings.consistency_weight, self._inconsistency(turn)
        if settings.lecam_weight:
            known = (self.means["real_logit"], self.means["fake_logit"])
            penalty = lecam_penalty(turn.real_seen["logits"], turn.fake_seen["logits"], *known).mean()
            terms["lecam"] = settings.lecam_weight, penalty
        return _weighed(terms)

    def of_g(self, turn: Turn) -> tuple[Tensor | float, Stats]:
        """What is added to G's loss on some pictures."""
        settings, terms = self.settings, dict[str, tuple[float, Tensor]]()
        if settings.class_weight:
            assert turn.labels is not None, "a network with an auxiliary classifier has classes"
            terms["g_class"] = settings.class_weight, class_loss(turn.fake_seen["classes"], turn.labels).mean()
        if settings.info_weight:
            terms["g_info"] = settings.info_weight, self._lost_codes(turn)
        if settings.feature_matching_weight:
            matching = feature_matching_loss(turn.real_seen["features"], turn.fake_seen["features"])
            terms["feature_matching"] = settings.feature_matching_weight, matching
        return _weighed(terms)

    def of_g_alone(self, turn: int, n: int, random: Draws) -> tuple[Tensor | None, Stats]:
        """What G's weights, and n pictures of its own, are held to in its turn of that number; None if nothing is."""
        settings, terms = self.settings, dict[str, tuple[float, Tensor]]()
        if settings.orthogonal_weight:
            terms["orthogonal"] = settings.orthogonal_weight, orthogonal_regularisation(self.G)
        if settings.path_length_weight and turn % PATH_LENGTH_EVERY == 0:
            lengths = self._path_lengths(n, random)
            target = updated_target(self.means["path_length"], lengths)
            penalty = path_length_penalty(lengths, target).mean()
            terms["path_length_penalty"] = PATH_LENGTH_EVERY * settings.path_length_weight, penalty
            loss, stats = _weighed(terms)
            return torch.as_tensor(loss), {**stats, "path_length": lengths.detach().mean()}
        if not terms:
            return None, {}
        loss, stats = _weighed(terms)
        return torch.as_tensor(loss), stats

    def remember(self, stats: Stats) -> None:
        """Move the means by a step's stats, which are those of all processes."""
        for name, mean in self.means.items():
            if name == "path_length" and name in stats:
                self.means[name] = updated_target(mean, stats[name])
            elif name in stats:
                self.means[name] = running_mean(mean, stats[name])

    def _lost_codes(self, turn: Turn) -> Tensor:
        assert turn.z is not None, "the fakes were drawn from something"
        assert isinstance(self.G, Coded), "checked at the start"
        category, code = self.G.codes(turn.z)
        seen = turn.fake_seen
        lost = category_loss(seen["category"], category)
        if code.shape[1]:
            lost = lost + CONTINUOUS * gaussian_code_loss(seen["code_mean"], seen["code_log_std"], code)
        return lost.mean()

    def _inconsistency(self, turn: Turn) -> Tensor:
        """Of D on both kinds of pictures, as they are and mirrored or shifted (Zhao et al., 2020)."""
        total = turn.real_seen["logits"].new_zeros(())
        for images in (turn.real.detach(), turn.fake):
            mirrored = turn.random.uniform(len(images), 1, 1, 1) < 0.5
            moved = augment(torch.where(mirrored, images.flip(3), images), MOVED, turn.random)
            logits = turn.plain_logits(torch.cat([images, moved]), _twice(turn.labels))
            total = total + consistency_penalty(*logits.chunk(2)).mean()
        return total

    def _path_lengths(self, n: int, random: Draws) -> Tensor:
        assert isinstance(self.G, Mapped), "checked at the start"
        labels = random.integers(self.G.classes, n) if self.G.classes else None
        w = self.G.mapping(random.normal(n, self.settings.z_dim), labels)
        ws = w[:, None].expand(-1, self.G.layers, -1)
        images = self.G.synthesis(ws, random)
        return path_lengths(images, ws, random.normal(n, *images.shape[1:]))


def _weighed(terms: dict[str, tuple[float, Tensor]]) -> tuple[Tensor | float, Stats]:
    """The sum of weight times value, and the values as stats."""
    total: Tensor | float = 0.0
    for weight, value in terms.values():
        total = total + weight * value
    return total, {name: value.detach() for name, (_, value) in terms.items()}


def _twice(labels: Tensor | None) -> Tensor | None:
    return None if labels is None else labels.repeat(2)
