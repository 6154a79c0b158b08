"""The nearest training pictures of many queries at once, in pixels and in features, with flat memory."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganvas.evaluation.memorisation.alignment import Aligned, align, middle, moved
from ganvas.evaluation.memorisation.descriptors import describe, load_small
from ganvas.images import Integers

PIECE = 4096  # pictures of the gallery that are compared at once
ALIGNED_AT_ONCE = 8  # queries
READ_AT_ONCE = 64  # pictures, to see which are equal
NOBODY = -1


@dataclass(frozen=True)
class Gallery:
    """The pictures in which is searched: some rows of [N, C, H, W] integers, and whom each shows."""

    images: Integers
    rows: NDArray[np.int64]  # [M]
    kin: Tensor  # [M], equal for pictures of one group; all different where there are no groups

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def descriptors(self) -> list[tuple[slice, Tensor, Tensor]]:
        """By pieces: their place, coarse pictures and spectra. Up to 1.4 kB a picture, kept for the next search."""
        described = ((place, describe(self.images, piece)) for place, piece in _pieces(self))
        return [(place, found.coarse, found.spectrum) for place, found in described]


@dataclass(frozen=True)
class Queries:
    """Pictures to look up, and the kin of each that is left out of its search, or -1 for none."""

    images: Integers
    rows: NDArray[np.int64]  # [N]
    kin: Tensor  # [N]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Found:
    """For N queries K places in the gallery each, nearest first, and how far they are: [N, K].

    What may not be compared, or stands there a second time, is at an infinite distance.
    """

    distances: Tensor
    places: Tensor
    mirrored: Tensor  # whether it was the mirrored picture that is so near
    moves: Tensor  # rows of `alignment.moves`; 0 of features
    least: Tensor  # [N], how far an exact copy of each query would be

    @classmethod
    def sorted(cls, distances: Tensor, places: Tensor, mirrored: Tensor, moves: Tensor, least: Tensor) -> Found:
        """From columns in any order; of a place that stands there twice the nearer one counts."""
        order = distances.argsort(dim=1, stable=True)
        distances, places, mirrored, moves = (some.gather(1, order) for some in (distances, places, mirrored, moves))
        earlier = (places[:, :, None] == places[:, None, :]).tril(-1).any(2)
        return cls(distances.masked_fill(earlier, torch.inf), places, mirrored, moves, least)

    def others(self, kin: Tensor) -> Tensor:
        """[N] mean distance of all that are not kin of the nearest; NaN where there are none. kin: [M]."""
        other = (kin[self.places] != kin[self.places[:, :1]]) & self.distances.isfinite()
        total = torch.where(other, self.distances, 0).sum(1)
        return total / other.sum(1).to(total.dtype)  # 0 / 0 is NaN

    def __getitem__(self, rows: slice) -> Found:
        columns = self.distances, self.places, self.mirrored, self.moves, self.least
        return Found(*(column[rows] for column in columns))


@dataclass(frozen=True)
class FoundInPixels:
    """The same candidates by both distances of `Aligned`."""

    as_is: Found
    recoloured: Found


def different_rows(images: Integers, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows without those whose picture stood there before, exactly: a set may hold a picture many times."""
    seen: set[bytes] = set()
    kept = []
    for start in range(0, len(rows), READ_AT_ONCE):
        some = rows[start : start + READ_AT_ONCE]
        for row, picture in zip(some, np.asarray(images[some]), strict=True):
            digest = hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
            if digest not in seen:
                seen.add(digest)
                kept.append(row)
    return np.array(kept, np.int64)


def search_pixels(many: Sequence[Queries], gallery: Gallery, coarse: int = 6, spectral: int = 4) -> list[FoundInPixels]:
    """For each set of queries its candidates by their descriptors, then aligned; the gallery is read once.

    `coarse` candidates by the coarse picture, `spectral` by the spectrum, as is and mirrored each.
    """
    seen = [describe(queries.images, queries.rows) for queries in many]
    kin = torch.cat([queries.kin for queries in many])
    lookups = [
        _Lookup.start(torch.cat([some.coarse for some in seen]), coarse),
        _Lookup.start(torch.cat([some.spectrum for some in seen]), spectral),
        _Lookup.start(torch.cat([some.mirrored_spectrum for some in seen]), spectral),
    ]
    for place, coarse_pictures, spectra in gallery.descriptors:
        bases = coarse_pictures, spectra, spectra
        forbidden = _forbidden(kin, gallery, place)
        lookups = [look.add(base, place.start, forbidden) for look, base in zip(lookups, bases, strict=True)]
    places = torch.cat([look.places for look in lookups], 1)
    ruled_out = torch.cat([look.squared for look in lookups], 1).isinf()
    mirrored = torch.zeros_like(ruled_out)
    mirrored[:, places.shape[1] - lookups[2].places.shape[1] :] = True
    ends = np.cumsum([0, *map(len, many)]).tolist()
    parts = [slice(start, end) for start, end in itertools.pairwise(ends)]
    return [
        _align(queries, gallery, places[part], ruled_out[part], mirrored[part])
        for queries, part in zip(many, parts, strict=True)
    ]


def search_features(
    query_features: Tensor, mirrored_features: Tensor, kin: Tensor, gallery: Gallery, gallery_features: Tensor, k: int
) -> Found:
    """The k nearest by the angle between features: [N, F] of queries as they are and mirrored, [N], [M, F] -> Found.

    The angle, as the length of ReLU features goes with contrast. Both searches are put together: 2k columns.
    """
    units = F.normalize(query_features)
    lookups = [_Lookup.start(some, k) for some in (units, F.normalize(mirrored_features))]
    for place, _ in _pieces(gallery):
        base, forbidden = F.normalize(gallery_features[place]), _forbidden(kin, gallery, place)
        lookups = [look.add(base, place.start, forbidden) for look in lookups]
    straight, mirrored = lookups
    places = torch.cat([straight.places, mirrored.places], 1)
    is_mirrored = torch.zeros_like(places, dtype=torch.bool)
    is_mirrored[:, straight.places.shape[1] :] = True
    distances = torch.cat([look.squared for look in lookups], 1).add(1).clamp_min(0).sqrt()  # |a| is 1
    least = (1 - units.square().sum(1)).clamp_min(0).sqrt()  # 0, but 1 of features that are all 0
    return Found.sorted(distances, places, is_mirrored, torch.zeros_like(places), least)


@dataclass(frozen=True)
class _Lookup:
    """The nearest of a gallery so far, which comes in pieces."""

    vectors: Tensor  # [N, F]
    k: int
    squared: Tensor  # [N, up to k]: |b|^2 - 2ab, which is |a - b|^2 less |a|^2: the same order, in half the time
    places: Tensor

    @classmethod
    def start(cls, vectors: Tensor, k: int) -> _Lookup:
        return cls(vectors, k, torch.empty(len(vectors), 0), torch.empty(len(vectors), 0, dtype=torch.int64))

    def add(self, base: Tensor, offset: int, forbidden: Tensor | None) -> _Lookup:
        """With a piece of the gallery, [M, F], whose first picture is at `offset`. forbidden: [N, M]."""
        squared = torch.addmm(base.square().sum(1), self.vectors, base.T, alpha=-2)
        if forbidden is not None:
            squared.masked_fill_(forbidden, torch.inf)
        near, where = squared.topk(min(self.k, len(base)), dim=1, largest=False)
        squared, places = torch.cat([self.squared, near], 1), torch.cat([self.places, where + offset], 1)
        squared, kept = squared.topk(min(self.k, squared.shape[1]), dim=1, largest=False)
        return replace(self, squared=squared, places=places.gather(1, kept))


def _pieces(gallery: Gallery) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    for start in range(0, len(gallery), PIECE):
        place = slice(start, min(start + PIECE, len(gallery)))
        yield place, gallery.rows[place]


def _forbidden(kin: Tensor, gallery: Gallery, place: slice) -> Tensor | None:
    return kin[:, None] == gallery.kin[place] if bool((kin != NOBODY).any()) else None


def _align(queries: Queries, gallery: Gallery, places: Tensor, ruled_out: Tensor, mirrored: Tensor) -> FoundInPixels:
    """Align each query with its candidates, a few at a time: places, ruled_out, mirrored are [N, K]."""
    parts: list[Aligned] = []
    for start in range(0, len(queries), ALIGNED_AT_ONCE):
        some = slice(start, start + ALIGNED_AT_ONCE)
        candidates = load_small(gallery.images, gallery.rows[places[some].flatten().numpy()])
        middles = middle(candidates)
        middles = middles.view(-1, places.shape[1], *middles.shape[1:])
        middles = torch.where(mirrored[some, :, None, None, None], middles.flip(-1), middles)
        parts.append(align(moved(load_small(queries.images, queries.rows[some])), middles))
    as_is = torch.cat([part.as_is for part in parts]).masked_fill(ruled_out, torch.inf)
    recoloured = torch.cat([part.recoloured for part in parts]).masked_fill(ruled_out, torch.inf)
    least = torch.cat([part.least for part in parts])
    return FoundInPixels(
        Found.sorted(as_is, places, mirrored, torch.cat([part.as_is_moves for part in parts]), least),
        Found.sorted(recoloured, places, mirrored, torch.cat([part.recoloured_moves for part in parts]), least),
    )
