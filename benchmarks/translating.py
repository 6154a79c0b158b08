"""Pictures of one kind into another, with pairs and without: what the verdicts of real runs say, and their sheets.

    python benchmarks/translating.py --pairs bccd_pairs.zip emoji_pairs.zip \\
        --unpaired emoji_unpaired.zip cifar10_imagefolder.zip --minutes 30 --work RUNS \\
        --out benchmarks/results/translating.json --sheets benchmarks/results

Protocol. Each row is a run of `ganvas train`; its numbers are those of its own verdict, on pictures that were held out.
With pairs: the mean absolute difference from the targets (black to white is 1), the distance in features learned from
the targets (1: as unlike as two of them), and the Fréchet distance in those features; without: the Fréchet distance in
each direction that the run holds, and how far a picture comes back from itself. Beside each stand those of the inputs
as they are, where they have the channels for it, and the Fréchet distance of real pictures. Fréchet distances are of
the features of this data set and of as many pictures as were held out: they compare rows of one set and direction.
Of CIFAR's training pictures `--domains horse,deer`; the others have the folders of pix2pix and CycleGAN.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from training_runs import Finished, Training, add_arguments, circumstances, ensure, needed, write

SHEET_ROWS = 3
PAIRED, UNPAIRED = ("--task", "translate"), ("--task", "unpaired")
CELLS, EMOJI = "bccd_pairs.zip", "emoji_pairs.zip"
TWO_EMOJI, CIFAR = "emoji_unpaired.zip", "cifar10_imagefolder.zip"


@dataclass(frozen=True)
class Row:
    """file: of the archive, as it is called."""

    file: str
    recipe: str
    direction: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{Path(self.file).stem}-{self.recipe}-{self.direction}"


_MAPS = (*PAIRED, "--resolution", "128", "--one-hot")  # from a label map
_HORSE_DEER = (*UNPAIRED, "--domains", "horse,deer", "--resolution", "32")
_VENDORS = (*UNPAIRED, "--resolution", "64", "--channels", "3")
ROWS = (
    Row(CELLS, "pix2pix", "BtoA", _MAPS),
    Row(CELLS, "pix2pixhd", "BtoA", _MAPS),
    Row(CELLS, "pix2pix", "AtoB", (*PAIRED, "--resolution", "128")),
    Row(EMOJI, "pix2pix", "AtoB", (*PAIRED, "--resolution", "64")),
    Row(EMOJI, "pix2pix", "BtoA", (*PAIRED, "--resolution", "64")),
    *(Row(TWO_EMOJI, *way, _VENDORS) for way in (("cyclegan", "AtoB"), ("cut", "AtoB"), ("cut", "BtoA"))),
    *(Row(CIFAR, *way, _HORSE_DEER) for way in (("cyclegan", "AtoB"), ("cut", "AtoB"), ("cut", "BtoA"))),
)


def training(row: Row, source: Path, arguments: argparse.Namespace) -> Training:
    minutes = f"{arguments.minutes:g}"
    words = (*row.words, "--recipe", row.recipe, "--direction", row.direction, "--minutes", minutes)
    more = shlex.split(arguments.train_with)
    return Training(f"{row.name}-{minutes}m", source, (*words, "--seed", str(arguments.seed), *more))


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown, a line for each number of each run."""
    lines = ["| run | images | number | painted | inputs as they are | real pictures |", "|---|--:|---|--:|--:|--:|"]
    for name, row in rows.items():
        for metric, found in row["metrics"].items():
            numbers = (found[key] for key in ("value", "input_value", "real_value"))
            shown = " | ".join("" if number is None else f"{number:.4g}" for number in numbers)
            lines.append(f"| {name} | {row['images_seen']:,} | {metric} | {shown} |")
    return "\n".join(lines)


def keep_sheet(run: Finished, path: Path) -> None:
    """The first rows of the run's last sheet: input, what was painted, and the target or the way back."""
    side = int(run.row["resolution"].split("x")[0])
    with Image.open(run.path / "samples" / "final.png") as sheet:
        # Small sheets were enlarged: rows are side + 2 pixels high, and there is a gap of 2 more.
        scale = next(k for k in range(1, 65) if (sheet.height // k - 2) % (side + 2) == 0 and sheet.height % k == 0)
        some = sheet.crop((0, 0, sheet.width, min(sheet.height, scale * (SHEET_ROWS * (side + 2) + 2))))
        path.parent.mkdir(parents=True, exist_ok=True)
        some.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, nargs="*", default=[], help=f"archives {CELLS} and {EMOJI}")
    parser.add_argument("--unpaired", type=Path, nargs="*", default=[], help=f"archives {TWO_EMOJI} and {CIFAR}")
    parser.add_argument("--minutes", type=float, default=30, help="of each training")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of {', '.join(row.name for row in ROWS)}")
    add_arguments(parser)
    arguments = parser.parse_args()
    names = [row.name for row in ROWS]
    if arguments.only and not set(arguments.only) <= set(names):
        parser.error(f"--only: the rows are {', '.join(names)}")
    given = {path.name: path for path in (*arguments.pairs, *arguments.unpaired)}
    if not given:
        raise SystemExit(f"--pairs and --unpaired are missing: give some of {', '.join({r.file: 0 for r in ROWS})}")
    wanted = [row for row in ROWS if (row.name in arguments.only if arguments.only else row.file in given)]
    trainings = [training(row, needed(given.get(row.file), "an archive", row.file), arguments) for row in wanted]
    if arguments.print_commands:
        print("\n".join(shlex.join(one.command(arguments.work)) for one in trainings))
        return
    rows: dict[str, dict[str, Any]] = {}
    for row, one in zip(wanted, trainings, strict=True):
        run = ensure(one, arguments.work)
        rows[row.name] = {**run.row, "metrics": run.metrics}
        not_run = [name for name in names if name not in rows]
        write(arguments.out, {**circumstances(), "rows": rows, "not_run": not_run})
        if arguments.sheets:
            keep_sheet(run, arguments.sheets / f"translating_{row.name}.png")
    print(table(rows))


if __name__ == "__main__":
    main()
