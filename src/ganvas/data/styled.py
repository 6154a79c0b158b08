"""Photos beside a style: random crops of both, as two kinds of pictures that do not belong together.

A style is one picture or a few, from which as many crops are cut as training wants pictures (Park et al., 2020, on
translation between single pictures). A crop's sides lie anywhere between the wanted size and the largest that fits the
picture, evenly on a logarithmic scale, so that strokes and shapes are seen. Crops depend on nothing but the pictures
and the size: the same call gives the same ones.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganvas.data.contract import Source, SourceDefaults
from ganvas.data.decode import SUFFIXES, Header, Pixels
from ganvas.data.files.folders import PathListSource
from ganvas.data.sources import open_source
from ganvas.errors import GanvasError, UsageError

KINDS = ("photos", "style")
CROPS, HELD_OUT_CROPS = 1_000, 200  # of each kind at least; of photos that are kept from training
SET_ASIDE = 10  # one photo in so many, where there are as many and none is held out
_VERSION = 1  # of how crops are drawn


class _Crop(NamedTuple):
    """One crop: of which kind and picture, and three numbers in [0, 1] for its size and its place."""

    kind: int
    picture: int
    size: float
    down: float
    across: float


class StyledSource(SourceDefaults):
    """Crops of photos (kind 0) and of a style (kind 1) for pictures of (height, width) pixels. See `contract.Source`.

    Of photos that are held out, or of the last tenth where none is, come the held-out crops; the style has none. Raises
    GanvasError where a picture of the style is smaller than that.
    """

    class_names = KINDS
    labels_note = "the photos and the style"

    def __init__(self, photos: Source, style: Source, resolution: tuple[int, int]) -> None:
        self.name, self._sources, self._resolution = photos.name, (photos, style), resolution
        self._refuse_small(style)
        held_out = _held_out(photos)
        kept = np.flatnonzero(held_out)
        several = [
            (0, np.flatnonzero(~held_out), CROPS),
            *([(0, kept, HELD_OUT_CROPS)] if len(kept) else []),
            (1, np.arange(len(style.names)), CROPS),
        ]
        self._crops = [crop for part in several for crop in _drawn(*part)]
        self.names = [self._name(number, crop) for number, crop in enumerate(self._crops)]
        self.labels = np.array([crop.kind for crop in self._crops], np.int64)
        self.held_out = np.array([crop.kind == 0 and held_out[crop.picture] for crop in self._crops], np.bool_)
        self.notes = (*photos.notes, f"crops of {_counted(photos, 'photo')}, and of {_counted(style, 'style picture')}")
        given = [_VERSION, CROPS, photos.fingerprint, style.fingerprint, *resolution]
        self.fingerprint = hashlib.sha256(" ".join(map(str, given)).encode()).hexdigest()
        self._decoded: tuple[tuple[int, int], Pixels] | None = None  # the crops of a picture are read in a row

    def header(self, index: int) -> Header:
        """What the crop is. Raises PictureError."""
        crop = self._crops[index]
        whole = self._sources[crop.kind].header(crop.picture)
        _, _, height, width = self._box(crop, whole.height, whole.width)
        return Header(width, height, whole.channels, whole.bits)

    def read(self, index: int) -> Pixels:
        """One crop: [h, w, C] uint8 or uint16. Raises PictureError."""
        crop = self._crops[index]
        place = crop.kind, crop.picture
        if self._decoded is None or self._decoded[0] != place:
            self._decoded = place, self._sources[crop.kind].read(crop.picture)
        picture = self._decoded[1]
        top, left, height, width = self._box(crop, *picture.shape[:2])
        return picture[top : top + height, left : left + width]

    def _box(self, crop: _Crop, rows: int, columns: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of a crop of a picture of that size: all that fits of one that is too small."""
        height, width = self._resolution
        largest = min(rows / height, columns / width)
        scale = largest**crop.size if largest > 1 else largest
        height, width = min(rows, round(scale * height)), min(columns, round(scale * width))
        return round(crop.down * (rows - height)), round(crop.across * (columns - width)), height, width

    def _name(self, number: int, crop: _Crop) -> str:
        return f"{KINDS[crop.kind]}/{self._sources[crop.kind].names[crop.picture]}[{number}]"

    def _refuse_small(self, style: Source) -> None:
        height, width = self._resolution
        for index, name in enumerate(style.names):
            found = style.header(index)
            if found.height < height or found.width < width:
                raise GanvasError(
                    f"--style: {name} is {found.width}x{found.height} pixels, smaller than the {width}x{height} that "
                    "are trained on: give a larger picture, or a smaller --resolution"
                )


def open_styled(photos: Source, style: str, resolution: tuple[int, int]) -> StyledSource:
    """Photos beside the style of a picture, or of all pictures of a folder or another source.

    Raises UsageError for photos with classes, GanvasError for a style that is not there, empty or too small.
    """
    if photos.class_names:
        names = ", ".join(photos.class_names[:3]) + (", ..." if len(photos.class_names) > 3 else "")
        raise UsageError(
            f"{photos.name} has {len(photos.class_names)} kinds of pictures of its own ({names}): with --style give "
            "photos of one kind, such as one of its folders, or leave out --style"
        )
    return StyledSource(photos, _open_style(style), resolution)


def _open_style(style: str) -> Source:
    path = Path(style).expanduser()
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return PathListSource(style, [path.absolute()])
    try:
        return open_source(path)
    except GanvasError as error:
        raise type(error)(f"--style: {error}") from None


def _held_out(photos: Source) -> NDArray[np.bool_]:
    """Which photos are kept from training: those of the source, or the last tenth."""
    count = len(photos.names)
    if photos.held_out.any() and not photos.held_out.all():
        return photos.held_out
    aside: NDArray[np.bool_] = np.arange(count) >= count - count // SET_ASIDE
    return aside


def _drawn(kind: int, pictures: NDArray[np.int64], least: int) -> list[_Crop]:
    """Crops of each of those pictures, in turn, so many that they are at least `least`."""
    each = -(-least // len(pictures))
    words = np.random.Philox(np.random.SeedSequence((_VERSION, kind, least))).random_raw((len(pictures) * each, 3))
    numbers = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53  # the same in every version of numpy
    return [_Crop(kind, int(pictures[row // each]), *map(float, three)) for row, three in enumerate(numbers)]


def _counted(source: Source, what: str) -> str:
    count = len(source.names)
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
