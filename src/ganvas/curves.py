"""Line charts as inline SVG: no script, no request, colours from the page's style sheet."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 32
MOST_POINTS = 320
CUT = 0.01  # so much at either end may lie outside the picture, or one spike flattens everything else


@dataclass(frozen=True)
class Line:
    """One named curve. Points whose y is not finite leave a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def chart(lines: Sequence[Line], x_name: str, *, smooth: bool = True) -> Markup:
    """The lines over one x axis, at most 4 of them: raw values pale, running medians over a twentieth bold.

    smooth: False where single values matter, as the peaks of a spectrum do: all are drawn bold and none is cut off.
    Returns an empty string if there is nothing to draw.
    """
    finite = [(x, y) for line in lines for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
    if not finite:
        return Markup("")
    x_low, x_high = min(x for x, _ in finite), max(x for x, _ in finite)
    y_low, y_high = _y_range([y for _, y in finite], CUT if smooth else 0.0)
    x_span = x_high - x_low or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / x_span * (WIDTH - LEFT - RIGHT)
        down = TOP + (y_high - min(max(y, y_low), y_high)) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return across, down

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_label(lines, x_name))}">']
    for y in ticks(y_low, y_high):
        _, down = place(x_low, y)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down:.1f}" y2="{down:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{short(y)}</text>')
    for x in ticks(x_low, x_high):
        across, _ = place(x, y_low)
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{short(x)}</text>')
    for number, line in enumerate(lines):
        if smooth and len(line.x) > 20:
            parts.append(f'<path class="raw line{number}" d="{_path(line.x, line.y, place)}"/>')
            bold = running_median(line.y, max(3, len(line.y) // 20))
        else:
            bold = list(line.y)
        parts.append(f'<path class="line{number}" d="{_path(line.x, bold, place)}"/>')
    parts.append("</svg>")
    return Markup("".join(parts))


def running_median(values: Sequence[float], window: int) -> list[float]:
    """Median of the finite ones of up to `window` values around each; NaN where there are none.

    A median, so that one spike leaves no plateau behind.
    """
    smooth = []
    for i in range(len(values)):
        near = [v for v in values[max(0, i - window // 2) : i + window // 2 + 1] if math.isfinite(v)]
        smooth.append(statistics.median(near) if near else math.nan)
    return smooth


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers within [low, high]: steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [0.0 if i == 0 else i * step for i in range(first, last + 1)]


def short(number: float) -> str:
    """A number for an axis: 1500 -> "1.5k", 2000000 -> "2M", 0.25 -> "0.25"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.4g}{letter}"
    return f"{number:.3g}"


def _y_range(values: list[float], share: float) -> tuple[float, float]:
    """From the lowest to the highest but for that share at either end, with room around."""
    ordered = sorted(values)
    cut = int(share * len(ordered))
    low, high = ordered[cut], ordered[-1 - cut]
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _label(lines: Sequence[Line], x_name: str) -> str:
    return f"{', '.join(line.name for line in lines)} over {x_name}"


def _path(xs: Sequence[float], ys: Sequence[float], place: Callable[[float, float], tuple[float, float]]) -> str:
    """An SVG path through at most 320 of the points, which starts anew after each gap."""
    every = math.ceil(len(xs) / MOST_POINTS)
    commands, drawing = [], False
    for x, y in zip(xs[::every], ys[::every], strict=True):
        if math.isfinite(y):
            across, down = place(x, y)
            commands.append(f"{'L' if drawing else 'M'}{across:.1f} {down:.1f}")
        drawing = math.isfinite(y)
    return "".join(commands)
