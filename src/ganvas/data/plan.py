"""What a store of a source would be: size, channels and bits, chosen from a survey of the headers."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data.decode import Header, PictureError
from ganvas.data.fit import MIN_SIDE, FitMode, Target, aspect_differs, patch_count, too_small
from ganvas.data.keypoints.heat_maps import KeypointMaps
from ganvas.data.options import StoreOptions
from ganvas.data.pairs import PairSource
from ganvas.errors import GanvasError, UsageError

if TYPE_CHECKING:
    from ganvas.data.contract import Source

SURVEYED = 1000
MIN_PICTURES = 8
SQUARES = (16, 32, 64, 128, 256)


@dataclass(frozen=True)
class StorePlan:
    """What would be written: `count` pictures, less `skipped` (name, reason), as far as surveyed.

    sides: of pairs the channels of A and B; `channels` is their sum. With patches the counts are estimates.
    """

    height: int
    width: int
    channels: int
    bits: int
    matte: tuple[int, int, int]
    labelled: bool
    count: int
    train_count: int
    held_out_count: int
    surveyed: int
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    fit: FitMode = "crop"
    sides: tuple[int, ...] = ()
    keypoints: KeypointMaps | None = None  # what the channels of A are, where A is points
    wished: bool = False  # the size is the one that the source itself recommends

    @property
    def target(self) -> Target:
        """What every picture is fitted to."""
        return Target(self.height, self.width, self.channels, self.bits, self.matte, self.fit, self.sides)

    @property
    def nbytes(self) -> int:
        """Bytes of all pictures, if none is skipped."""
        return self.count * self.channels * self.height * self.width * self.bits // 8


def plan_store(source: Source, options: StoreOptions) -> StorePlan:
    """Survey at most 1000 evenly spread headers and settle size, channels, bits and labels.

    Raises UsageError for options that cannot be, GanvasError if no picture can be used.
    """
    _check(source, options)
    surveyed, skipped = _survey(source)
    if not surveyed:
        raise GanvasError(f"{source.name} has no picture that can be used: {reasons(skipped)}")
    headers = [each[0] for each in surveyed]
    height, width = options.resolution or _chosen_size(source, headers, options)
    each_side = tuple(_channels([each[i] for each in surveyed], options) for i in range(len(surveyed[0])))
    keypoints = source.keypoints if isinstance(source, PairSource) else None
    if keypoints is not None:
        each_side = len(keypoints.names), each_side[1]
    sides = each_side if len(each_side) > 1 else ()
    held_out = int(np.count_nonzero(source.held_out))
    plan = StorePlan(
        height=height,
        width=width,
        channels=sum(each_side),
        bits=16 if all(header.bits == 16 for each in surveyed for header in each) else 8,
        matte=options.matte,
        labelled=options.labels is not False and bool(source.class_names),
        count=len(source.names),
        train_count=len(source.names) - held_out,
        held_out_count=held_out,
        surveyed=len(headers) + len(skipped),
        skipped=tuple(skipped),
        notes=_notes(headers, height, width, options.fit),
        fit=options.fit,
        sides=sides,
        keypoints=keypoints,
        wished=options.resolution is None and source.default_resolution is not None,
    )
    return _with_patches(plan, headers) if options.fit == "patch" else plan


def _with_patches(plan: StorePlan, headers: list[Header]) -> StorePlan:
    """The plan with its counts times the patches that a picture gives on average."""
    each = sum(patch_count(header.height, header.width, plan.target) for header in headers) / len(headers)
    train, held_out = round(plan.train_count * each), round(plan.held_out_count * each)
    return replace(plan, count=train + held_out, train_count=train, held_out_count=held_out)


def reasons(skipped: list[tuple[str, str]], most: int = 5) -> str:
    """The first few pictures that cannot be used, and why, in one line."""
    listed = "; ".join(f"{name} ({reason})" for name, reason in skipped[:most])
    return listed + (f"; and {len(skipped) - most} more" if len(skipped) > most else "")


def _check(source: Source, options: StoreOptions) -> None:
    if options.resolution is not None and min(options.resolution) < MIN_SIDE:
        height, width = options.resolution
        raise UsageError(f"resolution {height}x{width} is too small: both sides must be at least {MIN_SIDE}")
    if options.largest < MIN_SIDE:
        raise UsageError(f"largest side {options.largest} is too small: it must be at least {MIN_SIDE}")
    if options.channels not in (None, 1, 3, 4):
        raise UsageError(f"channels {options.channels} cannot be: choose 1 (grey), 3 (RGB) or 4 (RGB and alpha)")
    if options.fit not in ("crop", "pad", "squash", "patch"):
        raise UsageError(f"fit {options.fit!r} cannot be: choose crop, pad, squash or patch")
    if options.fit == "patch" and isinstance(source, PairSource) and source.keypoints is not None:
        raise UsageError("--fit patch: points are of whole pictures, not of patches: give --fit crop, pad or squash")
    if len(options.matte) != 3 or not all(0 <= level <= 255 for level in options.matte):
        raise UsageError(f"matte {options.matte} is not a colour: give red, green and blue from 0 to 255")
    if options.labels and not source.class_names:
        raise UsageError(f"{source.name} has no labels ({source.labels_note}): leave out --labels or add class folders")


def _survey(source: Source) -> tuple[list[tuple[Header, ...]], list[tuple[str, str]]]:
    """The headers of evenly spread pictures (of both sides of pairs), and what cannot be used."""
    found: list[tuple[Header, ...]] = []
    skipped: list[tuple[str, str]] = []
    count = len(source.names)
    for index in np.linspace(0, count - 1, min(count, SURVEYED)).astype(int).tolist():
        try:
            each: tuple[Header, ...] = (
                source.headers(index) if isinstance(source, PairSource) else (source.header(index),)
            )
        except PictureError as error:
            skipped.append((error.name, error.reason))
            continue
        small = next((why for header in each if (why := too_small(header.height, header.width))), None)
        if small:
            skipped.append((source.names[index], small))
        else:
            found.append(each)
    return found, skipped


def _channels(headers: list[Header], options: StoreOptions) -> int:
    """What the user asked for, or grey where nothing has colour, or RGB."""
    grey_matte = len(set(options.matte)) == 1
    grey = all(header.channels == 1 or (header.channels == 2 and grey_matte) for header in headers)
    return options.channels or (1 if grey else 3)


def _chosen_size(source: Source, headers: list[Header], options: StoreOptions) -> tuple[int, int]:
    """(height, width): the source's own wish; the size all share if small enough; else a square for most."""
    largest = options.largest
    if source.default_resolution is not None:
        return source.default_resolution
    sizes = {(header.height, header.width) for header in headers}
    if len(sizes) == 1 and max(max(sizes)) <= largest:
        return sizes.pop()
    most = min(largest, int(statistics.median(min(header.height, header.width) for header in headers)))
    square = max((side for side in SQUARES if side <= most), default=most)
    return square, square


_OTHER_ASPECT = {"crop": "their edges are cut off", "pad": "bars are added", "squash": "they are stretched"}


def _notes(headers: list[Header], height: int, width: int, fit: FitMode) -> tuple[str, ...]:
    notes = []
    if fit == "patch":
        notes.append(f"pictures are cut into patches of {width}x{height} pixels, not scaled")
        smaller = sum(header.height < height or header.width < width for header in headers)
        if smaller:
            notes.append(f"{smaller} of {len(headers)} pictures looked at are smaller than a patch: they are enlarged")
        return (*notes, *_animated(headers))
    sizes = Counter((header.height, header.width) for header in headers)
    if len(sizes) == 1 and (own := next(iter(sizes))) != (height, width):
        what = "enlarged (bicubic)" if max(height / own[0], width / own[1]) > 1 else "shrunk (Lanczos)"
        notes.append(f"pictures of {own[1]}x{own[0]} pixels {what} to {width}x{height}")
    elif len(sizes) > 1:
        least, most = min(map(min, sizes)), max(map(max, sizes))
        notes.append(f"pictures of {len(sizes)} sizes, sides {least} to {most}, made {width}x{height}")
    other = sum(aspect_differs(header.height, header.width, height, width) for header in headers)
    if other:
        notes.append(f"{other} of {len(headers)} pictures looked at have another aspect: {_OTHER_ASPECT[fit]}")
    return (*notes, *_animated(headers))


def _animated(headers: list[Header]) -> list[str]:
    animated = sum(header.animated for header in headers)
    if not animated:
        return []
    return [f"{animated} of {len(headers)} pictures looked at have several frames: the first one is used"]
