"""What was painted into a file, row by row: PNG, or TIFF where a side is longer than most viewers of PNG can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from ganvas.applying.png import write_png
from ganvas.applying.reading import Facts
from ganvas.applying.tiff import write_tiff
from ganvas.data.decode import Pixels
from ganvas.images import Integers

LONGEST_PNG = 8000  # pixels of a side


def suffix_for(height: int, width: int) -> str:
    """Of a result of that size."""
    return ".tif" if max(height, width) > LONGEST_PNG else ".png"


def write(
    path: Path,
    suffix: str,
    rows: Iterator[Integers],
    shape: tuple[int, int, int],
    bits: int,
    facts: Facts,
    texts: Mapping[str, str],
) -> None:
    """Write `rows` of a picture [H, W, C] as a file of that kind, whatever `path` is called."""
    if suffix == ".png":
        with path.open("wb") as file:
            write_png(file, rows, *shape, bits, facts, texts)
    else:
        write_tiff(path, rows, *shape, bits, facts, texts)


def with_alpha(rows: Iterator[Integers], alpha: Pixels, scale: int) -> Iterator[Integers]:
    """Rows [some, W, C] with the alpha channel of a picture, enlarged by bicubic: [some, W, C + 1]."""
    height, width = alpha.shape
    plane = Image.fromarray(
        alpha.astype(np.float32)
    )  # with integers, where Pillow rounds depends on the rows asked for
    top = 0
    for some in rows:
        count = len(some)
        box = (0, top / scale, width, (top + count) / scale)
        part = np.asarray(plane.resize((width * scale, count), Image.Resampling.BICUBIC, box=box))
        levels = np.rint(part.clip(0, np.iinfo(some.dtype).max)).astype(some.dtype)  # bicubic overshoots
        yield cast(Integers, np.concatenate([some, levels[..., None]], axis=2))
        top += count
    assert top == height * scale, f"{top} rows came for an alpha channel of {height}"
