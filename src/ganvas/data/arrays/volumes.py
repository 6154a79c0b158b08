"""Volumes in arrays -> pictures: each is cut into slices, which keep its name, its label and its columns.

A row is a volume if it has three sides that cannot be those of a picture: [D, H, W], where neither D nor W can be
channels, or [D, H, W, C] with 1 to 4 channels. Slices lie as they are stored, the first axis that is left downwards:

| plane    | cut along       | a slice                |
|----------|-----------------|------------------------|
| axial    | the first axis  | [H, W], or [H, W, C]   |
| coronal  | the second axis | [D, W], or [D, W, C]   |
| sagittal | the third axis  | [D, H], or [D, H, C]   |

"train[12]/slice-007" is the slice at place 7 of volume 12, both counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.array_source import MOST_PICTURES, ArrayPart, ArraySource, can_be_pictures, levels_of
from ganvas.data.arrays.blocks import CHEAP_BYTES, Blocks
from ganvas.data.arrays.levels import DAMAGE, ROUNDING, SAMPLED, Levels, Rows, evenly_spread
from ganvas.data.decode import LARGEST_PIXELS
from ganvas.data.download import Progress
from ganvas.data.medical.slices import FILLED_LEVEL, FILLED_SHARE, chosen_places, parse_slices
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError

LARGEST_READ = 1 << 29  # bytes of a volume that must be read as a whole; those of a mapped file need not be
_AXES = {"axial": 0, "coronal": 1, "sagittal": 2}


@dataclass(frozen=True)
class VolumePart(ArrayPart):
    """A part whose pictures are slices. of: slices that there are; places: [count, 2], volume and place in it."""

    volumes: Rows
    of: int
    places: NDArray[np.int64]


def are_volumes(shape: tuple[int, ...]) -> bool:
    """Whether rows of an array of this shape are volumes: [N, D, H, W], or [N, D, H, W, C] with 1 to 4 channels."""
    return (len(shape) == 4 and not can_be_pictures(shape)) or (len(shape) == 5 and shape[4] in (1, 2, 3, 4))


def volume_part(
    name: str,
    part: str,
    volumes: Rows,
    values: NDArray[np.generic] | None,
    options: SourceOptions,
    progress: Progress | None = None,
) -> VolumePart:
    """The `part` of the source `name` whose pictures are slices of `volumes`, as options.plane and .slices say.

    values: a label per volume, or None. slices: "all", "middle", "every:N", or "filled": those with 5 % of their
    pixels above 5 % of the range of their volume, for which every volume is read once here, with progress("reading
    volumes", done, total). Raises GanvasError for volumes that cannot be used, UsageError for bad options.
    """
    rule, axis, what = parse_slices(options.slices), _AXES[options.plane], f"{part} volumes of {name}"
    _check(what, volumes, axis)
    if values is not None and len(values) != volumes.shape[0]:
        raise GanvasError(
            f"{name} has {volumes.shape[0]} {part} volumes but {len(values)} labels for them: there must be one "
            "label per volume"
        )
    count, deep = volumes.shape[0], volumes.shape[1 + axis]
    sampled = _Slices(volumes, axis, _places(_looked_at(volumes), [np.arange(deep)] * count))
    levels = levels_of(what, sampled, range(sampled.shape[0]))
    if rule[0] == "filled":
        chosen = []
        for volume in range(count):
            chosen.append(_filled(volumes, volume, axis, levels))
            if progress is not None:
                progress("reading volumes", volume + 1, count)
    else:
        chosen = [np.array(chosen_places(rule, deep), np.int64)] * count
    places = _places(range(count), chosen)
    if not len(places):
        raise GanvasError(
            f"no {options.plane} slice of the {what} is filled (5 % of its pixels above the darkest): use --slices all"
        )
    return VolumePart(
        part,
        _Slices(volumes, axis, places),
        levels,
        channels_first=False,
        label_values=None if values is None else values[places[:, 0]],
        held_out=part != "train",
        volumes=volumes,
        of=count * deep,
        places=places,
    )


class VolumeSource(ArraySource):
    """Slices of volumes, of which each is a group. See `ganvas.data.contract.Source`."""

    def __init__(
        self,
        name: str,
        parts: Sequence[VolumePart],
        class_names: Sequence[str] | None,
        fingerprint: str,
        origin: str,
        notes: Sequence[str],
        options: SourceOptions,
        *,
        in_order: bool = False,
    ) -> None:
        """`fingerprint` is that of the arrays and of `options`, with which the parts were made."""
        size = "x".join(map(str, parts[0].volumes.shape[1:4]))
        used, total = sum(part.count for part in parts), sum(part.of for part in parts)
        without = sum(part.volumes.shape[0] - len(np.unique(part.places[:, 0])) for part in parts)
        told = f"volumes of {size} cut into slices (--slices, --plane): {used:,} of {total:,} {options.plane} slices"
        if options.slices == "filled":
            told += ", those that are filled"
        if without:
            told += f"; {without:,} of the volumes have none"
        super().__init__(name, parts, class_names, fingerprint, origin, (told, *notes), in_order=in_order)
        parts = parts[: len(self._counts)]  # those with labels, if the first has
        digits = max(3, len(str(max(int(part.places[:, 1].max()) for part in parts))))
        self.names = [
            f"{part.name}[{volume}]/slice-{place:0{digits}d}"
            for part in parts
            for volume, place in part.places.tolist()
        ]
        starts = np.cumsum([0, *(part.volumes.shape[0] for part in parts)])
        self.groups = np.concatenate(
            [part.places[:, 0] + start for part, start in zip(parts, starts[:-1], strict=True)]
        )


class _Slices:
    """Rows that are slices: [M, H, W] or [M, H, W, C] at `places` ([M, 2]) of `volumes`."""

    def __init__(self, volumes: Rows, axis: int, places: NDArray[np.int64]) -> None:
        sides = volumes.shape[1:]
        self.shape, self.dtype = (len(places), *sides[:axis], *sides[axis + 1 :]), volumes.dtype
        self._volumes, self._axis, self._places = volumes, axis, places

    def __getitem__(self, row: int) -> NDArray[Any]:
        volume, place = self._places[row].tolist()
        values: NDArray[Any] = self._volumes[volume][(slice(None),) * self._axis + (place,)]
        return values


def _places(numbers: Sequence[int], chosen: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """[M, 2]: the volumes `numbers`, each with the places that are chosen of it."""
    repeated = np.repeat(np.array(numbers, np.int64), [len(chosen[number]) for number in numbers])
    return np.column_stack((repeated, np.concatenate([chosen[number] for number in numbers])))


def _looked_at(volumes: Rows) -> list[int]:
    """Volumes that tell the levels: evenly spread and few if they are large; of a stream, where it begins."""
    cheap = max(1, CHEAP_BYTES // (int(np.prod(volumes.shape[1:], dtype=object)) * volumes.dtype.itemsize))
    count = volumes.shape[0]
    return evenly_spread(min(count, cheap) if isinstance(volumes, Blocks) else count, min(SAMPLED, cheap))


def _check(what: str, volumes: Rows, axis: int) -> None:
    shape = volumes.shape
    if not are_volumes(shape) or 0 in shape:
        raise GanvasError(
            f"{what} have the shape {list(shape)}: expected [N, D, H, W], or [N, D, H, W, C] with 1 to 4 channels"
        )
    sides = shape[1:4]
    height, width = sides[:axis] + sides[axis + 1 :]
    if shape[0] * sides[axis] > MOST_PICTURES or height * width > LARGEST_PIXELS:
        raise GanvasError(
            f"{what} have the shape {list(shape)}: at most {MOST_PICTURES:,} slices of at most "
            f"{LARGEST_PIXELS // 1_000_000} megapixels can be read; check how they were saved"
        )
    volume_bytes = int(np.prod(shape[1:], dtype=object)) * volumes.dtype.itemsize
    if not isinstance(volumes, np.ndarray) and volume_bytes > LARGEST_READ:
        raise GanvasError(
            f"{what} have {volume_bytes >> 20:,} MiB each, more than {LARGEST_READ >> 20} that are read at once: "
            "save them as an .npy file, of which only the slices are read"
        )


def _filled(volumes: Rows, number: int, axis: int, levels: Levels) -> NDArray[np.int64]:
    """Places of the slices that are filled, or that cannot be used: these are to be reported, not to vanish."""
    sides = volumes.shape[1:]
    try:
        values = np.moveaxis(volumes[number], axis, 0)
    except DAMAGE:
        return np.arange(sides[axis])
    within = tuple(range(1, values.ndim))
    least, most = values.min(axis=within), values.max(axis=within)  # NaN where one value is
    usable = (least >= levels.low - ROUNDING) & (most <= levels.high + ROUNDING)
    if not usable.any():
        return np.arange(sides[axis])
    low, high = float(least[usable].min()), float(most[usable].max())
    if values.ndim == 4:  # with channels, of which an even number ends with alpha: what is clear is not seen
        colours = values[..., :-1] if values.shape[-1] in (2, 4) else values
        seen = colours.max(axis=-1)
        values = np.minimum(seen, values[..., -1]) if values.shape[-1] in (2, 4) else seen
    share = (values > low + FILLED_LEVEL * (high - low)).mean(axis=(1, 2))
    return np.flatnonzero(~usable | (share >= FILLED_SHARE))
