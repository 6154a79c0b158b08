"""TIFF files in tiles, written from top to bottom as rows come: for pictures too large for PNG viewers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from ganvas.applying.reading import Facts
from ganvas.errors import GanvasError
from ganvas.images import Integers

TILE = 256
_KEPT = (  # of EXIF: text that is a tag of TIFF itself
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)


def require_tifffile() -> Any:
    """The package that writes; raises GanvasError with how to get it."""
    try:
        import tifffile
    except ImportError as error:
        raise GanvasError('this result is written as TIFF, which needs tifffile: pip install "ganvas[tiff]"') from error
    return tifffile


def write_tiff(
    path: Path,
    rows: Iterator[Integers],
    height: int,
    width: int,
    channels: int,
    bits: int,
    facts: Facts,
    texts: Mapping[str, str],
) -> None:
    """Write `rows` ([some, width, channels] uint8 or uint16 each, `height` in all) as tiles of 256, deflated."""
    tifffile = require_tifffile()
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    more = {} if facts.dpi is None else {"resolution": facts.dpi, "resolutionunit": "INCH"}
    if facts.icc and facts.icc_channels == (1 if channels < 3 else 3):
        more["iccprofile"] = facts.icc
    size = height * width * channels * dtype.itemsize
    tifffile.imwrite(
        path,
        _tiles(rows, height, width),
        shape=(height, width, channels) if channels > 1 else (height, width),
        dtype=dtype,
        tile=(TILE, TILE),
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        predictor=True,
        bigtiff=size > 3 << 30,
        maxworkers=1,
        description="\n".join(f"{key}: {value}" for key, value in texts.items()),
        metadata=None,
        software=texts.get("software"),
        extratags=_tags(facts),
        **more,
    )


def _tiles(rows: Iterator[Integers], height: int, width: int) -> Iterator[Integers]:
    """Tiles of 256x256 from left to right and top to bottom; those at the edges are filled with zeros."""
    across = -(-width // TILE)
    band: Any = None  # rows of the tiles that are being filled
    filled = done = 0
    for some in rows:
        while len(some):
            if band is None:
                band = np.zeros((TILE, across * TILE, some.shape[2]), some.dtype)
            part, some = some[: TILE - filled], some[TILE - filled :]
            band[filled : filled + len(part), :width] = part
            filled, done = filled + len(part), done + len(part)
            if filled == TILE or done == height:
                for left in range(0, across * TILE, TILE):
                    yield band[:, left : left + TILE]
                band, filled = None, 0
    if done != height:
        raise ValueError(f"{done} rows came for a picture of {height}")


def _tags(facts: Facts) -> list[tuple[int, str, int, str, bool]]:
    """What of EXIF is written: camera, time, artist and copyright."""
    if not facts.exif:
        return []
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + facts.exif)
    found = ((int(tag), exif.get(tag)) for tag in _KEPT)
    return [(tag, "s", 0, str(value).encode("ascii", "replace").decode(), True) for tag, value in found if value]
