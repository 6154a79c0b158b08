"""Thousands of damaged pictures through the checker: each is used or refused by name, in time, in little memory.

python benchmarks/mutants.py --count 10000 --seed 0 --out benchmarks/results/mutants.json

Fails (exit code 1) if one takes over 2 s, a process takes over 512 MB, or one is refused without name or reason.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import re
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

from ganvas.data.checkup.examine import examine
from ganvas.data.decoders import Decoders, Failed, close_idle
from ganvas.version import __version__

TIME_LIMIT_S = 2.0
START_S = 1.0  # what a new worker may take to start, after one that was ended
MOST_MB = 512
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 60_000, 9_999)


@dataclass(frozen=True)
class Mutant:
    """A damaged file: from which base, and how."""

    name: str
    base: str
    damage: str
    data: bytes


@dataclass
class Report:
    """What became of the mutants."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    damages: dict[str, Counter[str]] = field(default_factory=dict)
    slowest_s: float = 0.0
    slowest: str = ""
    timed_out: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    unforeseen: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)

    def add(self, mutant: Mutant, result: Any, seconds: float) -> None:
        """Count one."""
        outcome = "used"
        if isinstance(result, Failed):
            outcome = "refused"
            if result.name != mutant.name or not result.reason:
                self.unnamed.append(mutant.name)
            if result.reason.startswith("took more than"):
                outcome = "timed out"
                self.timed_out.append(f"{mutant.name} ({mutant.damage})")
            elif result.reason.startswith("made the decoder crash"):
                outcome = "crashed its process"
                self.crashed.append(f"{mutant.name} ({mutant.damage}): {result.reason}")
            elif result.reason.startswith("cannot be decoded"):
                self.unforeseen.append(f"{mutant.name} ({mutant.damage}): {result.reason}")
            self.reasons[re.sub(r"\d+", "N", result.reason)[:80]] += 1
        self.outcomes.setdefault(mutant.base, Counter())[outcome] += 1
        self.damages.setdefault(mutant.damage, Counter())[outcome] += 1
        if seconds > self.slowest_s:
            self.slowest_s, self.slowest = seconds, f"{mutant.name} ({mutant.damage})"


@functools.cache
def bases() -> dict[str, bytes]:
    """Sound pictures of every format and kind, by what they are; the suffix is after the dot."""
    rng = np.random.default_rng(1)
    levels = np.linspace(0, 255, 48 * 64).reshape(48, 64)[..., None] * (1.0, 0.6, 0.3)
    rgb = Image.fromarray((levels + rng.integers(0, 24, levels.shape)).clip(0, 255).astype(np.uint8))
    alpha = Image.fromarray(np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8))
    rgba, grey_alpha = rgb.copy(), rgb.convert("L")
    rgba.putalpha(alpha)
    grey_alpha.putalpha(alpha)
    deep = Image.fromarray((np.arange(48 * 64).reshape(48, 64) * 21).astype(np.uint16))
    frames = [rgb.rotate(90 * turn) for turn in range(4)]
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
    found = {
        "jpeg baseline.jpg": _saved(rgb, "JPEG", quality=80),
        "jpeg progressive.jpg": _saved(rgb, "JPEG", progressive=True),
        "jpeg grey.jpg": _saved(rgb.convert("L"), "JPEG"),
        "jpeg cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG"),
        "jpeg exif.jpg": _saved(rgb, "JPEG", exif=exif),
        "jpeg restarts.jpg": _saved(rgb, "JPEG", restart_marker_rows=1, subsampling=2),
        "png rgb.png": _saved(rgb, "PNG"),
        "png rgba.png": _saved(rgba, "PNG"),
        "png grey.png": _saved(rgb.convert("L"), "PNG"),
        "png grey alpha.png": _saved(grey_alpha, "PNG"),
        "png palette.png": _saved(palette, "PNG", transparency=3),
        "png black and white.png": _saved(rgb.convert("1"), "PNG"),
        "png 16 bits.png": _saved(deep, "PNG"),
        "png interlaced.png": interlaced_png(np.asarray(rgb.convert("L"))),
        "png animated.png": _saved(rgb, "PNG", save_all=True, append_images=frames),
        "webp lossy.webp": _saved(rgb, "WEBP", quality=60),
        "webp lossless.webp": _saved(rgba, "WEBP", lossless=True),
        "webp animated.webp": _saved(rgb, "WEBP", save_all=True, append_images=frames),
        "gif.gif": _saved(palette, "GIF"),
        "gif animated.gif": _saved(rgb, "GIF", save_all=True, append_images=frames),
        "bmp rgb.bmp": _saved(rgb, "BMP"),
        "bmp palette.bmp": _saved(palette, "BMP"),
        "tiff raw.tif": _saved(rgb, "TIFF"),
        "tiff deep.tif": _saved(deep, "TIFF"),
        "ppm rgb.ppm": _saved(rgb, "PPM"),
        "pgm grey.pgm": _saved(rgb.convert("L"), "PPM"),
        "pbm.pbm": _saved(rgb.convert("1"), "PPM"),
        "jpeg 2000.jp2": _saved(rgb, "JPEG2000"),
        "jpeg 2000 lossy.j2k": _saved(rgb, "JPEG2000", irreversible=True, no_jp2=True),
    }
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        found[f"tiff {compression}.tif"] = _saved(rgb, "TIFF", compression=compression)
    found["tiff group4.tif"] = _saved(rgb.convert("1"), "TIFF", compression="group4")
    return found


def interlaced_png(grey: np.ndarray) -> bytes:
    """[H, W] uint8 as a PNG in seven passes (Adam7), which Pillow does not write."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    lines = []
    for top, left, down, right in passes:
        lines += [b"\0" + line.tobytes() for line in grey[top::down, left::right] if line.size]
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, data) for kind, data in chunks)


def mutants(count: int, seed: int) -> Iterator[Mutant]:
    """`count` damaged files: the same for the same seed."""
    sound = bases()
    names = list(sound)
    damages = tuple(DAMAGES)
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        base = names[number % len(names)]
        damage = damages[int(rng.integers(len(damages)))]
        other = sound[names[int(rng.integers(len(names)))]]
        data = DAMAGES[damage](bytearray(sound[base]), rng, other)
        label, _, suffix = base.rpartition(".")
        yield Mutant(f"{label.replace(' ', '-')}-{number}.{suffix}", label, damage, bytes(data))


def flip_bits(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """1 to 16 bits anywhere."""
    for place in rng.integers(len(data), size=int(rng.integers(1, 17))):
        data[place] ^= 1 << int(rng.integers(8))
    return data


def flip_early_bits(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """1 to 4 bits among the first 128 bytes, where headers are."""
    for place in rng.integers(min(128, len(data)), size=int(rng.integers(1, 5))):
        data[place] ^= 1 << int(rng.integers(8))
    return data


def set_bytes(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """A span of up to 32 bytes set to one value or to noise."""
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 33))
    length = min(length, len(data) - start)
    value = int(rng.choice((0, 255, int(rng.integers(256)))))
    data[start : start + length] = rng.bytes(length) if rng.random() < 0.5 else bytes((value,)) * length
    return data


def truncate(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """Cut off anywhere, also to nothing."""
    return data[: int(rng.integers(len(data)))]


def delete(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """A span taken out."""
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 1 + len(data) // 2))]
    return data


def insert(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """Noise put in."""
    start = int(rng.integers(len(data)))
    data[start:start] = rng.bytes(int(rng.integers(1, 64)))
    return data


def duplicate(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """A span said again, up to 50 times."""
    start = int(rng.integers(len(data)))
    span = data[start : start + int(rng.integers(1, 256))]
    data[start:start] = span * int(rng.integers(1, 51))
    return data


def overwrite_field(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """A number of the header, 1, 2 or 4 bytes of either order, set to an extreme."""
    width, value = int(rng.choice((1, 2, 4))), int(rng.choice(EXTREMES))
    start = int(rng.integers(max(1, min(96, len(data)) - width)))
    order = "big" if rng.random() < 0.5 else "little"
    data[start : start + width] = (value % (1 << 8 * width)).to_bytes(width, order)
    return data


def declare_size(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """The sides set to something else, where the format keeps them, with the checksum that belongs to it."""
    sides = [int(rng.choice((0, 1, 63, 65, 3_000, 9_999, 20_000, 65_535, 0x7FFFFFFF))) for _ in range(2)]
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        data[16:24] = struct.pack(">II", *sides)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif data[:2] == b"\xff\xd8":
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        data[frame + 5 : frame + 9] = struct.pack(">HH", *(side % 65_536 for side in sides))
    elif data[:3] == b"GIF":
        data[6:10] = struct.pack("<HH", *(side % 65_536 for side in sides))
    elif data[:2] == b"BM":
        data[18:26] = struct.pack("<II", *sides)
    elif data[:1] == b"P":
        data[3:8] = b"%d %d" % tuple(sides)
    else:
        return overwrite_field(data, rng, other)
    return data


def splice(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """The beginning of one file and the end of another."""
    return data[: int(rng.integers(len(data)))] + bytearray(other[int(rng.integers(len(other))) :])


DAMAGES = {
    "bits flipped": flip_bits,
    "header bits flipped": flip_early_bits,
    "bytes set": set_bytes,
    "cut off": truncate,
    "span deleted": delete,
    "noise inserted": insert,
    "span repeated": duplicate,
    "header number overwritten": overwrite_field,
    "sides overwritten": declare_size,
    "two files spliced": splice,
}


def run(count: int, seed: int) -> Report:
    """Every mutant through a worker, one at a time, so that each has its time."""
    report = Report()
    with Decoders(1, time_limit_s=TIME_LIMIT_S) as decoders:
        for mutant in mutants(count, seed):
            began = time.perf_counter()
            (result,) = decoders.map(examine, [((mutant.data,), mutant.name)])
            report.add(mutant, result, time.perf_counter() - began)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "mutants.json")
    arguments = parser.parse_args()
    began = time.perf_counter()
    report = run(arguments.count, arguments.seed)
    wall_s = time.perf_counter() - began
    close_idle()  # the memory of children is known when they have ended
    parent_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    worker_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    faults = []
    if report.slowest_s > TIME_LIMIT_S + START_S:
        faults.append(f"{report.slowest} took {report.slowest_s:.1f} s")
    if max(parent_mb, worker_mb) > MOST_MB:
        faults.append(f"{max(parent_mb, worker_mb):.0f} MB of memory")
    if report.unnamed:
        faults.append(f"{len(report.unnamed)} refused without name or reason, such as {report.unnamed[0]}")
    total = sum(report.outcomes.values(), Counter())
    facts = {
        "schema": 1,
        "ganvas": __version__,
        "pillow": PIL.__version__,
        "python": sys.version.split()[0],
        "count": arguments.count,
        "seed": arguments.seed,
        "faults": faults,
        "outcomes": dict(total),
        "time_limit_s": TIME_LIMIT_S,
        "slowest_s": round(report.slowest_s, 3),
        "slowest": report.slowest,
        "parent_peak_mb": round(parent_mb),
        "worker_peak_mb": round(worker_mb),
        "wall_s": round(wall_s, 1),
        "timed_out": report.timed_out,
        "crashed": report.crashed,
        "unforeseen": report.unforeseen,
        "formats": {base: dict(counts) for base, counts in sorted(report.outcomes.items())},
        "damages": {damage: dict(counts) for damage, counts in sorted(report.damages.items())},
        "reasons": dict(report.reasons.most_common()),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps({name: facts[name] for name in ("outcomes", "slowest_s", "worker_peak_mb", "faults")}))
    sys.exit(1 if faults else 0)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    main()
