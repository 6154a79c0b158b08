"""A checkup as one self-contained page: pictures inside, no script, nothing fetched, every name escaped."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ganvas.errors import GanvasError

if TYPE_CHECKING:
    from ganvas.data.checkup.checkup import Checkup
    from ganvas.data.checkup.survey import Counts

MOST_BARS = 40
MOST_SKIPPED = 200
MOST_SETS = 6  # of copies shown side by side
_WIDTH, _ROW, _LEFT, _RIGHT = 460, 24, 150, 62  # pixels of a chart: its width, a bar's row, room for names and counts
_NAME = 20  # letters of a name beside a bar; the whole is in the text alternative


def write_page(checkup: Checkup, path: Path) -> None:
    """Write the page; an older one is replaced at once. Raises GanvasError if it cannot be written."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.tmp")
    page = render(checkup)
    try:
        partial.write_text(page, encoding="utf-8", errors="replace")  # names of files need not be text
        os.replace(partial, path)
    except OSError as error:
        raise GanvasError(f"{path} cannot be written ({error.strerror}): name a file in a folder that can") from error
    finally:
        with contextlib.suppress(OSError):  # already renamed, or never there
            partial.unlink()


def render(checkup: Checkup) -> str:
    """The page as a string of HTML."""
    template = resources.files("ganvas.data.checkup").joinpath("checkup.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(count=thousands, size=size, sentence=sentence)
    seen, shown = checkup.survey, {name: data_url(data) for name, data in checkup.previews.items()}
    charts = [
        ("Shorter side in pixels", seen.sides),
        ("Width to height", seen.aspects),
        ("Sizes", seen.sizes),
        ("Formats", seen.formats),
        ("Modes of colour", seen.modes),
        ("Training pictures of each class", seen.classes),
    ]
    return environment.from_string(template).render(
        checkup=checkup,
        seen=seen,
        shown=shown,
        copies=[("Exact copies", _sets(seen.same_pixels.names, shown)), ("Much alike", _sets(seen.near.names, shown))],
        charts=[(title, bar_chart(counts, title), rest(counts)) for title, counts in charts if counts],
        skipped=seen.skipped[:MOST_SKIPPED],
    )


def bar_chart(counts: Counts, title: str) -> Markup:
    """Bars beside each other's names as inline SVG, at most 40 of them, with a text alternative."""
    rows = counts[:MOST_BARS]
    largest = max(count for _, count in rows) or 1
    label = f"{title}: " + ", ".join(f"{name} {count}" for name, count in rows)
    height = _ROW * len(rows)
    parts = [Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, height, label)]
    for row, (name, count) in enumerate(rows):
        middle = row * _ROW + _ROW // 2
        width = (_WIDTH - _LEFT - _RIGHT) * count / largest
        short = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
        parts.append(
            Markup(
                '<text x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect x="{}" y="{}" width="{:.1f}" height="14" rx="2"/><text x="{:.1f}" y="{}">{}</text>'
            ).format(
                _LEFT - 8, middle + 5, short, _LEFT, middle - 7, width, _LEFT + width + 6, middle + 5, thousands(count)
            )
        )
    return Markup("").join([*parts, Markup("</svg>")])


def rest(counts: Counts) -> int:
    """How many bars a chart leaves out."""
    return max(0, len(counts) - MOST_BARS)


def thousands(number: int) -> str:
    """1234567 -> "1 234 567", with spaces that do not break."""
    return f"{number:,}".replace(",", "\u00a0")


def sentence(words: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    return f"{words[:1].upper()}{words[1:]}."


def size(nbytes: int) -> str:
    """Bytes as "12 kB", "3.4 MB" or "5.6 GB"."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if nbytes >= unit:
            return f"{nbytes / unit:.3g}\u00a0{name}"
    return f"{max(1, round(nbytes / 1e3))}\u00a0kB"


def data_url(png: bytes) -> str:
    """A picture for the src of an img."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _sets(groups: Sequence[Sequence[str]], shown: Mapping[str, Any]) -> list[list[str]]:
    """The first groups of which at least two pictures can be shown."""
    visible = ([name for name in group if name in shown][:2] for group in groups)
    return [group for group in visible if len(group) > 1][:MOST_SETS]
