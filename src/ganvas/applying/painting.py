"""Pictures through a network: whole or in tiles, row by row, so that a large result never lies in memory as floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.applying.contract import Paints, picture_channels
from ganvas.applying.statistics import SharedStatistics
from ganvas.applying.tiling import SMALLEST, Span, Tiling, rounded_up, spans, window
from ganvas.errors import GanvasError
from ganvas.images import Integers, to_float, to_rows_last

Mask = NDArray[np.bool_]
Show = Callable[[int, int], None]  # tiles done, of how many

SLAB = 64  # rows that are made integers at once


class TooSmall(GanvasError):
    """A picture that a network cannot take because of its size."""


def painted_rows(
    model: Paints,
    picture: Integers,
    tiling: Tiling | None = None,
    *,
    bits: int = 8,
    mask: Mask | None = None,
    label: int | None = None,
    batch: int = 1,
    show: Show = lambda _done, _of: None,
) -> Iterator[Integers]:
    """One picture, from top to bottom: [H, W, C] -> [some rows, scale * W, out_channels] integers of `bits`, each.

    tiling: None paints it whole. mask: [H, W], True in the hole; outside, what is given back is the picture itself.
    batch: tiles painted at once. Raises GanvasError where the network cannot take the picture.
    """
    (height, width), config = picture.shape[:2], model.config
    check_size(model, height, width)
    down = [row for row in spans(rounded_up(height, config.multiple), tiling) if row.begin < height]
    across = [column for column in spans(rounded_up(width, config.multiple), tiling) if column.begin < width]
    shared = None if tiling is None or config.reach >= 0 else _statistics(model, picture, mask, tiling, label)
    above: Tensor | None = None  # the rows shared with the next row of tiles
    ready = 0  # rows given back
    for number, row in enumerate(down):
        chosen = [c for c in across if mask is None or mask[row.begin : row.end, c.begin : c.end].any()]
        strip = torch.zeros(config.out_channels, (row.end - row.begin) * config.scale, width * config.scale)
        for first in range(0, len(chosen), batch):
            some = chosen[first : first + batch]
            inputs = torch.stack([tile_of(model, picture, mask, row, column) for column in some])
            for column, painted in zip(some, paint(model, inputs, label, shared), strict=True):
                _lay(strip, painted, row, column, config.scale)
            show(number * len(across) + across.index(some[-1]) + 1, len(down) * len(across))
        rise, fall = row.rise * config.scale, row.fall * config.scale
        if above is not None:
            strip[:, :rise] *= window(rise, rise, 0)[:, None]
            strip[:, :rise] += above
        if fall:
            above = strip[:, -fall:] * window(fall, 0, fall)[:, None]
        whole = min(strip.shape[1] - fall, height * config.scale - ready)
        for top in range(0, whole, SLAB):
            slab = to_rows_last(strip[None, :, top : min(top + SLAB, whole)], bits)[0]
            yield slab if mask is None else _filled(slab, picture, mask, ready + top)
        ready += whole


def painted_pictures(
    model: Paints,
    pictures: Integers,
    *,
    bits: int = 8,
    masks: NDArray[np.bool_] | None = None,
    label: int | None = None,
) -> Integers:
    """Pictures of one size, whole and all at once: [N, H, W, C] -> [N, scale * H, scale * W, out_channels] integers."""
    n, height, width = pictures.shape[:3]
    config = model.config
    check_size(model, height, width)
    row, column = (Span(0, side, 0, side, 0, 0) for side in (rounded_up(s, config.multiple) for s in (height, width)))
    each = [tile_of(model, pictures[i], None if masks is None else masks[i], row, column) for i in range(n)]
    painted = paint(model, torch.stack(each), label)[:, :, : height * config.scale, : width * config.scale]
    integers = to_rows_last(painted, bits)
    if masks is None:
        return integers
    return cast(Integers, np.stack([_filled(integers[i], pictures[i], masks[i], 0) for i in range(n)]))


def gathered(rows: Iterator[Integers], height: int) -> Integers:
    """Rows that come one after the other as one picture: [height, W, C]."""
    first = next(rows)
    picture = np.empty((height, *first.shape[1:]), first.dtype)
    picture[: len(first)] = first
    top = len(first)
    for some in rows:
        picture[top : top + len(some)] = some
        top += len(some)
    assert top == height, f"{top} rows of {height} came"
    return cast(Integers, picture)


def check_size(model: Paints, height: int, width: int) -> None:
    """Refuse pictures that one mirroring does not bring to the size a network needs. Raises TooSmall."""
    multiple = model.config.multiple
    least = max(4, multiple // 2 + 1)
    if min(height, width) < least:
        raise TooSmall(
            f"{width}x{height} pixels, but this network works on multiples of {multiple}: give pictures of "
            f"at least {least}x{least}"
        )


def tile_of(model: Paints, picture: Integers, mask: Mask | None, row: Span, column: Span) -> Tensor:
    """What the network is given of one tile: [in_channels, H, W] in [-1, 1]; beyond the picture, its mirror image."""
    ys, xs = (_mirrored(s.start, s.stop, n) for s, n in zip((row, column), picture.shape[:2], strict=True))
    values = to_float(torch.from_numpy(_part(picture, ys, xs)).permute(2, 0, 1))
    if values.shape[0] == 1 and picture_channels(model.config) == 3:
        values = values.expand(3, -1, -1)
    if mask is None:
        return values
    hole = torch.from_numpy(_part(mask, ys, xs))
    return torch.cat([values.masked_fill(hole, 0), hole[None].float()])


@torch.inference_mode()
def paint(model: Paints, inputs: Tensor, label: int | None, shared: SharedStatistics | None = None) -> Tensor:
    """[N, in_channels, H, W] -> [N, out_channels, scale * H, scale * W] float32 on the CPU. Raises GanvasError."""
    n, _, height, width = inputs.shape
    labels = None if label is None else torch.full((n,), label, device=model.device)
    try:
        with shared or nullcontext():
            painted = model.paint(inputs.to(model.device), labels).float().cpu()
    except torch.OutOfMemoryError as error:
        raise GanvasError(
            f"not enough memory for {n} x {width}x{height} pixels at once: give --tile {max(width, height) // 2}, "
            "a smaller --batch or --memory"
        ) from error
    except RuntimeError as error:
        if "alloc" in str(error):
            raise GanvasError(
                f"not enough memory for {n} x {width}x{height} pixels at once: give --tile {max(width, height) // 2}"
            ) from error
        raise TooSmall(
            f"{width}x{height} pixels: this network cannot take them ({str(error).splitlines()[0]})"
        ) from error
    wanted = (n, model.config.out_channels, height * model.config.scale, width * model.config.scale)
    assert painted.shape == wanted, f"the network painted {tuple(painted.shape)}, its configuration says {wanted}"
    if not torch.isfinite(painted).all():
        raise GanvasError("this network paints values that are not finite numbers: it cannot be used")
    return painted


def _statistics(
    model: Paints, picture: Integers, mask: Mask | None, tiling: Tiling, label: int | None
) -> SharedStatistics:
    """What a network that sees the whole picture normalises by, from nine parts, together as large as a tile."""
    sides = [rounded_up(n, model.config.multiple) for n in picture.shape[:2]]
    least, multiple = rounded_up(SMALLEST, model.config.multiple), model.config.multiple
    third = max(least, tiling.tile // 3 // multiple * multiple)
    rows, columns = (
        [Span(start, start + length, 0, 0, 0, 0) for start in {0, (side - length) // 2, side - length}]
        for side, length in ((side, min(side, third)) for side in sides)
    )
    shared = SharedStatistics()
    parts = [tile_of(model, picture, mask, row, column) for row in rows for column in columns]
    paint(model, torch.stack(parts), label, shared)
    shared.keep()
    return shared


def _lay(strip: Tensor, painted: Tensor, row: Span, column: Span, scale: int) -> None:
    """Add the used part of a tile to its row of tiles, weighed from left to right."""
    begin, end = column.begin * scale, min(column.end * scale, strip.shape[2])
    top, left = (row.begin - row.start) * scale, (column.begin - column.start) * scale
    part = painted[:, top : top + strip.shape[1], left : left + end - begin]
    if column.rise or column.fall:
        weights = window((column.end - column.begin) * scale, column.rise * scale, column.fall * scale)
        part = part * weights[: end - begin]
    strip[:, :, begin:end] += part


def _filled(painted: Integers, picture: Integers, mask: Mask, top: int) -> Integers:
    """`painted` rows from `top` on in the hole, the picture's own outside: [rows, W, C]."""
    rows = slice(top, top + len(painted))
    own = picture[rows]
    if own.dtype != painted.dtype:
        own = (
            np.rint(own / 257).astype(np.uint8) if painted.dtype == np.uint8 else own.astype(np.uint16) * np.uint16(257)
        )
    return cast(Integers, np.where(mask[rows, :, None], painted, own))


def _part(values: NDArray[np.generic], ys: NDArray[np.int64], xs: NDArray[np.int64]) -> NDArray[np.generic]:
    """Rows `ys` and columns `xs`, copied: what Pillow gave cannot be written to, which torch asks for."""
    if (np.diff(ys) == 1).all() and (np.diff(xs) == 1).all():
        return values[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1].copy()
    return values[ys[:, None], xs]


def _mirrored(start: int, stop: int, length: int) -> NDArray[np.int64]:
    """Places start to stop - 1, those beyond the end mirrored about the last one: all below `length`."""
    places = np.arange(start, stop)
    return np.where(places < length, places, 2 * length - 2 - places)
