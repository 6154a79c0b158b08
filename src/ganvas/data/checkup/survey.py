"""What a set of pictures is, in numbers: every picture looked at, or an evenly spread sample of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ganvas.data.checkup.duplicates import equal_groups, grouped, near_pairs
from ganvas.data.checkup.examine import THUMBNAIL, FileFacts, examine, examine_pixels
from ganvas.data.checkup.mirror import MirrorSafety, mirror_safety
from ganvas.data.contract import Source
from ganvas.data.decode import PictureError
from ganvas.data.decoders import Decoders, Failed, Item
from ganvas.data.fit import too_small
from ganvas.data.pairs import file_reader

Progress = Callable[[int, int], None]  # pictures looked at, pictures to look at
Counts = tuple[tuple[str, int], ...]

MOST_LISTED = 1000  # groups, pairs and skipped files that are kept by name
MIRROR_SAMPLE = 2000
_SIDES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_ASPECTS = (
    ("narrower than 1:2", 0.5),
    ("1:2 to 3:4", 0.75),
    ("3:4 to square", 0.98),
    ("square", 1.0 / 0.98),
    ("square to 4:3", 4 / 3),
    ("4:3 to 2:1", 2.0),
    ("wider than 2:1", float("inf")),
)


@dataclass(frozen=True)
class Groups:
    """Pictures that are equal or alike. count: groups in all; extra: pictures beyond the first of each group."""

    count: int
    extra: int
    names: tuple[tuple[str, ...], ...]  # of the first MOST_LISTED groups


@dataclass(frozen=True)
class Leaks:
    """Held-out pictures that training would see. names: (held out, training) of the first MOST_LISTED."""

    count: int
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Survey:
    """What was seen. Counts of pictures are of those looked at and usable, but for `pictures`, the splits and classes.

    examples: up to five names each of blank, letterboxed, ... pictures. quality: least, median and greatest of the
    JPEG files. colour: mean red, green and blue; colour_spread: how far the mean colours of pictures differ, in
    levels of 255. height_width: pictures of each size.
    """

    source: str
    pictures: int
    train: int
    held_out: int
    looked_at: int
    usable: int
    usable_train: int
    nbytes: int
    formats: Counts
    modes: Counts
    channels: Counts
    sizes: Counts
    sides: Counts
    aspects: Counts
    classes: Counts
    labels_note: str
    notes: tuple[str, ...]
    skipped_count: int
    skipped: tuple[tuple[str, str], ...]
    too_small: tuple[str, ...]
    same_files: Groups
    same_pixels: Groups
    near: Groups
    leaks: Leaks
    near_leaks: Leaks
    split_groups: int
    lossy: int
    quality: tuple[int, int, int] | None
    counted: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]
    colour: tuple[float, float, float]
    colour_spread: float
    contrast: float
    mirror: MirrorSafety
    height_width: Mapping[tuple[int, int], int] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether every picture was looked at."""
        return self.looked_at == self.pictures


@dataclass
class _Seen:
    """Facts of usable pictures and their places in the source, and what could not be used."""

    facts: list[FileFacts] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    small: list[str] = field(default_factory=list)


# What is counted of single pictures, by the name that findings use.
_COUNTED: dict[str, Callable[[FileFacts], bool]] = {
    "blank": lambda facts: facts.blank,
    "letterbox": lambda facts: facts.bars > 0 and facts.transparent is None,
    "surround": lambda facts: facts.surround > 0,
    "grey-in-colour": lambda facts: facts.grey_in_colour,
    "transparent": lambda facts: bool(facts.transparent),
    "turned": lambda facts: facts.turned,
    "place": lambda facts: facts.gps,
    "frames": lambda facts: facts.frames > 1,
    "suffix": lambda facts: not facts.suffix_fits,
    "cmyk": lambda facts: facts.mode == "CMYK",
    "deep": lambda facts: facts.bits == 16,
    "grey": lambda facts: facts.channels < 3,
}


def survey(source: Source, places: Sequence[int], progress: Progress | None = None) -> tuple[Survey, list[FileFacts]]:
    """Look at the pictures in these places, each decoded once, and give the numbers and the facts of each."""
    seen = _look(source, places, progress)
    facts = seen.facts
    names = [item.name for item in facts]
    held_out = np.asarray(source.held_out, bool)
    held = held_out[seen.places] if facts else np.zeros(0, bool)
    thumbnails = thumbnails_of(facts)
    same_files = equal_groups([item.sha256 for item in facts])
    same_pixels = equal_groups([item.pixels_sha256 for item in facts])
    alone = np.array([not item.blank for item in facts], bool)
    for group in same_pixels:  # one picture stands for all that are equal to it
        alone[group[1:]] = False
    hashes = np.array([item.phash for item in facts], np.uint64)
    near = near_pairs(hashes, thumbnails, alone)
    qualities = [item.quality for item in facts if item.quality is not None]
    colours = thumbnails.reshape(len(facts), -1, 3).mean(axis=1) if facts else np.zeros((1, 3))
    some = np.flatnonzero(alone)
    some = some[np.linspace(0, len(some) - 1, min(len(some), MIRROR_SAMPLE)).astype(int)]
    sizes = Counter((item.height, item.width) for item in facts)
    result = Survey(
        source=source.name,
        pictures=len(source.names),
        train=int(np.count_nonzero(~held_out)),
        held_out=int(np.count_nonzero(held_out)),
        looked_at=len(places),
        usable=len(facts),
        usable_train=int(np.count_nonzero(~held)),
        nbytes=sum(item.nbytes for item in facts),
        formats=_counts(item.format for item in facts),
        modes=_counts(item.mode for item in facts),
        channels=_counts(str(item.channels) for item in facts),
        sizes=tuple((f"{width}x{height}", count) for (height, width), count in sizes.most_common(20)),
        sides=_side_counts(facts),
        aspects=_aspect_counts(facts),
        classes=_class_counts(source),
        labels_note=source.labels_note,
        notes=tuple(source.notes),
        skipped_count=len(seen.skipped),
        skipped=tuple(seen.skipped[:MOST_LISTED]),
        too_small=tuple(seen.small),
        same_files=_groups(same_files, names),
        same_pixels=_groups(same_pixels, names),
        near=_groups(grouped(near), names),
        leaks=_leaks(same_pixels, held, names),
        near_leaks=_leaks(near, held, names),
        split_groups=_split_groups(getattr(source, "groups", None), held_out),
        lossy=sum(item.lossy is True for item in facts),
        quality=(min(qualities), round(statistics.median(qualities)), max(qualities)) if qualities else None,
        counted={kind: sum(map(test, facts)) for kind, test in _COUNTED.items()},
        examples={kind: tuple(x.name for x in facts if test(x))[:5] for kind, test in _COUNTED.items()},
        colour=_three(colours.mean(axis=0)),
        colour_spread=round(float(colours.std(axis=0).max()), 1),
        contrast=round(float(np.mean([np.mean(item.deviation) for item in facts])), 1) if facts else 0.0,
        mirror=mirror_safety(thumbnails[some]),
        height_width=dict(sizes),
    )
    return result, facts


def facts_of(
    source: Source, places: Sequence[int], preview: int | None, processes: int | None = None
) -> Iterator[tuple[int, FileFacts | Failed]]:
    """(place, facts) of each picture in turn; those of files come from processes that can die of them unharmed."""
    files_of = file_reader(source)
    if files_of is None:
        for place in places:
            try:
                yield place, examine_pixels(source.read(place), source.names[place], preview)
            except PictureError as error:
                yield place, Failed(error.name, error.reason)
        return
    unread: dict[int, Failed] = {}

    def items() -> Iterator[Item]:
        for place in places:
            data: tuple[bytes, ...] = ()
            try:
                data = files_of(place)
            except PictureError as error:
                unread[place] = Failed(error.name, error.reason)
            yield data, source.names[place]

    with Decoders(processes) as decoders:
        for place, facts in zip(places, decoders.map(examine, items(), preview), strict=True):
            yield place, unread.pop(place, facts)


def thumbnails_of(facts: Sequence[FileFacts]) -> NDArray[np.uint8]:
    """[N, 16, 16, 3] uint8."""
    data = b"".join(item.thumbnail for item in facts)
    return np.frombuffer(data, np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL, 3)


def _look(source: Source, places: Sequence[int], progress: Progress | None) -> _Seen:
    seen = _Seen()
    for done, (place, facts) in enumerate(facts_of(source, places, None), 1):
        if isinstance(facts, Failed):
            seen.skipped.append((facts.name, facts.reason))
        elif (small := too_small(facts.height, facts.width)) is not None:
            seen.skipped.append((facts.name, small))
            seen.small.append(facts.name)
        else:
            seen.facts.append(facts)
            seen.places.append(place)
        if progress is not None:
            progress(done, len(places))
    return seen


def _counts(values: Iterable[str]) -> Counts:
    return tuple(Counter(values).most_common())


def _side_counts(facts: Sequence[FileFacts]) -> Counts:
    """How many pictures have their shorter side in each octave."""
    sides = np.array([min(item.height, item.width) for item in facts])
    found = [(f"{low}-{high - 1}", int(((sides >= low) & (sides < high)).sum())) for low, high in pairwise(_SIDES)]
    found.append((f"{_SIDES[-1]} and more", int((sides >= _SIDES[-1]).sum())))
    filled = [place for place, (_, count) in enumerate(found) if count]
    return tuple(found[filled[0] : filled[-1] + 1]) if filled else ()


def _aspect_counts(facts: Sequence[FileFacts]) -> Counts:
    if not facts:
        return ()
    limits = [limit for _, limit in _ASPECTS]
    places = np.searchsorted(limits, [item.width / item.height for item in facts])
    counts = np.bincount(places, minlength=len(_ASPECTS)).tolist()
    return tuple((words, count) for (words, _), count in zip(_ASPECTS, counts, strict=True))


def _class_counts(source: Source) -> Counts:
    """Training pictures of each class, of the whole source: labels are known without looking."""
    if source.labels is None or not source.class_names:
        return ()
    labels = np.asarray(source.labels)[~np.asarray(source.held_out, bool)]
    counts = np.bincount(labels[labels >= 0], minlength=len(source.class_names)).tolist()
    return tuple(zip(source.class_names, counts, strict=True))


def _groups(groups: Sequence[Sequence[int]], names: Sequence[str]) -> Groups:
    listed = tuple(tuple(names[place] for place in group[:20]) for group in groups[:MOST_LISTED])
    return Groups(len(groups), sum(map(len, groups)) - len(groups), listed)


def _leaks(groups: Iterable[Sequence[int]], held: NDArray[np.bool_], names: Sequence[str]) -> Leaks:
    """Every held-out picture that has a training picture in its group, once."""
    found: dict[int, int] = {}
    for group in groups:
        training = next((place for place in group if not held[place]), None)
        if training is not None:
            for place in group:
                if held[place]:
                    found.setdefault(place, training)
    listed = [(names[i], names[j]) for i, j in list(found.items())[:MOST_LISTED]]
    return Leaks(len(found), tuple(listed))


def _split_groups(groups: NDArray[np.int64] | None, held_out: NDArray[np.bool_]) -> int:
    """How many groups (patients, videos) have pictures on both sides."""
    if groups is None:
        return 0
    return len(np.intersect1d(groups[held_out], groups[~held_out]))


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 1) for value in values)
    return red, green, blue
