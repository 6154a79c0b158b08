"""Pictures that a set holds more than once: equal ones, and ones that look alike.

Alike are candidates whose perceptual hashes differ in few bits (Zauner, 2010) and whose 16x16 thumbnails then agree
too: hashes alone take every two digits 1 for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

MOST_BITS = 6  # by which the hashes of pictures that are alike may differ
MOST_DIFFERENCE = 0.12  # root mean square, in contrasts: a copy saved anew has 0.02 to 0.1, two digits 1 over 0.15
MOST_ANYWHERE = 48  # levels, of 255: a smile is little in all and much in one place
ALL_PAIRS = 100_000  # up to so many pictures every pair is looked at: a minute
_VALUES = 16 * 16 * 3  # of a thumbnail
_BLOCK = 1024
_AT_ONCE = 1 << 14  # candidates that are compared in one step: at most 50 MB a copy

Pairs = list[tuple[int, int]]


def equal_groups(digests: Sequence[bytes]) -> list[list[int]]:
    """Places of equal values, two and more each, in order of their first; empty values are equal to nothing."""
    places: dict[bytes, list[int]] = {}
    for place, digest in enumerate(digests):
        if digest:
            places.setdefault(digest, []).append(place)
    return [group for group in places.values() if len(group) > 1]


def near_pairs(hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8], usable: NDArray[np.bool_]) -> Pairs:
    """Pairs (i < j) of pictures that look alike: [N] hashes, [N, 16, 16, 3] thumbnails, [N] which to compare.

    Up to 100 000 pictures all pairs are compared; beyond, those whose hashes agree in one of their seven parts, which
    finds the same pairs (a difference of 6 bits leaves one of seven parts alone) and is faster for photographs.
    """
    kept = np.flatnonzero(usable)
    if len(kept) < 2:
        return []
    hashes = hashes[kept]
    coarse = _coarse(thumbnails[kept])
    candidates = _all_pairs(hashes) if len(kept) <= ALL_PAIRS else _pairs_in_buckets(hashes)
    found: set[tuple[int, int]] = set()
    for pairs in candidates:
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs[start : start + _AT_ONCE]
            # Means of patches differ less than what they are means of: what is too much here is too much there.
            difference = coarse[some[:, 0]] - coarse[some[:, 1]]
            some = kept[some[(difference * difference).mean(axis=1) <= MOST_DIFFERENCE**2]]
            alike = look_alike(thumbnails[some[:, 0]], thumbnails[some[:, 1]])
            found.update((int(i), int(j)) for i, j in some[alike])
    return sorted(found)


def look_alike(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """[M]: whether the thumbnails [M, 16, 16, 3] of two pictures are near enough for one to be a copy of the other.

    Brightness and contrast are made equal first. The difference is measured in contrasts (standard deviations of the
    levels), or small bright strokes on black would all be alike.
    """
    a = first.reshape(len(first), _VALUES).astype(np.float32)
    b = second.reshape(len(second), _VALUES).astype(np.float32)
    contrasts = np.stack((a.std(axis=1), b.std(axis=1))).clip(1e-6)
    difference = (a - a.mean(axis=1, keepdims=True)) / contrasts[0, :, None]
    difference -= (b - b.mean(axis=1, keepdims=True)) / contrasts[1, :, None]
    rms = np.sqrt((difference * difference).mean(axis=1))
    largest = np.abs(difference).max(axis=1) * contrasts.min(axis=0)
    shifted = np.abs(a.mean(axis=1) - b.mean(axis=1))  # two plain pictures of different brightness are no copies
    alike = (rms <= MOST_DIFFERENCE) & (largest <= MOST_ANYWHERE) & (shifted <= MOST_ANYWHERE)
    return np.asarray(alike, np.bool_)


def grouped(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Sets of places that hang together by pairs, each sorted, in order of their first (union-find)."""
    parent: dict[int, int] = {}

    def root(place: int) -> int:
        parent.setdefault(place, place)
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for i, j in pairs:
        first, second = sorted((root(i), root(j)))
        parent[second] = first
    groups: dict[int, list[int]] = {}
    for place in sorted(parent):
        groups.setdefault(root(place), []).append(place)
    return [groups[first] for first in sorted(groups)]


def _coarse(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[N, 16, 16, 3] with brightness and contrast made equal, in means of 4x4 pixels -> [N, 48]."""
    coarse = np.empty((len(thumbnails), 48), np.float32)
    for start in range(0, len(thumbnails), _BLOCK):
        levels = thumbnails[start : start + _BLOCK].reshape(-1, _VALUES).astype(np.float32)
        levels -= levels.mean(axis=1, keepdims=True)
        levels /= levels.std(axis=1, keepdims=True).clip(1e-6)
        coarse[start : start + _BLOCK] = levels.reshape(-1, 4, 4, 4, 4, 3).mean(axis=(2, 4)).reshape(-1, 48)
    return coarse


def _all_pairs(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.intp]]:
    """[M, 2] places i < j whose hashes differ in at most MOST_BITS, block by block."""
    signs = _bits(hashes).astype(np.float32) * 2 - 1  # their product is 64 less twice the bits that differ
    for start in range(0, len(signs), _BLOCK):
        rows = signs[start : start + _BLOCK]
        for beside in range(start, len(signs), _BLOCK):
            close = rows @ signs[beside : beside + _BLOCK].T >= 64 - 2 * MOST_BITS
            pairs = np.argwhere(np.triu(close, 1) if beside == start else close)
            if len(pairs):
                yield pairs + np.array((start, beside))


def _pairs_in_buckets(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.intp]]:
    """The same, comparing only hashes that are equal in one of MOST_BITS + 1 parts."""
    bits = _bits(hashes)
    for part in np.array_split(np.arange(64), MOST_BITS + 1):
        keys = np.packbits(bits[:, part], axis=1)
        order = np.lexsort(keys.T)
        sorted_keys = keys[order]
        starts = np.flatnonzero(np.r_[True, (sorted_keys[1:] != sorted_keys[:-1]).any(axis=1)])
        for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
            if end - start > 1:
                places = np.sort(order[start:end])
                for pairs in _all_pairs(hashes[places]):
                    yield places[pairs]


def _bits(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """[N] -> [N, 64]."""
    return np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
