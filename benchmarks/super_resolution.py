"""Enlarging by four on Set5 and Set14: bicubic, what is trained to be true to the pixel, and what is trained with a D.

    python benchmarks/super_resolution.py --photos bsds_photos.zip --sets set5_set14_x4.zip --minutes 5 30 \\
        --esrgan-minutes 30 --work RUNS --out benchmarks/results/super_resolution.json \\
        --sheets benchmarks/results

Protocol. Each model is a run of `ganvas train PHOTOS --task restore --degrade lowres:4 --minutes M`; the adversarial
one goes on from the longest of them (`--recipe esrgan --init-from RUN`). They have seen nothing of Set5 and Set14. Each
paints the low-resolution pictures that the sets come with, whole, to 8 bits (`model.apply`). PSNR and SSIM are those of
papers: on the luma (ITU-R BT.601, 16 to 235, not rounded), without a border of 4 pixels, means over the pictures; a
grey picture is measured as grey (see bicubic.py), a model's answer to one made grey first.

Perceptual distance: place by place in the maps of a network that learned the photographs (LPIPS's formula, not its
weights: not comparable with published figures). The adversarial model learns through such a network, so it is measured
with another one, of another seed; `verdict` is the run's own number on 500 held-out patches, in the network it learned
through. Fine detail: the power above 1/8 cycles a pixel, which the reduced picture cannot hold, over the original's.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import ganvas
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.metrics.restoration import restoration
from ganvas.images import to_float, to_integers
from ganvas.networks.enlarging import bicubic
from ganvas.tasks.restoration import distances_seen
from photographs import Picture, batched, centre, fine_detail, learned_eye, read_picture, read_pictures, save_sheet
from training_runs import Training, add_arguments, circumstances, ensure, needed, write

SCALE = 4
SETS = ("Set5", "Set14")
SHOWN, CROP = 3, 128  # one picture in three is on the sheet, its middle
Enlarge = Callable[[Picture], Picture]


@dataclass(frozen=True)
class Pair:
    """A picture and its reduction: [H, W, C] and [H / 4, W / 4, C]."""

    high: Picture
    low: Picture


def trainings(arguments: argparse.Namespace) -> list[Training]:
    """Those for the pixels, and the adversarial one that goes on from the last, where it is wanted."""
    seed, more = ("--seed", str(arguments.seed)), tuple(shlex.split(arguments.train_with))
    words = ("--task", "restore", "--degrade", f"lowres:{SCALE}")
    found = [
        Training(f"lowres4-{minutes:g}m", arguments.photos, (*words, "--minutes", f"{minutes:g}", *seed, *more))
        for minutes in sorted(arguments.minutes)
    ]
    if arguments.esrgan_minutes:
        minutes, begin = f"{arguments.esrgan_minutes:g}", found[-1].name
        words = ("--recipe", "esrgan", *words[2:], "--init-from", str(arguments.work / begin), "--minutes", minutes)
        found.append(Training(f"esrgan-{minutes}m-after-{begin}", arguments.photos, (*words, *seed, *more)))
    return found


def read_pairs(path: Path, folder: str) -> list[Pair]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(n for n in archive.namelist() if n.startswith(f"{folder}/") and n.endswith("_HR.png"))
        return [Pair(read_picture(archive, n), read_picture(archive, n.replace("_HR", "_LR"))) for n in names]


def by_bicubic(low: Picture) -> Picture:
    enlarged = to_integers(bicubic(to_float(torch.from_numpy(batched(low))), SCALE))
    return enlarged.numpy()[0].transpose(1, 2, 0)


def by_model(run: Path) -> Enlarge:
    model = ganvas.load(run)
    return model.apply


def as_the_original(painted: Picture, original: Picture) -> Picture:
    """A model of colours paints grey pictures in RGB: they are measured as grey, like their originals."""
    if painted.shape[2] == original.shape[2]:
        return painted
    return np.array(Image.fromarray(painted).convert("L"))[:, :, None]


def measured(pairs: list[Pair], painted: list[Picture], eye: FeatureNet) -> dict[str, Any]:
    """Means over the pictures, each of a size of its own."""
    psnrs, ssims, seen, fine = [], [], [], []
    for pair, picture in zip(pairs, painted, strict=True):
        found = restoration(batched(picture), batched(pair.high), border=SCALE, on_luma=True)
        psnrs.append(found.psnr)
        ssims.append(found.ssim)
        seen.append(float(distances_seen(eye, batched(picture, 3), batched(pair.high, 3))[0]))
        fine.append(fine_detail(picture, pair.high))
    return {
        "psnr": round(statistics.mean(psnrs), 3),
        "ssim": round(statistics.mean(ssims), 4),
        "perceptual_distance": round(statistics.mean(seen), 4),
        "fine_detail": round(statistics.mean(fine), 3),
        "psnr_of_each": [round(value, 2) for value in psnrs],
    }


def sheet(sets: dict[str, list[Pair]], ways: dict[str, dict[str, list[Picture]]], path: Path) -> None:
    """The middles of some pictures: reduced, each way, original."""
    chosen = [(name, i) for name in sets for i in range(len(sets[name]))][::SHOWN]
    columns = {"reduced": [], "original": []} | {way: [] for way in ways}
    for name, i in chosen:
        pair = sets[name][i]
        larger = pair.low.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        columns["reduced"].append(centre(larger, CROP))
        columns["original"].append(centre(pair.high, CROP))
        for way, painted in ways.items():
            columns[way].append(centre(painted[name][i], CROP))
    save_sheet({name: columns[name] for name in ("reduced", *ways, "original")}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="ZIP to train on, with train/ and val/")
    parser.add_argument("--sets", type=Path, help="ZIP with Set5/ and Set14/, *_HR.png and *_LR.png")
    parser.add_argument("--minutes", type=float, nargs="+", default=[5, 30], help="of the trainings for the pixels")
    parser.add_argument("--esrgan-minutes", type=float, default=0, help="of the one with a D; 0: leave it out")
    add_arguments(parser)
    arguments = parser.parse_args()
    needed(arguments.photos, "--photos", "a ZIP of photographs in train/ and val/")
    all_runs = trainings(arguments)
    if arguments.print_commands:
        print("\n".join(shlex.join(one.command(arguments.work)) for one in all_runs))
        return
    pairs_zip = needed(arguments.sets, "--sets", "a ZIP with Set5/ and Set14/ and their reductions by 4")
    sets = {name: read_pairs(pairs_zip, name) for name in SETS}
    finished = {one.name: ensure(one, arguments.work) for one in all_runs}
    print("an eye of its own learns the photographs", flush=True)
    eye = learned_eye(read_pictures(arguments.photos, "train"))
    rows: list[dict[str, Any]] = []
    ways: dict[str, dict[str, list[Picture]]] = {}
    enlargers: dict[str, Enlarge] = {"bicubic": by_bicubic, **{n: by_model(run.path) for n, run in finished.items()}}
    for way, enlarge in enlargers.items():
        ways[way] = {}
        for name, pairs in sets.items():
            ways[way][name] = [as_the_original(enlarge(pair.low), pair.high) for pair in pairs]
            rows.append({"set": name, "pictures": len(pairs), "way": way, **measured(pairs, ways[way][name], eye)})
            print(json.dumps({k: v for k, v in rows[-1].items() if k != "psnr_of_each"}), flush=True)
    runs = {name: {**run.row, "metrics": run.metrics} for name, run in finished.items()}
    write(arguments.out, {**circumstances(), "scale": SCALE, "rows": rows, "runs": runs})
    if arguments.sheets:
        for_pixels, with_d = all_runs[: len(arguments.minutes)], all_runs[len(arguments.minutes) :]
        shown = {"bicubic": "bicubic", "for the pixels": for_pixels[-1].name}
        if with_d:
            shown["with a D"] = with_d[0].name
        sheet(sets, {title: ways[way] for title, way in shown.items()}, arguments.sheets / "super_resolution.png")


if __name__ == "__main__":
    main()
