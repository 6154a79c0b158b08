"""Whether trained models show their tiles, beside the noise of what they paint.

    python benchmarks/trained_seams.py --models RUN ... --photos bsds_photos.zip \\
        --out benchmarks/results/trained_seams.json

Protocol. Photographs of val/, evenly spread, are painted in tiles, with the statistics that `ganvas apply` shares among
them, and again in one piece with those same statistics: what differs then is where tiles meet, and `step` is how far
that stands out as a line (see `seam_of`). `tone` is the root mean square difference from the picture painted whole with
its own statistics, which has no lines. Means over the photographs, `worst_step` the largest; grey levels of 255. A step
below the noise cannot be seen. Models of holes get a grid of strokes.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ganvas
from ganvas.applying import painting
from ganvas.applying.painting import gathered, painted_rows
from ganvas.applying.seam import noise_of, seam_of
from ganvas.applying.tiling import Tiling, smallest_tile, tiling_for
from ganvas.picture_model import PictureModel
from photographs import Picture, read_pictures
from training_runs import circumstances, needed, write


def strokes(photo: Picture) -> NDArray[np.bool_]:
    """A mask of bars, 15 pixels thick, that run through several tiles."""
    mask = np.zeros(photo.shape[:2], np.bool_)
    for start in range(30, max(mask.shape), 90):
        mask[start : start + 15, 20:-20] = mask[20:-20, start : start + 15] = True
    return mask


def painted(model: PictureModel, photo: Picture, tiling: Tiling | None) -> Picture:
    mask = strokes(photo) if model.config.masked else None
    rows = gathered(painted_rows(model, photo, tiling, mask=mask), photo.shape[0] * model.config.scale)
    return rows.astype(np.uint8, copy=False)


def in_one_piece(model: PictureModel, photo: Picture, tiling: Tiling) -> Picture:
    """By the statistics that tiles share, without any tile."""
    own = painting._statistics
    painting._statistics = lambda one, picture, mask, _, label: own(one, picture, mask, tiling, label)
    try:
        return painted(model, photo, Tiling(4 * max(photo.shape), 0, 0, model.config.multiple))
    finally:
        painting._statistics = own


def row_of(path: Path, photos: list[Picture], tile: int) -> dict[str, Any]:
    """One model and size of tiles."""
    model = ganvas.load(path)
    assert isinstance(model, PictureModel), f"{path} takes no pictures"
    tiling = tiling_for(tile, model.config)
    steps, tones, noises = [], [], []
    for photo in photos:
        tiled, whole = painted(model, photo, tiling), painted(model, photo, None)
        steps.append(seam_of(tiled, in_one_piece(model, photo, tiling)).step)
        tones.append(seam_of(tiled, whole).rms)
        noises.append(noise_of(whole))
    means = {name: round(statistics.mean(x), 2) for name, x in (("step", steps), ("noise", noises), ("tone", tones))}
    recipe = model.config.recipe
    return {"model": path.name, "recipe": recipe, "tile": tiling.tile, **means, "worst_step": round(max(steps), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="runs or model folders of RGB pictures")
    parser.add_argument("--photos", type=Path, help="ZIP with val/")
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--tiles", type=int, nargs="+", default=[128, 256, 384])
    parser.add_argument("--out", type=Path, help="the JSON of the results")
    arguments = parser.parse_args()
    photos = read_pictures(needed(arguments.photos, "--photos", "a ZIP of photographs in val/"), "val")
    chosen = [photos[i] for i in np.linspace(0, len(photos) - 1, arguments.pictures).astype(int)]
    rows = []
    for path in arguments.models:
        for tile in sorted({max(tile, smallest_tile(ganvas.load(path).config)) for tile in arguments.tiles}):
            rows.append(row_of(path, chosen, tile))
            print(rows[-1], flush=True)
    write(arguments.out, {**circumstances(), "pictures": len(chosen), "rows": rows})


if __name__ == "__main__":
    main()
