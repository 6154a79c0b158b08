"""Every sample's nearest training pictures in pixels and in features, beside what is usual for real pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.memorisation.closeness import closeness, copy_threshold, stricter
from ganvas.evaluation.memorisation.reals import Reals
from ganvas.evaluation.memorisation.search import (
    NOBODY,
    Found,
    Gallery,
    Queries,
    search_features,
    search_pixels,
)
from ganvas.evaluation.rows import spread
from ganvas.images import Integers

MOST_BY_FEATURES = 5_000  # training pictures whose features are computed, where none are known
FEATURE_NEIGHBOURS = 16
SMALL = 1e-9
AS_IS, RECOLOURED, BY_FEATURES = "pixels", "pixels, colours aside", "features"


@dataclass(frozen=True)
class Seen:
    """Features of training pictures that are known already, so that they need not be computed again."""

    rows: NDArray[np.int64]  # [M], in order
    features: Tensor  # [M, F]


@dataclass(frozen=True)
class View:
    """One way of looking: N samples and R left-out real pictures, each with its nearest training picture."""

    name: str
    closeness: Tensor  # [N]
    train_rows: NDArray[np.int64]  # [N]
    mirrored: Tensor  # [N] bool: whether it was the mirrored training picture
    moves: Tensor  # [N], rows of `alignment.moves`
    real_closeness: Tensor  # [R]
    real_train_rows: NDArray[np.int64]  # [R]
    copied_closeness: Tensor  # [R], what an exact copy would have in the place of each left-out picture
    searched: int
    threshold: float  # the closeness from which down a picture counts as a copy

    def suspicion(self) -> Tensor:
        """[N]: closeness over threshold, at or below 1 for a copy."""
        return self.closeness / max(self.threshold, SMALL)

    def real_suspicion(self) -> Tensor:
        """[R]: the same of the left-out real pictures."""
        return self.real_closeness / max(self.threshold, SMALL)

    def copied_suspicion(self) -> Tensor:
        """[R]: the same of exact copies in their place."""
        return self.copied_closeness / max(self.threshold, SMALL)


@dataclass(frozen=True)
class Look:
    """What was found of some samples, in all views."""

    views: tuple[View, ...]
    left_out: str  # which real pictures set the scale

    @classmethod
    def of(cls, views: Sequence[View], left_out: str) -> Look:
        """With thresholds lowered where too many real pictures would count as copies."""
        factor = stricter(_most_suspicious([view.real_suspicion() for view in views]))
        return cls(tuple(replace(view, threshold=factor * view.threshold) for view in views), left_out)

    def __getitem__(self, name: str) -> View:
        return next(view for view in self.views if view.name == name)

    def suspicion(self) -> Tensor:
        """[N]: of the view that suspects most."""
        return _most_suspicious([view.suspicion() for view in self.views])

    def copies(self) -> Tensor:
        """[N] bool: whether a sample is a copy in any view."""
        return self.suspicion() <= 1

    def real_copies(self) -> Tensor:
        """[R] bool: the same of the left-out real pictures."""
        return _most_suspicious([view.real_suspicion() for view in self.views]) <= 1

    def power(self) -> float:
        """Share of exact copies that would be found, in [0, 1]."""
        found = _most_suspicious([view.copied_suspicion() for view in self.views]) <= 1
        return float(found.double().mean())


class CopyFinder:
    """Training pictures, and what is usual for real ones, among which samples are looked up any number of times.

    seen: only those training pictures are searched by features; without, up to 5000, spread over all.
    """

    def __init__(self, reals: Reals, features: Backbone, seen: Seen | None = None) -> None:
        self._features = features
        self._gallery = reals.gallery(None if seen is None else seen.rows)
        left_out, self.left_out = reals.left_out(self._gallery)  # the second in words
        self._fewer, self._fewer_features = _with_features(self._gallery, features, seen)
        (self._in_pixels,) = search_pixels([left_out], self._gallery)
        self._by_features = self._search_features(left_out, features.extract(left_out.images, rows=left_out.rows))

    def look(self, samples: Integers, rows: NDArray[np.int64], sample_features: Tensor | None = None) -> Look:
        """The samples of those rows, at least one: [N, C, H, W] integers -> Look of [len(rows)].

        sample_features: [len(rows), F] if they are known. `Look.copies()` says which to keep from use.
        """
        queries = Queries(samples, rows, torch.full((len(rows),), NOBODY))
        (ours,), theirs = search_pixels([queries], self._gallery), self._in_pixels
        known = self._features.extract(samples, rows=rows) if sample_features is None else sample_features
        views = [
            _view(AS_IS, ours.as_is, theirs.as_is, self._gallery),
            _view(RECOLOURED, ours.recoloured, theirs.recoloured, self._gallery),
            _view(BY_FEATURES, self._search_features(queries, known), self._by_features, self._fewer),
        ]
        return Look.of(views, self.left_out)

    def _search_features(self, queries: Queries, known: Tensor) -> Found:
        mirrored = self._features.extract(_mirrored(queries))
        return search_features(known, mirrored, queries.kin, self._fewer, self._fewer_features, FEATURE_NEIGHBOURS)


def _with_features(gallery: Gallery, features: Backbone, seen: Seen | None) -> tuple[Gallery, Tensor]:
    """The pictures of a gallery that are searched by features, and those features."""
    some = spread(len(gallery), MOST_BY_FEATURES) if seen is None else np.flatnonzero(np.isin(gallery.rows, seen.rows))
    fewer = replace(gallery, rows=gallery.rows[some], kin=gallery.kin[torch.from_numpy(some)])
    if seen is None:
        return fewer, features.extract(fewer.images, rows=fewer.rows)
    return fewer, seen.features[torch.from_numpy(np.searchsorted(seen.rows, fewer.rows))]


def _view(name: str, ours: Found, theirs: Found, gallery: Gallery) -> View:
    distance, real_distance = ours.distances[:, 0], theirs.distances[:, 0]
    others, real_others = ours.others(gallery.kin), theirs.others(gallery.kin)
    usual = float(real_others.nanmedian())
    real_closeness = closeness(real_distance, real_others, usual)
    return View(
        name=name,
        closeness=closeness(distance, others, usual),
        train_rows=gallery.rows[ours.places[:, 0].numpy()],
        mirrored=ours.mirrored[:, 0],
        moves=ours.moves[:, 0],
        real_closeness=real_closeness,
        real_train_rows=gallery.rows[theirs.places[:, 0].numpy()],
        copied_closeness=closeness(theirs.least, real_others, usual),
        searched=len(gallery),
        threshold=copy_threshold(real_closeness),
    )


def _most_suspicious(of_views: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(of_views)).amin(0)


def _mirrored(queries: Queries) -> Integers:
    mirrored: NDArray[Any] = np.ascontiguousarray(queries.images[queries.rows][..., ::-1])
    return mirrored
