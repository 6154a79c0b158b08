"""What `ganvas apply` holds in memory while it paints large pictures, and how visible its tiles are.

    python benchmarks/applying.py [--part N] [--photo FILE] [--out FILE]

Memory: each row is a process of its own, through the same function as the command line; its peak resident memory is
what the operating system counted at its end (ru_maxrss, so Linux or macOS). The pictures are a photograph repeated by
mirroring up to the size wanted. "light" is two convolutions with 16 channels; "wide" is four with 64, of which a pixel
takes some kilobytes, so that tiles must be small. Seams: the photograph painted in tiles against painted whole, in grey
levels of 255, beside the noise of the picture that was painted: a step below the noise cannot be seen. Networks are
random with a known reach, so that the command needs no trained one.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from ganvas.applying import painting
from ganvas.applying.apply import apply_to_files
from ganvas.applying.chain import Chain
from ganvas.applying.painting import gathered, painted_rows
from ganvas.applying.seam import noise_of, seam_of
from ganvas.applying.tiling import Tiling, tiling_for
from ganvas.versions import versions

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from stand_in_models import Config, StandIn, convolutions, normalised

ROWS = (  # network, scale, side of the input, --memory in bytes (None: the default), picture or TIFF by its size
    ("light", 4, 2000, None),
    ("light", 1, 8000, None),
    ("light", 4, 2500, None),
    ("wide", 4, 1000, 2_000_000_000),
    ("wide", 4, 1000, 1_000_000_000),
    ("wide", 4, 1000, 600_000_000),
)


def network(kind: str, scale: int) -> StandIn:
    torch.manual_seed(0)
    width, depth = {"light": (16, 0), "wide": (64, 2)}[kind]
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(width, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale)]
    module = nn.Sequential(*layers).eval()
    module[-2].weight.data.mul_(0.1)

    def paint(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=scale, mode="bicubic") + 0.1 * module(x)

    return StandIn(Config(scale=scale, reach=depth + 2), paint, kind)


def one_row(kind: str, scale: int, side: int, memory: int | None, photo: Path, folder: Path) -> dict[str, Any]:
    """In this process: paint one picture and say what it took."""
    torch.set_num_threads(1)
    source = folder / "large.png"
    if not source.exists():
        subprocess.run([sys.executable, __file__, "--make", str(source), str(side), "--photo", str(photo)], check=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.perf_counter(), time.process_time()
    applied = apply_to_files(Chain([network(kind, scale)], memory=memory), [source], folder / "out", quiet=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not applied.failed, applied.failed
    (path,) = applied.written
    return {
        "network": kind,
        "input": f"{side}x{side}",
        "output": f"{side * scale}x{side * scale} {path.suffix[1:]}",
        "limit_mb": None if memory is None else memory // 10**6,
        "peak_mb": round(peak * 1024 / 1e6),
        "before_mb": round(before * 1024 / 1e6),
        "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "file_mb": round(path.stat().st_size / 1e6, 1),
    }


def make(photo: Path, side: int, path: Path) -> None:
    """The photograph, mirrored on and on, as PNG."""
    with Image.open(photo) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    picture = np.pad(pixels, ((0, max(0, side - height)), (0, max(0, side - width)), (0, 0)), mode="reflect")
    Image.fromarray(picture[:side, :side]).save(path, compress_level=1)


def seams(photo: Path) -> list[dict[str, Any]]:
    """By network and tile: how far tiles are from the whole picture."""
    torch.set_num_threads(1)
    with Image.open(photo) as image:
        picture = np.asarray(image.convert("RGB"))
    found = []
    deep, tone = convolutions(20), normalised()
    for name, model, tile, hard in (
        ("reach 6 of 64", convolutions(6), 64, False),
        ("reach 20 of 64", deep, 64, False),
        ("reach 20 of 64, cut without overlap", deep, 64, True),
        ("instance normalisation", tone, 128, False),
        ("instance normalisation, each tile by itself", tone, 128, False),
        ("instance normalisation, each tile by itself, cut without overlap", tone, 128, True),
    ):
        tiling = Tiling(tile, 0, 0, 1) if hard else tiling_for(tile, model.config)
        kept = painting._statistics
        if "by itself" in name:
            painting._statistics = lambda *_: None  # type: ignore[assignment]
        whole = gathered(painted_rows(model, picture), picture.shape[0])
        tiled = gathered(painted_rows(model, picture, tiling), picture.shape[0])
        painting._statistics = kept
        seam = seam_of(tiled, whole)
        found.append(
            {
                "network": name,
                "tile": tile,
                "overlap": tiling.overlap,
                "step": round(seam.step, 3),
                "noise": round(noise_of(whole), 3),
                "rms": round(seam.rms, 3),
                "largest": seam.largest,
            }
        )
        print(found[-1], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, help="a photograph [default: scikit-image's astronaut]")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "applying.json")
    parser.add_argument(
        "--part", help="only this row of the memory table (0 to 5), or seams; the rest of --out is kept"
    )
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.photo is None:
        import skimage

        options.photo = Path(skimage.__file__).parent / "data" / "astronaut.png"
    if options.make is not None:
        make(options.photo, int(options.make[1]), Path(options.make[0]))
    elif options.row is not None:
        kind, scale, side, memory = ROWS[options.row]
        print(json.dumps(one_row(kind, scale, side, memory, options.photo, options.folder)))
    else:
        kept = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() and options.part else {}
        result = {
            "photo": options.photo.name,
            **versions(),
            "memory": kept.get("memory", {}),
            "seams": kept.get("seams"),
        }
        for row in range(len(ROWS)):
            if options.part in (None, str(row)):
                result["memory"][str(row)] = in_a_process(row, options.photo)
                print(result["memory"][str(row)], flush=True)
        if options.part in (None, "seams"):
            result["seams"] = seams(options.photo)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def in_a_process(row: int, photo: Path) -> dict[str, Any]:
    """One row of the memory table, measured alone."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, "--row", str(row), "--folder", folder, "--photo", str(photo)]
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
