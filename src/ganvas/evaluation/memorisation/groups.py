"""The verdict per patient, video or other group: whose pictures came out again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.memorisation.look import Look
from ganvas.evaluation.memorisation.rates import Rate
from ganvas.evaluation.memorisation.reals import Reals

WORST = 10


@dataclass(frozen=True)
class CopiedGroup:
    """One group of which a picture was copied."""

    group: int  # as in the store
    copies: int  # samples that copy any of its pictures
    closeness: float  # of the nearest of them


@dataclass(frozen=True)
class GroupVerdict:
    """How many groups of the training pictures have a copy among the samples."""

    copied: Rate
    real_copied: int  # groups that left-out real pictures are as near to: what chance does
    worst: tuple[CopiedGroup, ...]  # most copies first, at most ten
    split: int  # groups with pictures both in training and held out


def judge_groups(look: Look, reals: Reals) -> GroupVerdict | None:
    """Whose pictures the copies of a look are; None where the pictures have no groups."""
    groups = reals.train_groups
    if groups is None:
        return None
    copies, closest = _copied(look, look.copies(), groups)
    worst = sorted(copies, key=lambda group: (-copies[group], closest[group], group))[:WORST]
    held_out = np.zeros(0, np.int64) if reals.held_out_groups is None else reals.held_out_groups
    return GroupVerdict(
        copied=Rate.of(len(copies), len(np.unique(groups))),
        real_copied=len(_real_copied(look, groups)),
        worst=tuple(CopiedGroup(group, copies[group], closest[group]) for group in worst),
        split=len(np.intersect1d(groups, held_out)),
    )


def _copied(look: Look, copies: Tensor, groups: NDArray[np.int64]) -> tuple[Counter[int], dict[int, float]]:
    """By group: how many samples copy one of its pictures in any view, and the least closeness among them."""
    counts: Counter[int] = Counter()
    closest: dict[int, float] = {}
    for sample in copies.nonzero().flatten().tolist():
        found = set()
        for view in look.views:
            if float(view.suspicion()[sample]) <= 1:
                group = int(groups[view.train_rows[sample]])
                found.add(group)
                closest[group] = min(closest.get(group, 1.0), float(view.closeness[sample]))
        counts.update(found)
    return counts, closest


def _real_copied(look: Look, groups: NDArray[np.int64]) -> set[int]:
    near = [groups[view.real_train_rows[(view.real_suspicion() <= 1).numpy()]] for view in look.views]
    return set(np.concatenate(near).tolist())
