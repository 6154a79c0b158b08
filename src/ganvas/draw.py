"""Samples of a model as files: one sheet, or one picture per seed with what made it in its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from rich.progress import track

from ganvas.errors import UsageError
from ganvas.images import Integers, enlarge, grid, save_png
from ganvas.model import Model, stack
from ganvas.version import __version__

MOST_ON_A_SHEET = 4096


def draw_sheet(
    model: Model,
    path: Path,
    seeds: Sequence[int],
    *,
    class_name: str | None = None,
    trunc: float = 1.0,
    batch: int = 64,
) -> Path:
    """All seeds on one PNG, row by row in their order. Returns the path."""
    if len(seeds) > MOST_ON_A_SHEET:
        raise UsageError(f"{len(seeds)} seeds do not fit on one sheet (at most {MOST_ON_A_SHEET}): give --out FOLDER/")
    pictures = stack(list(_batches(model, seeds, class_name, trunc, batch)))
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"seeds": ",".join(map(str, seeds)), **provenance(model, trunc, class_name)}
    save_png(path, enlarge(grid(pictures)), metadata)
    return path


def draw_folder(
    model: Model,
    folder: Path,
    seeds: Sequence[int],
    *,
    class_name: str | None = None,
    trunc: float = 1.0,
    batch: int = 64,
) -> Path:
    """One `seed00000007.png` per seed, in memory that does not grow with their number. Returns the folder."""
    batches = _batches(model, seeds, class_name, trunc, batch)  # refuses bad input before the folder is made
    first = next(batches)
    folder.mkdir(parents=True, exist_ok=True)
    left = iter(seeds)
    for pictures in chain([first], batches):
        for picture in pictures:
            seed = next(left)
            save_png(
                folder / f"seed{seed:08d}.png",
                picture,
                {"seed": str(seed), **provenance(model, trunc, class_name)},
            )
    return folder


def provenance(model: Model, trunc: float, class_name: str | None) -> dict[str, str]:
    """What a picture tells of its origin, besides its seed."""
    facts = {
        "software": f"ganvas {__version__}",
        "synthetic": "true",
        "model_sha256": model.hash,
        "recipe": model.config.recipe,
        "images_seen": str(model.config.images_seen),
        "truncation": f"{trunc:g}",
    }
    return facts | ({} if class_name is None else {"class": model.config.class_names[model.class_index(class_name)]})


def _batches(
    model: Model, seeds: Sequence[int], class_name: str | None, trunc: float, batch: int
) -> Iterator[Integers]:
    found = model.sample_batches(seeds, class_name=class_name, trunc=trunc, batch=batch)
    total = -(-len(seeds) // max(batch, 1))
    yield from track(found, description="drawing", total=total, transient=True, disable=len(seeds) < 1000)
