"""What is missing: real pictures that no sample comes near, and classes or kinds of pictures that are hardly drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ganvas.evaluation.metrics.distances import checked_pair, pieces, squared_distances
from ganvas.evaluation.metrics.interval import wilson_interval
from ganvas.evaluation.metrics.manifold import ball_counts, squared_radii
from ganvas.evaluation.metrics.modes import ENOUGH
from ganvas.explaining.clusters import assign, k_means

K = 5  # neighbours that make a ball, as for coverage
SURE_ENOUGH = 10  # samples expected of a group, below which drawing hardly any may be chance in one of many groups
MOST_CLUSTERS = 12
PER_CLUSTER = 10  # the square of how many pictures a group should have: sqrt(N / 10) groups
SHOWN = 8
LISTED, NAMED = 12, 5  # on the page, and in a sentence

Finding = Literal["missing", "too seldom", "too often", "within chance", "too few to tell"]


@dataclass(frozen=True)
class Group:
    """A class or a cluster: how many real pictures and samples are in it, and which stand for it.

    uncovered: how many of its real pictures no sample comes near. typical_reals, typical_samples: rows, nearest to the
    middle of its real pictures first. lonely: rows of its uncovered real pictures, the furthest from any sample first.
    """

    name: str
    reals: int
    samples: int
    uncovered: int
    finding: Finding
    real_share: float
    sample_share: float
    typical_reals: tuple[int, ...]
    typical_samples: tuple[int, ...]
    lonely: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "finding": self.finding,
            "real_share": self.real_share,
            "sample_share": self.sample_share,
            "reals": self.reals,
            "samples": self.samples,
            "uncovered": self.uncovered,
        }


@dataclass(frozen=True)
class Missing:
    """What no sample comes near. lonely: rows of the real pictures furthest from any sample for their neighbourhood."""

    kind: Literal["class", "kind"]
    groups: tuple[Group, ...]
    reals: int
    samples: int
    uncovered: int
    by_chance: float  # share that would be uncovered if samples were real pictures
    lonely: tuple[int, ...]

    def named(self, finding: Finding) -> list[Group]:
        """The groups of which this was found."""
        return [group for group in self.groups if group.finding == finding]

    @property
    def least_covered(self) -> Group | None:
        """The group of which surely the largest share is uncovered, if that is more than of all pictures together.

        None too of groups of a few pictures, whatever share of these it is.
        """

        def surely(group: Group) -> float:
            return wilson_interval(group.uncovered, group.reals).low

        told = [group for group in self.groups if group.finding != "too few to tell"]
        worst = max(told, key=surely, default=None)
        usual = max(self.uncovered / self.reals, self.by_chance)
        return worst if worst is not None and surely(worst) > usual else None

    @property
    def listed(self) -> list[Group]:
        """The groups worth showing: those that differ most first, at most twelve."""
        order: list[Finding] = ["missing", "too seldom", "too often", "within chance", "too few to tell"]
        return sorted(self.groups, key=lambda g: (order.index(g.finding), -g.uncovered / g.reals))[:LISTED]

    @property
    def words(self) -> list[str]:
        share = self.uncovered / self.reals
        said = [
            f"No sample comes near {self.uncovered} of {self.reals} real pictures ({100 * share:.0f} %); if the "
            f"samples were real pictures, that would be {100 * self.by_chance:.0f} %."
        ]
        missing, few = self.named("missing"), len(self.named("too few to tell"))
        all_of_them = f"{len(self.groups)} {'classes' if self.kind == 'class' else 'kinds of pictures'}"
        if few:
            said.append(f"Too rare to tell from {self.samples} samples: {few} of the {all_of_them}.")
        if missing:
            said.append(f"Missing: {self._list(missing)}.")
        elif len(self.groups) > few:
            said.append(f"None of the {'others' if few else all_of_them} is missing.")
        if seldom := self.named("too seldom"):
            said.append(f"Drawn too seldom: {self._list(seldom)}.")
        if often := self.named("too often"):
            said.append(f"Drawn too often: {self._list(often)}.")
        if (worst := self.least_covered) is not None and worst not in missing:
            said.append(
                f"Least covered is {self._called(worst)}: nothing comes near {worst.uncovered} of {worst.reals}."
            )
        return said

    def _called(self, group: Group) -> str:
        return f"class {group.name}" if self.kind == "class" else group.name

    def _list(self, groups: list[Group]) -> str:
        """Names with their shares, at most five."""
        ordered = sorted(groups, key=lambda g: -abs(g.real_share - g.sample_share))[:NAMED]
        shares = [f"({100 * g.sample_share:.1f} % instead of {100 * g.real_share:.1f} %)" for g in ordered]
        more = f" and {len(groups) - NAMED} more" if len(groups) > NAMED else ""
        return ", ".join(f"{self._called(g)} {share}" for g, share in zip(ordered, shares, strict=True)) + more

    def to_json(self) -> dict[str, Any]:
        return {
            "groups_are": "classes" if self.kind == "class" else "clusters in the judge's features",
            "groups": [group.to_json() for group in self.groups],
            "reals": self.reals,
            "samples": self.samples,
            "uncovered": self.uncovered,
            "uncovered_share": self.uncovered / self.reals,
            "uncovered_share_by_chance": self.by_chance,
        }


def find_missing(
    real: Tensor,
    fake: Tensor,
    real_labels: Tensor | None = None,
    fake_labels: Tensor | None = None,
    class_names: tuple[str, ...] = (),
) -> Missing:
    """Compare real features [N, F] with samples' [M, F], by class where all are labelled, else by cluster.

    fake_labels: [M], what a classifier takes each sample for. Raises ValueError if a side has no more than 5 samples.
    """
    _, covered = ball_counts(real, fake, K)
    lonely = torch.where(covered, 0.0, loneliness(real, fake))
    if real_labels is not None and fake_labels is not None:
        names, of_real, of_fake = class_names, real_labels, fake_labels
        centres = {i: real[of_real == i].double().mean(0) for i in sorted(set(of_real.tolist()))}
    else:
        found = k_means(real, max(2, min(MOST_CLUSTERS, round((len(real) / PER_CLUSTER) ** 0.5))))
        of_real, of_fake, centres = assign(real, found), assign(fake, found), dict(enumerate(found))
        names = tuple(f"kind {i + 1}" for i in range(len(found)))
    groups = []
    for i, name in enumerate(names):
        mine, drawn = torch.nonzero(of_real == i).flatten(), torch.nonzero(of_fake == i).flatten()
        if len(mine):
            typical = _nearest(real, mine, centres[i]), _nearest(fake, drawn, centres[i])
            groups.append(_group(name, mine, drawn, (len(real), len(fake)), typical, lonely))
    return Missing(
        kind="kind" if real_labels is None or fake_labels is None else "class",
        groups=tuple(groups),
        reals=len(real),
        samples=len(fake),
        uncovered=int((~covered).sum()),
        by_chance=uncovered_by_chance(len(real), len(fake)),
        lonely=_furthest(lonely, torch.arange(len(real))),
    )


def loneliness(real: Tensor, fake: Tensor, k: int = K) -> Tensor:
    """How far each real picture's nearest sample is, over its k-th nearest other real one: [N, F], [M, F] -> [N].

    Above 1 its ball holds no sample: it is not covered (Naeem et al., 2020). At most 1e6, where real ones are equal.
    """
    real, fake = checked_pair(real, fake, at_least=k + 1)
    radii, nearest = squared_radii(real, k), []
    for _, piece in pieces(real):
        nearest.append(squared_distances(piece, fake).amin(1))
    away = torch.cat(nearest)
    ratio = torch.where(radii > 0, away / radii.clamp_min(1e-30), torch.where(away > 0, torch.inf, 0.0))
    return ratio.sqrt().clamp_max(1e6)


def uncovered_by_chance(reals: int, samples: int, k: int = K) -> float:
    """Share of real pictures without a sample in their ball if both sets come from one distribution.

    All of a picture's k nearest among the others of both sets must then be real.
    """
    chance = 1.0
    for i in range(k):
        chance *= (reals - 1 - i) / (reals - 1 + samples - i)
    return max(chance, 0.0)


def compare_shares(reals: int, of_reals: int, samples: int, of_samples: int) -> Finding:
    """What `samples` of `of_samples` says of a group that is `reals` of `of_reals` real pictures.

    A difference counts where the 95 % intervals of the two shares do not meet.
    """
    share = reals / of_reals
    if share * of_samples < SURE_ENOUGH:
        return "too few to tell"
    if samples == 0 or samples / of_samples < ENOUGH * share:
        return "missing"
    real, drawn = wilson_interval(reals, of_reals), wilson_interval(samples, of_samples)
    if drawn.high < real.low:
        return "too seldom"
    return "too often" if drawn.low > real.high else "within chance"


def _group(
    name: str,
    mine: Tensor,
    drawn: Tensor,
    of: tuple[int, int],
    typical: tuple[tuple[int, ...], tuple[int, ...]],
    lonely: Tensor,
) -> Group:
    """Of the rows `mine` of all real pictures and `drawn` of all samples; `of`: how many there are of each."""
    reals, samples = of
    return Group(
        name=name,
        reals=len(mine),
        samples=len(drawn),
        uncovered=int((lonely[mine] > 0).sum()),
        finding=compare_shares(len(mine), reals, len(drawn), samples),
        real_share=len(mine) / reals,
        sample_share=len(drawn) / samples,
        typical_reals=typical[0],
        typical_samples=typical[1],
        lonely=_furthest(lonely, mine),
    )


def _nearest(features: Tensor, rows: Tensor, centre: Tensor) -> tuple[int, ...]:
    order = squared_distances(features[rows].double(), centre[None])[:, 0].argsort(stable=True)
    return tuple(rows[order[:SHOWN]].tolist())


def _furthest(lonely: Tensor, rows: Tensor) -> tuple[int, ...]:
    """Of those rows the uncovered ones, the furthest first."""
    order = rows[lonely[rows].argsort(descending=True, stable=True)][:SHOWN]
    return tuple(order[lonely[order] > 0].tolist())
