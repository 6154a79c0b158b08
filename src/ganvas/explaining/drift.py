"""How the pictures of fixed seeds changed over training, from the sheets that a run keeps of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganvas.curves import Line
from ganvas.evaluation.rows import spread
from ganvas.images import Integers
from ganvas.report import count
from ganvas.training.sheets import COLUMNS

MOST_MOMENTS = 24
SHOWN_MOMENTS, SHOWN_SEEDS = 8, 8
GAP = 2  # pixels between the pictures of a sheet, as `images.grid` leaves
LATE = 0.9  # of the images: what has changed since then, or a little longer, is how much still moves
SETTLED = 0.5  # of the largest change: below, the pictures are said to be settling

_SHEET = re.compile(r"fakes(?:_init|\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Moment:
    """The pictures of the fixed seeds [N, H, W, C] after so many real images were seen."""

    images: int
    pictures: Integers


@dataclass(frozen=True)
class Drift:
    """Moments in order of images. changes: one less, mean difference to the moment before, 1 from black to white.

    between_seeds: of each moment, mean difference between the pictures of neighbouring seeds. late: the number of the
    last moment that lies a tenth of the run before the end, and the mean difference of the end to it.
    """

    moments: tuple[Moment, ...]
    changes: tuple[float, ...]
    between_seeds: tuple[float, ...]
    late: tuple[int, float]
    notes: tuple[str, ...]

    @property
    def lines(self) -> list[Line]:
        """For a chart: differences in per cent of the range from black to white, over images seen."""
        x = [float(moment.images) for moment in self.moments]
        return [
            Line("change since the sheet before", x[1:], [100 * change for change in self.changes]),
            Line("difference between seeds", x, [100 * each for each in self.between_seeds]),
        ]

    @property
    def shown(self) -> list[Moment]:
        """At most eight moments, spread from first to last."""
        return [self.moments[i] for i in spread(len(self.moments), SHOWN_MOMENTS)]

    @property
    def shown_seeds(self) -> NDArray[np.int64]:
        """Places on the sheets of at most eight seeds: of a sheet with a row for each class, one of each row."""
        return spread(len(self.moments[-1].pictures), SHOWN_SEEDS)

    @property
    def words(self) -> list[str]:
        if len(self.moments) < 2:
            return ["There are fewer than two sheets of the same seeds, so nothing can be said of their drift."]
        (since, moved), last = self.late, self.moments[-1].images
        said = [
            f"From {count(self.moments[since].images)} to {count(last)} images the pictures of the same seeds "
            f"changed by {100 * moved:.1f} % of the range from black to white; pictures of different seeds lie "
            f"{100 * self.between_seeds[-1]:.1f} % apart."
        ]
        most = max(range(len(self.changes)), key=lambda i: self.changes[i])
        span = f"{count(self.moments[most].images)} and {count(self.moments[most + 1].images)} images"
        if moved < SETTLED * self.changes[most]:
            said.append(f"They changed most between {span} and are settling.")
        else:
            said.append(f"They changed most between {span} and have not settled: what a seed shows still moves.")
        if self.between_seeds[-1] < SETTLED * max(self.between_seeds):
            said.append("The seeds have grown alike: they lie less than half as far apart as they once did.")
        return said

    def to_json(self) -> dict[str, Any]:
        return {
            "images": [moment.images for moment in self.moments],
            "change_since_before": list(self.changes),
            "between_seeds": list(self.between_seeds),
            "notes": list(self.notes),
        }


def find_drift(folder: Path, height: int, width: int) -> Drift:
    """Of the sheets `fakes*.png` in a folder, at most 24 spread over the run, of pictures of that size."""
    found, notes = [], []
    for path in sorted(folder.glob("fakes*.png")):
        if not _SHEET.fullmatch(path.stem):
            continue
        try:
            found.append((_images_seen(path), path))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            notes.append(f"{path.name} cannot be read ({type(error).__name__})")
    by_moment = sorted(dict(found).items())  # the last sheet of a run may be of a moment that has one already
    moments: list[Moment] = []
    for i in spread(len(by_moment), MOST_MOMENTS):
        images, path = by_moment[i]
        try:
            pictures = cut(_pixels(path), height, width)
        except (OSError, SyntaxError, ValueError) as error:
            notes.append(f"{path.name} cannot be used: {error}")
            continue
        if moments and pictures.shape != moments[0].pictures.shape:
            notes.append(f"{path.name} holds other pictures than the first sheet")
            continue
        moments.append(Moment(images, pictures))
    return drift_of(moments, tuple(notes))


def drift_of(moments: Sequence[Moment], notes: tuple[str, ...] = ()) -> Drift:
    """The changes between moments of pictures of the same shape."""
    changes = [difference(a.pictures, b.pictures) for a, b in pairwise(moments)]
    apart = [difference(moment.pictures, np.roll(moment.pictures, 1, axis=0)) for moment in moments]
    late = (0, 0.0)
    if len(moments) > 1:
        early = [i for i, moment in enumerate(moments[:-1]) if moment.images <= LATE * moments[-1].images]
        since = early[-1] if early else 0
        late = since, difference(moments[since].pictures, moments[-1].pictures)
    return Drift(tuple(moments), tuple(changes), tuple(apart), late, notes)


def difference(a: Integers, b: Integers) -> float:
    """Mean absolute difference of pixels, 0 to 1: integers of one shape and type."""
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).mean() / np.iinfo(a.dtype).max)


def cut(sheet: Integers, height: int, width: int, columns: int = COLUMNS) -> Integers:
    """Undo `images.enlarge` of an `images.grid`: [H, W, C] -> [N, height, width, C]. Raises ValueError otherwise."""
    factor, rest = divmod(sheet.shape[1], columns * (width + GAP) + GAP)
    rows, more = divmod(sheet.shape[0] // max(factor, 1) - GAP, height + GAP)
    if rest or factor < 1 or sheet.shape[0] % factor or more or rows < 1:
        raise ValueError(
            f"{sheet.shape[1]}x{sheet.shape[0]} pixels are no sheet with {columns} pictures of {width}x{height} a row"
        )
    small = sheet[::factor, ::factor]
    tops, lefts = range(GAP, small.shape[0] - GAP, height + GAP), range(GAP, small.shape[1] - GAP, width + GAP)
    found = [small[top : top + height, left : left + width] for top in tops for left in lefts]
    return cast(Integers, np.stack(found))


def _images_seen(path: Path) -> int:
    """How many images G had seen: as the sheet itself says (its model may be an earlier one), or else its name."""
    with Image.open(path, formats=["PNG"]) as image:
        image.load()
        told = str(image.info.get("images_seen", ""))
    if told.isdigit():
        return int(told)
    name = path.stem.removeprefix("fakes")
    return 0 if name == "_init" else round(1000 * float(name))


def _pixels(path: Path) -> Integers:
    with Image.open(path, formats=["PNG"]) as image:
        pixels = np.asarray(image)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"its pixels are {pixels.dtype}, expected 8 or 16 bits")
    return cast(Integers, pixels if pixels.ndim == 3 else pixels[..., None])
