"""The check for memorisation: look the samples up, count, and ask what the samples give away."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.memorisation.alignment import moves
from ganvas.evaluation.memorisation.closeness import HALF
from ganvas.evaluation.memorisation.descriptors import small_size
from ganvas.evaluation.memorisation.groups import judge_groups
from ganvas.evaluation.memorisation.look import AS_IS, BY_FEATURES, RECOLOURED, CopyFinder, Look, Seen, View
from ganvas.evaluation.memorisation.membership import measure_membership
from ganvas.evaluation.memorisation.rates import Rate
from ganvas.evaluation.memorisation.reals import Reals
from ganvas.evaluation.memorisation.result import Memorisation, Pair, ViewResult
from ganvas.evaluation.rows import spread
from ganvas.images import Integers

MOST_COMPARED = 1_000  # samples that are looked up
SHOWN = 16


def check_memorisation(
    samples: Integers,
    reals: Reals,
    features: Backbone,
    sample_features: Tensor | None = None,
    seen: Seen | None = None,
) -> Memorisation:
    """Look up to 1000 samples, spread over all, up among up to 60 000 training pictures: [N, C, H, W] integers.

    sample_features: [N, F] of all samples, if they are known; seen: as for `CopyFinder`. Training pictures that
    are exactly equal count as one. Memory does not grow with their number.
    """
    if sample_features is None:
        sample_features = features.extract(samples)
    rows = spread(len(samples), MOST_COMPARED)
    look = CopyFinder(reals, features, seen).look(samples, rows, sample_features[torch.from_numpy(rows)])
    copies, real_copies = look.copies(), look.real_copies()
    worst = look.suspicion().argsort(stable=True)[:SHOWN].tolist()
    return Memorisation(
        copies=Rate.of(int(copies.sum()), len(copies)),
        real_copies=Rate.of(int(real_copies.sum()), len(real_copies)),
        left_out=look.left_out,
        power=look.power(),
        views=tuple(_result(view) for view in look.views),
        copied_samples=tuple(rows[copies.numpy()].tolist()),
        pairs=tuple(_pair(look, place, int(rows[place]), samples.shape[2:]) for place in worst),
        membership=measure_membership(samples, sample_features, reals, features),
        groups=judge_groups(look, reals),
    )


def _result(view: View) -> ViewResult:
    return ViewResult(
        view=view.name,
        copies=int((view.suspicion() <= 1).sum()),
        real_copies=int((view.real_suspicion() <= 1).sum()),
        threshold=view.threshold,
        median_closeness=float(view.closeness.median()),
        real_median_closeness=float(view.real_closeness.median()),
        searched=view.searched,
    )


def _pair(look: Look, place: int, sample: int, size: tuple[int, ...]) -> Pair:
    """What a sample, at a place of the look, is nearest to. size: height and width of the pictures."""
    as_is, recoloured, by_features = look[AS_IS], look[RECOLOURED], look[BY_FEATURES]
    as_it_is = float(as_is.suspicion()[place]) <= max(1.0, float(recoloured.suspicion()[place]))
    nearest = as_is if as_it_is else recoloured
    train, train_by_features = int(nearest.train_rows[place]), int(by_features.train_rows[place])
    # Where both point at one picture, pixels say more of what was done to it than features do.
    same = train == train_by_features and float(nearest.closeness[place]) <= HALF
    in_pixels = float(nearest.suspicion()[place]) <= 1 or same
    return Pair(
        sample=sample,
        train=train,
        closeness=float(nearest.closeness[place]),
        train_by_features=train_by_features,
        closeness_by_features=float(by_features.closeness[place]),
        match=_how(nearest if in_pixels else by_features, place, size) if bool(look.copies()[place]) else "",
    )


def _how(view: View, place: int, size: tuple[int, ...]) -> str:
    """What makes the training picture match: "mirrored, moved by 2 pixels, other colours" or "as it is"."""
    if view.name == BY_FEATURES:
        return "by features, mirrored" if bool(view.mirrored[place]) else "by features"
    height, width = small_size(size[0], size[1])
    pixels = round(max(map(abs, moves(height, width)[int(view.moves[place])])) * size[0] / height)
    done = ["mirrored"] if bool(view.mirrored[place]) else []
    if pixels:
        done.append(f"moved by {pixels} pixel{'s' if pixels > 1 else ''}")
    if view.name == RECOLOURED:
        done.append("other colours")
    return ", ".join(done) or "as it is"


def pair_pictures(found: Memorisation, samples: Integers, train: Integers) -> Integers:
    """Each suspicious sample, its nearest training picture by pixels and by features: [3n, H, W, C] for a grid."""
    n, picture = len(found.pairs), samples.shape[1:]
    rows = np.empty((n, 3, *picture), samples.dtype)
    rows[:, 0] = samples[[pair.sample for pair in found.pairs]]
    rows[:, 1] = train[[pair.train for pair in found.pairs]]
    rows[:, 2] = train[[pair.train_by_features for pair in found.pairs]]
    return rows.reshape(3 * n, *picture).transpose(0, 2, 3, 1)
