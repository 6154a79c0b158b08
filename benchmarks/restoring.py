"""Holes, blur, noise and lost colour: what `ganvas train --task restore` learned against the obvious ways.

    python benchmarks/restoring.py --photos bsds_photos.zip --minutes 10 --work RUNS \\
        --out benchmarks/results/restoring.json --sheets benchmarks/results

Protocol. Each model is a run of `ganvas train PHOTOS --task restore --degrade WORDS --minutes N`, which learns from
train/ alone. The pictures of val/ are degraded once, whole, from a seed, and rounded to 8 bits; every way gets the same
bytes. All numbers are of the middle 256x256, so that no way of treating edges counts: PSNR and SSIM of RGB, PSNR of the
pixels in holes alone, and the distance in the eye of a network that learned the photographs of train/ with a seed of
its own (place by place; not LPIPS's weights). What a rival can be set to is set to what gives it the most PSNR on
pictures of train/, degraded alike:

    holes       OpenCV's two ways of inpainting: Telea (2004) and Navier-Stokes (Bertalmio et al., 2001); the radius;
                and the smooth filling that `inpaint` begins with
    blur        a lens out of focus over 7 pixels, and noise of 1 %: Wiener's filter, which is given the exact blur and
                takes the spectra of photographs to fall as 1/f^2, by the noise; unsharp masking, by radius and amount
    blur-clean  the same blur without the noise
    noise       normal noise of 25 levels: non-local means (Buades et al., 2005; OpenCV), by two strengths
    gray        nothing: grey is as it is. Its PSNR is no rank: who says nothing about colour is never far off

The rivals for holes and noise are OpenCV's: `pip install "ganvas[benchmarks]"`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import ganvas
from ganvas.degrading.chain import parse
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.metrics.restoration import restoration
from ganvas.games.noise import Draws
from ganvas.images import to_float, to_integers
from ganvas.tasks.restoration import distances_seen
from photographs import Picture, batched, centre, learned_eye, read_pictures, save_sheet
from rival_restorers import RIVALS, Bad, Rival, missing
from training_runs import Finished, Training, add_arguments, circumstances, ensure, needed, write

KINDS = {
    "holes": "holes:0.1-0.4",
    "blur": "defocus:7,noise:2.55",
    "blur-clean": "defocus:7",
    "noise": "noise:25",
    "gray": "gray",
}
SEED = 5_000_000  # of what is done to the pictures, apart from that of any run
MIDDLE = 256
TUNED_ON = 12
SHOWN = 4


def degraded(photos: Sequence[Picture], words: str, seed: int) -> list[Bad]:
    """What is done to each picture, whole, rounded to 8 bits as a file holds it."""
    degradation, found = parse(words), []
    for number, photo in enumerate(photos):
        images, mask = degradation(to_float(torch.from_numpy(batched(photo))), Draws("cpu", (seed, number)))
        hole = None if mask is None else mask.numpy()[0, 0] > 0.5
        colours = to_integers(images[:, : photo.shape[2]])  # behind them is the mask, where there is one
        found.append(Bad(colours.numpy()[0].transpose(1, 2, 0).copy(), hole))
    return found


def tuned(rival: Rival, photos: Sequence[Picture], words: str) -> Any:
    """The setting that gives a rival the most PSNR on pictures of the training half."""
    bad = degraded(photos, words, SEED + 1)

    def gained(setting: Any) -> float:
        results = [rival.repair(one, setting) for one in bad]
        return float(
            np.mean([_psnr(centre(a, MIDDLE), centre(b, MIDDLE)) for a, b in zip(results, photos, strict=True)])
        )

    return max(rival.settings, key=gained)


def measured(
    results: Sequence[Picture], originals: Sequence[Picture], holes: Sequence[NDArray[np.bool_] | None], eye: FeatureNet
) -> dict[str, float]:
    """Means over the pictures, of their middles."""
    a, b = (np.concatenate([batched(centre(p, MIDDLE)) for p in pictures]) for pictures in (results, originals))
    found = restoration(a, b)
    row = {
        "psnr": round(found.psnr, 3),
        "ssim": round(found.ssim, 4),
        "perceptual_distance": round(float(distances_seen(eye, a, b).mean()), 4),
    }
    inside = [
        _psnr(centre(p, MIDDLE)[there], centre(q, MIDDLE)[there])
        for p, q, hole in zip(results, originals, holes, strict=True)
        if hole is not None and (there := centre(hole, MIDDLE)).any()
    ]
    return row | ({"psnr_in_holes": round(statistics.mean(inside), 3)} if inside else {})


def kind_rows(
    kind: str, run: Finished, train: Sequence[Picture], val: Sequence[Picture], eye: FeatureNet, sheets: Path | None
) -> list[dict[str, Any]]:
    """Each way on the same pictures: as they are, the rivals, and the model."""
    words, rows = KINDS[kind], []
    bad = degraded(val, words, SEED)
    model = ganvas.load(run.path)
    ways: dict[str, list[Picture]] = {"as it is": [one.picture for one in bad]}
    more: dict[str, dict[str, Any]] = {}
    for rival in RIVALS[kind]:
        absent = missing(rival)
        if absent:
            rows.append({"kind": kind, "way": rival.name, "not measured": absent})
            continue
        setting = tuned(rival, train[:TUNED_ON], words)
        ways[rival.name], more[rival.name] = [rival.repair(one, setting) for one in bad], {"setting": setting}
    ways["ganvas"] = [model.apply(one.picture, mask=one.hole) for one in bad]
    for name, results in ways.items():
        row = {"kind": kind, "way": name, **measured(results, val, [one.hole for one in bad], eye)}
        rows.append(row | more.get(name, {}))
    for row in rows:
        print(json.dumps(row), flush=True)
    if sheets is not None:
        some = np.linspace(0, len(val) - 1, min(SHOWN, len(val))).astype(int)
        columns = {name: [centre(results[i], MIDDLE // 2) for i in some] for name, results in ways.items()}
        columns["original"] = [centre(val[i], MIDDLE // 2) for i in some]
        save_sheet(columns, sheets / f"restoring_{kind}.png")
    return rows


def _psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Of any pixels alike."""
    error = np.square(a.astype(np.float64) - b).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="ZIP with train/ and val/")
    parser.add_argument("--minutes", type=float, default=10, help="of each training")
    parser.add_argument("--only", default=",".join(KINDS), help=f"some of {','.join(KINDS)}")
    parser.add_argument("--pictures", type=int, help="of val/, evenly spread [default: all]")
    add_arguments(parser)
    arguments = parser.parse_args()
    needed(arguments.photos, "--photos", "a ZIP of photographs in train/ and val/")
    kinds = arguments.only.split(",")
    if not set(kinds) <= set(KINDS):
        parser.error(f"--only {arguments.only}: the kinds are {', '.join(KINDS)}")
    minutes, more = f"{arguments.minutes:g}", shlex.split(arguments.train_with)
    trainings = {}
    for kind in kinds:
        words = ("--task", "restore", "--degrade", KINDS[kind], "--minutes", minutes, "--seed", str(arguments.seed))
        trainings[kind] = Training(f"{kind}-{minutes}m", arguments.photos, (*words, *more))
    if arguments.print_commands:
        print("\n".join(shlex.join(one.command(arguments.work)) for one in trainings.values()))
        return
    runs = {kind: ensure(training, arguments.work) for kind, training in trainings.items()}
    train, val = (read_pictures(arguments.photos, folder) for folder in ("train", "val"))
    if arguments.pictures:
        val = [val[i] for i in np.linspace(0, len(val) - 1, arguments.pictures).astype(int)]
    print("an eye of its own learns the photographs", flush=True)
    eye = learned_eye(train)
    rows = [row for kind in kinds for row in kind_rows(kind, runs[kind], train, val, eye, arguments.sheets)]
    facts = {**circumstances(), "pictures": len(val), "middle": MIDDLE, "degradations": KINDS, "rows": rows}
    write(arguments.out, {**facts, "runs": {kind: {**run.row, "metrics": run.metrics} for kind, run in runs.items()}})


if __name__ == "__main__":
    main()
