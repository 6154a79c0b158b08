"""What a store of a source would be: size, channels and bits, chosen from a survey of the headers."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data.decode import Header, PictureError
from ganvas.data.fit import Target, aspect_differs
from ganvas.errors import GanvasError, UsageError

if TYPE_CHECKING:
    from ganvas.data.sources import Source

SURVEYED = 1000
MIN_PICTURES = 8
MIN_SIDE = 4
SQUARES = (16, 32, 64, 128, 256)


@dataclass(frozen=True)
class StoreOptions:
    """What the user asks of a store; None leaves the choice to the survey.

    resolution: (height, width) in pixels. largest: the longest side chosen without it. channels: 1 or 3.
    labels: True requires them, False drops them. matte: the RGB, 0 to 255, under transparent pixels.
    """

    resolution: tuple[int, int] | None = None
    largest: int = 64
    channels: int | None = None
    labels: bool | None = None
    matte: tuple[int, int, int] = (255, 255, 255)


@dataclass(frozen=True)
class StorePlan:
    """What would be written: `count` pictures, less `skipped` (name, reason), as far as surveyed."""

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

    @property
    def target(self) -> Target:
        """What every picture is fitted to."""
        return Target(self.height, self.width, self.channels, self.bits, self.matte)

    @property
    def nbytes(self) -> int:
        """Bytes of all pictures, if none is skipped."""
        return self.count * self.channels * self.height * self.width * self.bits // 8


def plan_store(source: Source, options: StoreOptions) -> StorePlan:
    """Survey at most 1000 evenly spread headers and settle size, channels, bits and labels.

    Raises UsageError for options that cannot be, GanvasError if no picture can be used.
    """
    _check(source, options)
    headers, skipped = _survey(source)
    if not headers:
        raise GanvasError(f"{source.name} has no picture that can be used: {reasons(skipped)}")
    height, width = options.resolution or _chosen_size(source, headers, options.largest)
    grey_matte = len(set(options.matte)) == 1
    grey = all(header.channels == 1 or (header.channels == 2 and grey_matte) for header in headers)
    held_out = int(np.count_nonzero(source.held_out))
    return StorePlan(
        height=height,
        width=width,
        channels=options.channels or (1 if grey else 3),
        bits=16 if all(header.bits == 16 for header in headers) else 8,
        matte=options.matte,
        labelled=options.labels is not False and bool(source.class_names),
        count=len(source.names),
        train_count=len(source.names) - held_out,
        held_out_count=held_out,
        surveyed=len(headers) + len(skipped),
        skipped=tuple(skipped),
        notes=_notes(headers, height, width),
    )


def too_small(height: int, width: int) -> str | None:
    """Why a picture of this size is passed over, or None."""
    if min(height, width) >= MIN_SIDE:
        return None
    return f"{width}x{height} pixels: smaller than the least side of {MIN_SIDE}"


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
    if options.channels not in (None, 1, 3):
        raise UsageError(f"channels {options.channels} cannot be: choose 1 (grey) or 3 (RGB)")
    if len(options.matte) != 3 or not all(0 <= level <= 255 for level in options.matte):
        raise UsageError(f"matte {options.matte} is not a colour: give red, green and blue from 0 to 255")
    if options.labels and not source.class_names:
        raise UsageError(f"{source.name} has no labels ({source.labels_note}): leave out --labels or add class folders")


def _survey(source: Source) -> tuple[list[Header], list[tuple[str, str]]]:
    headers, skipped = [], []
    count = len(source.names)
    for index in np.linspace(0, count - 1, min(count, SURVEYED)).astype(int).tolist():
        try:
            header = source.header(index)
        except PictureError as error:
            skipped.append((error.name, error.reason))
            continue
        small = too_small(header.height, header.width)
        if small:
            skipped.append((source.names[index], small))
        else:
            headers.append(header)
    return headers, skipped


def _chosen_size(source: Source, headers: list[Header], largest: int) -> tuple[int, int]:
    """(height, width): the source's own wish; the size all share if small enough; else a square for most."""
    wish: tuple[int, int] | None = getattr(source, "default_resolution", None)
    if wish is not None:
        return wish
    sizes = {(header.height, header.width) for header in headers}
    if len(sizes) == 1 and max(max(sizes)) <= largest:
        return sizes.pop()
    most = min(largest, int(statistics.median(min(header.height, header.width) for header in headers)))
    square = max((side for side in SQUARES if side <= most), default=most)
    return square, square


def _notes(headers: list[Header], height: int, width: int) -> tuple[str, ...]:
    notes = []
    sizes = Counter((header.height, header.width) for header in headers)
    if len(sizes) == 1 and (own := next(iter(sizes))) != (height, width):
        what = "enlarged (bicubic)" if max(height / own[0], width / own[1]) > 1 else "shrunk (Lanczos)"
        notes.append(f"pictures of {own[1]}x{own[0]} pixels {what} to {width}x{height}")
    elif len(sizes) > 1:
        least, most = min(map(min, sizes)), max(map(max, sizes))
        notes.append(f"pictures of {len(sizes)} sizes, sides {least} to {most}, made {width}x{height}")
    cropped = sum(aspect_differs(header.height, header.width, height, width) for header in headers)
    if cropped:
        notes.append(f"{cropped} of {len(headers)} pictures looked at have another aspect: their edges are cut off")
    animated = sum(header.animated for header in headers)
    if animated:
        notes.append(f"{animated} of {len(headers)} pictures looked at have several frames: the first one is used")
    return tuple(notes)
