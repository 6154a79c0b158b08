"""apply."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ganvas.commands.printing import print_json
from ganvas.errors import UsageError

if TYPE_CHECKING:
    from ganvas.applying.apply import Applied
    from ganvas.applying.chain import Tile

_UNITS = {"MB": 10**6, "GB": 10**9}


def apply(
    model: Path,
    /,
    *inputs: Path,
    out: Path,
    then: Annotated[list[Path] | None, Parameter(negative=())] = None,
    mask: Path | None = None,
    class_name: Annotated[str | None, Parameter(name="--class")] = None,
    direction: Literal["AtoB", "BtoA"] | None = None,
    tile: str = "auto",
    memory: str | None = None,
    batch: int = 1,
    device: str = "auto",
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Put a model that takes pictures to use: enlarge, repair, fill holes, translate; files, folders and videos.

    Each is written as FOLDER/STEM.png, with its sub-folder, depth, alpha, colour profile and EXIF; videos as .mp4
    with their sound; what is longer than 8000 pixels as .tif. The same call again does only what is not there yet.

    Parameters
    ----------
    model
        A run folder or a model folder.
    inputs
        Pictures, videos and folders of them.
    out
        The folder of the results; for one input also a file: picture.png, picture.tif, video.mp4.
    then
        Another model that takes what the one before painted; can be given several times.
    mask
        White where the hole is that the model fills: one file, or a folder with a mask of each picture's stem.
    class_name
        The class to paint, by name or number.
    direction
        Of a model that holds both: AtoB or BtoA.
    tile
        auto: tiles as large as the memory allows; a side in pixels; none: each picture whole.
    memory
        What the process may take, as 2GB or 800MB [default: 2GB, or half of what is free; of a GPU, half].
    batch
        Pictures of one size, or tiles, painted at once.
    device
        auto, cpu, cuda or mps.
    overwrite
        Replace what is in the way.
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.applying.apply import apply_to_files
    from ganvas.applying.chain import Chain
    from ganvas.applying.loading import load_painter

    # What is typed wrong is said before models are loaded.
    side, limit = parse_tile(tile), None if memory is None else parse_memory(memory)
    models = [load_painter(model, device, direction), *(load_painter(path, device) for path in then or [])]
    chain = Chain(models, class_name, side, limit, batch)
    applied = apply_to_files(chain, inputs, out, mask=mask, overwrite=overwrite, quiet=as_json)
    if as_json:
        print_json(applied.to_json())
    else:
        _print(applied, out)
    return 1 if applied.failed else 0


def parse_tile(text: str) -> Tile:
    """ "auto", "none" or a side in pixels. Raises UsageError."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else "none"
    if not text.isdigit():
        raise UsageError(f"--tile {text!r}: expected auto, none or a number of pixels")
    return int(text)


def parse_memory(text: str) -> int:
    """ "2GB", "800MB" -> bytes. Raises UsageError."""
    number, unit = text.strip()[:-2], text.strip()[-2:].upper()
    try:
        size = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise UsageError(f"--memory {text!r}: expected a size like 2GB or 800MB") from None
    if not 10**8 <= size < 10**15:
        raise UsageError(f"--memory {text}: give at least 100MB")
    return int(size)


def _print(applied: Applied, out: Path) -> None:
    """The notes and failures on stderr, a line each; what was done on stdout."""
    for note in applied.notes:
        print(f"note: {note}", file=sys.stderr)
    for name, reason in applied.failed:
        print(f"ganvas: {name}: {reason}", file=sys.stderr)
    for name, filmed in applied.filmed.items():
        print(f"{name}: {filmed.words()}")
    there = f", {applied.there_already} there already" if applied.there_already else ""
    failed = f", {len(applied.failed)} failed" if applied.failed else ""
    count = len(applied.written)
    print(f"{count} {'file' if count == 1 else 'files'} written to {out}{there}{failed}")
