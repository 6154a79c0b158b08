"""Measured values -> grey levels: which window of Hounsfield units, counts or signals becomes 0 to 65535."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ganvas.errors import UsageError

WHITE = 65535
PERCENTILES = (0.5, 99.5)
MOST_SLICES = 64  # of a series or a volume that are looked at for percentiles
MOST_PIXELS = 1 << 16  # of each of them

Values = NDArray[np.float64]
WindowRule = Literal["auto", "file", "percentile"] | tuple[float, float]  # the pair: centre and width

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_PAIR = re.compile(rf"\s*({_NUMBER})\s*/\s*({_NUMBER})\s*")


@dataclass(frozen=True)
class Window:
    """Values from `low` to `high` become 0 to 65535; those beyond are clipped. NaN: could not be measured."""

    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there are ends to go by."""
        return math.isfinite(self.low) and math.isfinite(self.high)


UNKNOWN = Window(math.nan, math.nan)


def parse_window(text: str) -> WindowRule:
    """What `--window` says. Raises UsageError for anything but auto, file, percentile and CENTRE/WIDTH."""
    if text in ("auto", "file", "percentile"):
        return text  # type: ignore[return-value]
    pair = _PAIR.fullmatch(text)
    centre, width = (float(number) for number in pair.groups()) if pair else (math.nan, math.nan)
    if not math.isfinite(centre) or not math.isfinite(width) or width <= 0:
        raise UsageError(
            f"window is {text!r}: expected auto, file, percentile or CENTRE/WIDTH with a width above 0, such as "
            "40/400 (soft tissue in Hounsfield units)"
        )
    return centre, width


def linear(centre: float, width: float) -> Window:
    """The window of DICOM PS3.3 C.11.2.1.2.1, made for whole numbers: 40/400 is -160 to 239. UsageError below 1."""
    if not width >= 1:
        raise UsageError(f"window {centre:g}/{width:g} has a width below 1: these values need 1 or more")
    return Window(centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)


def linear_exact(centre: float, width: float) -> Window:
    """The window of DICOM PS3.3 C.11.2.1.3.2, for values with fractions: 0.5/1 is 0 to 1."""
    return Window(centre - width / 2, centre + width / 2)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the places 0 to count - 1, evenly spread, with both ends."""
    if count <= most:
        return list(range(count))
    return [int(place) for place in np.unique(np.linspace(0, count - 1, most).round())]


def sample(values: Values, ignored: NDArray[np.bool_] | None = None) -> Values:
    """Some of a slice's values, [H, W] -> [N] of at most some `MOST_PIXELS`, without those `ignored` and non-finite."""
    step = max(1, math.ceil(math.sqrt(values.size / MOST_PIXELS)))
    thin = values[::step, ::step]
    used = np.isfinite(thin)
    if ignored is not None:
        used &= ~ignored[::step, ::step]
    return thin[used]


def percentile_window(samples: Sequence[Values]) -> Window:
    """From the 0.5 to the 99.5 percentile of all samples; their ends where these are equal; UNKNOWN without values."""
    values = np.concatenate(samples) if samples else np.zeros(0)
    if not values.size:
        return UNKNOWN
    low, high = (float(end) for end in np.percentile(values, PERCENTILES))
    if low == high:  # a few bright pixels on a plain ground
        low, high = float(values.min()), float(values.max())
    return Window(low, high)


def to_grey(values: Values, window: Window) -> NDArray[np.uint16]:
    """`window.low` -> 0, `window.high` -> 65535, linearly, rounded and clipped; NaN and infinities -> 0. [H, W]."""
    finite = np.isfinite(values)
    if window.high > window.low:
        with np.errstate(all="ignore"):
            grey = np.nan_to_num((values - window.low) / (window.high - window.low) * WHITE)
        grey = np.rint(np.clip(grey, 0, WHITE))
    else:  # a window of width 1 is a threshold
        grey = np.where(values > window.low, WHITE, 0)
    return np.where(finite, grey, 0).astype(np.uint16)
