"""How much faster pictures are prepared than by the plain way of dataset tools: open, convert, resize, save as PNG.

    python benchmarks/prepare.py --data FOLDER_OF_JPEGS [--sizes 481x321 4000x3000] [--side 64] [--out FILE]

Both sides get the same JPEG files (the photographs of --data, enlarged to each of --sizes where they are smaller) and
run in one process each; compared are CPU seconds, so that the ratio is per core whatever else the machine does. The
plain side is given PNG at its usual compression and with none (as StyleGAN's tools write it). Also measured: how far
our pictures are from the plain side's (PSNR; the difference is decoding at reduced scale and the reducing gap).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.data import decoders
from ganvas.data.options import StoreOptions
from ganvas.data.sources import open_source
from ganvas.data.store import Store, open_store


def cpu_seconds() -> float:
    """CPU time of this process and of its ended children."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def plain(folder: Path, target: Path, side: int, compress_level: int) -> None:
    """What dataset tools do with each picture."""
    for path in sorted(folder.iterdir()):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        width, height = image.size
        edge = min(width, height)
        left, top = (width - edge) // 2, (height - edge) // 2
        image = image.crop((left, top, left + edge, top + edge)).resize((side, side), Image.Resampling.LANCZOS)
        image.save(target / f"{path.stem}.png", compress_level=compress_level)


def ours(folder: Path, target: Path, side: int) -> Store:
    """What `ganvas data prepare --processes 1` does; the worker ends, so that its time is counted."""
    store = open_store(
        open_source(folder), StoreOptions(resolution=(side, side)), location=target / "store", processes=1
    )
    decoders.close_idle()
    return store


def measured(work: Callable[[], object]) -> tuple[float, float, object]:
    """CPU seconds, wall seconds and what the work gave."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    result = work()
    return cpu_seconds() - cpu, time.perf_counter() - wall, result


def make_photos(data: Path, size: tuple[int, int], count: int, folder: Path) -> None:
    """`count` JPEG photographs of (width, height), or turned by a quarter; the photographs of `data`, enlarged."""
    paths = sorted(path for path in data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    for number in range(count):
        path = paths[number % len(paths)]
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        wanted = size if image.width >= image.height else size[::-1]
        target = folder / f"{number:05d}.jpg"
        if image.size == wanted:
            target.write_bytes(path.read_bytes())
        else:
            image.resize(wanted, Image.Resampling.BICUBIC).save(target, quality=92)


def compare(data: Path, size: tuple[int, int], side: int, count: int, rounds: int) -> dict[str, object]:
    """One row: CPU milliseconds a picture of all ways, the ratios, and the agreement."""
    times: dict[str, list[float]] = {"plain, png": [], "plain, png without compression": [], "ours": []}
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        photos.mkdir()
        make_photos(data, size, count, photos)
        store = None
        for round_ in range(rounds):
            for way, level in (("plain, png", 6), ("plain, png without compression", 0), ("ours", -1)):
                target = Path(name) / f"{round_}{level}"
                target.mkdir()
                if level < 0:
                    cpu, _, store = measured(lambda target=target: ours(photos, target, side))
                else:
                    cpu, _, _ = measured(lambda target=target, level=level: plain(photos, target, side, level))
                times[way].append(1000 * cpu / count)
        assert isinstance(store, Store)
        reference = np.stack([np.asarray(Image.open(p)) for p in sorted((Path(name) / "06").iterdir())])
        difference = reference.astype(float) - store.images.transpose(0, 2, 3, 1)
        psnr = 10 * np.log10(255**2 / (difference**2).mean(axis=(1, 2, 3)))
    best = {way: min(values) for way, values in times.items()}
    return {
        "photos": f"{size[0]}x{size[1]}",
        "side": side,
        "count": count,
        "cpu_ms_per_picture": {way: round(value, 3) for way, value in best.items()},
        "ratio": round(best["plain, png"] / best["ours"], 2),
        "ratio_without_compression": round(best["plain, png without compression"] / best["ours"], 2),
        "psnr_db": {"median": round(float(np.median(psnr)), 1), "lowest": round(float(psnr.min()), 1)},
        "spread": {way: round(max(v) / statistics.median(v), 2) for way, v in times.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with JPEG photographs")
    parser.add_argument("--sizes", nargs="+", default=["481x321", "2000x1500", "4000x3000"])
    parser.add_argument("--side", type=int, nargs="+", default=[64])
    parser.add_argument("--megapixels", type=int, default=250, help="of photographs a round, at most 1500 of them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    os.environ["GANVAS_CACHE"] = tempfile.mkdtemp()
    rows = []
    for text in arguments.sizes:
        width, height = map(int, text.split("x"))
        for side in arguments.side:
            count = min(1500, max(16, arguments.megapixels * 1_000_000 // (width * height)))
            rows.append(compare(arguments.data, (width, height), side, count, arguments.rounds))
            print(json.dumps(rows[-1]))
    if arguments.out:
        document = {"command": " ".join(["python", *sys.argv]), "python": sys.version.split()[0], "rows": rows}
        document |= {"pillow": Image.__version__, "numpy": np.__version__}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
