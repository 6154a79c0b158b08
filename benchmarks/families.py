"""The families on small real sets: each recipe for as long on the same pictures, a table of verdicts and the sheets.

    python benchmarks/families.py --sets cats64.zip emoji128.zip cifar10_imagefolder.zip --minutes 5 \\
        --out benchmarks/results/families.json --sheets docs/images/families

`--pixels` then adds, for the runs that are still there, two measures in which no network looks: `projected` learns
through the judge's own. Each row is a real `ganvas train` with one thread and is written down as soon as it is there; a
second call goes on with what is missing, and a row that was not run says so. `--only cats/fast` runs one row,
`--parallel 2` two at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganvas.versions import versions

FINALISTS = ("fast", "biggan", "stylegan2", "fastgan", "r3gan", "projected")
PIXELS = ("sliced_wasserstein", "spectrum_distance")
SHOWN = 8  # pictures a side of a sheet
# What is narrower than the row of the recipe, so that a core gets through enough pictures of 64 pixels in minutes.
NARROW: dict[str, tuple[str, ...]] = {
    "biggan": ("--width", "16", "--max-width", "128"),
    "stylegan2": ("--width", "8", "--max-width", "64"),
    "fastgan": ("--width", "8", "--max-width", "128"),
    "r3gan": ("--width", "8", "--max-width", "64"),
}


@dataclass(frozen=True)
class Set:
    """Pictures of one kind: file: as it is called. most: so many of them are used, evenly spread."""

    name: str
    file: str
    words: tuple[str, ...]
    most: int | None = None
    inside: str = ""  # of the archive, only this folder
    recipes: tuple[str, ...] = FINALISTS
    narrow: bool = False


FINAL = (
    Set("cats", "cats64.zip", ("--resolution", "64"), narrow=True),
    Set(
        "cats500",
        "cats64.zip",
        ("--resolution", "64"),
        most=500,
        recipes=("fast", "fastgan", "projected"),
        narrow=True,
    ),
    Set("emoji", "emoji128.zip", ("--resolution", "64", "--channels", "4"), most=500, narrow=True),
    Set("cifar10", "cifar10_imagefolder.zip", ("--resolution", "32"), inside="train/", narrow=True),
)
# The families that are slower or need labels or none: pictures small enough for a core, and longer.
OTHERS = (
    Set(
        "cats32",
        "cats64.zip",
        ("--resolution", "32"),
        recipes=("fast", "stylegan2", "stylegan3", "progressive", "transformer", "fastgan", "projected"),
    ),
    Set(
        "cifar10-labels",
        "cifar10_imagefolder.zip",
        ("--resolution", "32"),
        inside="train/",
        recipes=("fast", "sngan", "sagan", "biggan", "acgan"),
    ),
    Set("digits", "", ("--no-labels",), recipes=("infogan",)),
)
TABLES = {"finalists": FINAL, "others": OTHERS}


def source_of(pictures: Set, archives: dict[str, Path], cache: Path) -> str:
    """The set as a folder of its own; `digits` is a name that `ganvas train` knows."""
    if not pictures.file:
        return pictures.name
    archive = archives[pictures.file]
    target = cache / pictures.name
    if target.is_dir():
        return str(target)
    with zipfile.ZipFile(archive) as content:
        names = sorted(n for n in content.namelist() if n.lower().endswith((".png", ".jpg")) and pictures.inside in n)
        if pictures.most is not None:
            names = [names[i] for i in np.linspace(0, len(names) - 1, pictures.most).astype(int)]
        partial = target.with_suffix(".partial")
        for name in names:
            path = partial / (name.split(pictures.inside, 1)[1] if pictures.inside else Path(name).name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read(name))
    partial.rename(target)
    return str(target)


def train(pictures: Set, recipe: str, source: str, run: Path, minutes: float, seed: int) -> dict[str, Any]:
    """One row: the run's own verdict and counts."""
    words = ["--recipe", recipe, "--minutes", str(minutes), "--threads", "1", "--seed", str(seed)]
    words += [
        *pictures.words,
        *(NARROW.get(recipe, ()) if pictures.narrow else ()),
        "--report-to",
        "none",
        "--out",
        str(run),
        "--overwrite",
    ]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "ganvas", "train", source, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:], "code": done.returncode}
    facts = json.loads((run / "run.json").read_text())
    verdict = json.loads((run / "verdict.json").read_text())
    metrics = {m["metric"]: {"value": m["value"], "real": m["real_value"]} for m in verdict["metrics"]}
    reference = {k: verdict["metrics"][0][k] for k in ("features", "samples", "reference", "reference_samples")}
    return {
        "command": f"ganvas train {pictures.name} {' '.join(words[:-3])}",
        "images": facts["images_seen"],
        "train_seconds": facts["train_seconds"],
        "wall_seconds": round(time.monotonic() - began, 1),
        "ended": facts["ended"],
        "parameters": facts.get("parameters"),
        "verdict": verdict["words"],
        "passport": reference,
        "metrics": metrics,
    }


def in_pixels(run: Path) -> dict[str, Any]:
    """Two measures in which no network looks: of patches and of spectra, 1 000 samples a side."""
    words = ["evaluate", str(run), "--samples", "1000", "--metrics", "sliced_wasserstein,spectrum_distance", "--json"]
    done = subprocess.run([sys.executable, "-m", "ganvas", *words], capture_output=True, text=True, check=True)
    rows = {m["metric"]: m for m in json.loads(done.stdout)["metrics"]}
    return {name: {"value": rows[name]["value"], "real": rows[name]["real_value"]} for name in PIXELS}


def sheet_of(run: Path, side: int) -> Image.Image:
    """Some samples of the run's model, with the classes in turn where it has some."""
    import ganvas

    model = ganvas.load(run)
    pictures = model.sample(range(SHOWN * SHOWN))
    _, height, width, channels = pictures.shape
    rows = pictures.reshape(SHOWN, SHOWN, height, width, channels).transpose(0, 2, 1, 3, 4)
    array = np.ascontiguousarray(rows.reshape(SHOWN * height, SHOWN * width, channels)).squeeze()
    image = Image.fromarray(array)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)


def beside(sheets: list[tuple[str, Path]], path: Path) -> None:
    """The sheets of a set in one picture, each under its name."""
    side, bar, per_row = 384, 22, 3
    rows = -(-len(sheets) // per_row)
    whole = Image.new("RGB", (per_row * (side + 8), rows * (side + bar + 8)), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(16)
    for i, (name, run) in enumerate(sheets):
        x, y = i % per_row * (side + 8), i // per_row * (side + bar + 8)
        draw.text((x + 2, y), name, fill="black", font=font)
        whole.paste(sheet_of(run, side), (x, y + bar))
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save(path, quality=88, optimize=True)


def read_rows(path: Path) -> dict[str, Any]:
    """What was run so far."""
    rows: dict[str, Any] = json.loads(path.read_text())["rows"] if path.is_file() else {}
    return rows


def show(rows: dict[str, Any], wanted: list[str]) -> None:
    """The table as it stands."""
    print(
        f"{'row':24}{'images':>10}{'images/s':>10}{'distance':>10}{'real':>8}{'precision':>10}{'recall':>8}{'coverage':>9}"
    )
    for key in wanted:
        row = rows.get(key)
        if row is None or "metrics" not in row:
            print(f"{key:24}{'not run' if row is None else row.get('failed')}")
            continue
        numbers = {k: v["value"] for k, v in row["metrics"].items()}
        rate = row["images"] / row["train_seconds"]
        print(
            f"{key:24}{row['images']:>10,}{rate:>10.0f}{numbers['frechet_distance']:>10.1f}"
            f"{row['metrics']['frechet_distance']['real']:>8.1f}{numbers['precision']:>10.3f}{numbers['recall']:>8.3f}"
            f"{numbers['coverage']:>9.3f}"
        )


def as_markdown(rows: dict[str, Any], wanted: list[str]) -> str:
    """The table for docs/recipes.md."""
    lines = [
        "| set | recipe | images | images/s | distance (real) | precision | recall | coverage | patches | spectra |",
        "|---" * 10 + "|",
    ]
    for key in wanted:
        name, recipe = key.split("/")
        row = rows.get(key, {})
        if "metrics" not in row:
            lines.append(f"| {name} | `{recipe}` | not run | | | | | | | |")
            continue
        m = row["metrics"]
        lines.append(
            f"| {name} | `{recipe}` | {row['images']:,} | {row['images'] / row['train_seconds']:.0f} | "
            f"{m['frechet_distance']['value']:.3g} ({m['frechet_distance']['real']:.2g}) | "
            + " | ".join(f"{100 * m[k]['value']:.0f} %" for k in ("precision", "recall", "coverage"))
            + " | "
            + " | ".join(f"{m[k]['value']:.3g} ({m[k]['real']:.2g})" if k in m else "" for k in PIXELS)
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, nargs="+", required=True, help="the archives, by their names")
    parser.add_argument("--table", choices=TABLES, default="finalists")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="+", default=[], help="rows such as cats/fast, or of recipes beside the finalists"
    )
    parser.add_argument("--parallel", type=int, default=1, help="rows at a time, with one thread each")
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / "ganvas-families")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--pixels", action="store_true", help="train nothing; judge the runs there are by their pixels")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown, too")
    arguments = parser.parse_args()
    given = {path.name: path for path in arguments.sets}
    there = [s for s in TABLES[arguments.table] if not s.file or s.file in given]
    rows = read_rows(arguments.out)
    wanted = arguments.only or [f"{s.name}/{recipe}" for s in there for recipe in s.recipes]

    def path_of(key: str) -> Path:
        runs: Path = arguments.runs
        return runs / f"{key.replace('/', '-')}-{arguments.minutes:g}-{arguments.seed}"

    def look(key: str) -> None:
        row = read_rows(arguments.out)[key]
        row["metrics"] |= in_pixels(path_of(key))
        write(key, row)

    def run(key: str) -> None:
        name, recipe = key.split("/")
        pictures = next(s for s in there if s.name == name)
        row = train(pictures, recipe, sources[name], path_of(key), arguments.minutes, arguments.seed)
        write(key, row)
        show(rows, [key])

    def write(key: str, row: dict[str, Any]) -> None:
        command = (
            f"python benchmarks/families.py --sets {' '.join(given)} --table {arguments.table} "
            f"--minutes {arguments.minutes:g} --seed {arguments.seed}"
        )
        rows.update(read_rows(arguments.out) | {key: row})  # another call may have written since
        document = {
            "command": f"{command} --out {arguments.out.name}",
            "cpu_count": os.cpu_count(),
            "versions": versions(),
            "rows": rows,
        }
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")

    arguments.runs.mkdir(parents=True, exist_ok=True)
    sources = {s.name: source_of(s, given, arguments.runs) for s in there}
    with ThreadPoolExecutor(arguments.parallel) as pool:
        if arguments.pixels:
            ran = [k for k in wanted if (path_of(k) / "model").is_dir() and "metrics" in rows.get(k, {})]
            list(pool.map(look, [key for key in ran if PIXELS[0] not in rows[key]["metrics"]]))
        else:
            list(pool.map(run, [key for key in wanted if "metrics" not in rows.get(key, {})]))
    show(rows, wanted)
    if arguments.markdown:
        print(as_markdown(rows, wanted))
    if arguments.sheets:
        for pictures in there:
            runs = {r: path_of(f"{pictures.name}/{r}") for r in pictures.recipes}
            found = [(r, path) for r, path in runs.items() if (path / "model").is_dir()]
            if found:
                beside(found, arguments.sheets / f"{pictures.name}.jpg")


if __name__ == "__main__":
    main()
