"""What super-resolution starts from: bicubic x4 on Set5 and Set14, and the reductions that are given against ours.

python benchmarks/bicubic.py --data set5_set14_x4.zip --out benchmarks/results/bicubic.json

Protocol: the given reductions enlarged by the bicubic kernel with a = -0.5 and rounded to 8 bits; PSNR and SSIM on the
luma (ITU-R BT.601, 16 to 235, not rounded) without a border of 4 pixels; means over the pictures. A grey picture is
taken as it is, as in the published figures; taken as colour, its luma has less range and 1.3 dB more PSNR.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ganvas.degrading.lowres import reduced
from ganvas.evaluation.metrics.restoration import psnr, restoration
from ganvas.images import to_float, to_integers
from ganvas.networks.enlarging import bicubic
from ganvas.versions import versions

SCALE = 4
SETS = ("Set5", "Set14")


def read(archive: zipfile.ZipFile, name: str) -> NDArray[np.uint8]:
    """[1, C, H, W]; a grey picture has one channel."""
    with Image.open(io.BytesIO(archive.read(name))) as image:
        pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)[None].copy()


def row(archive: zipfile.ZipFile, folder: str) -> dict[str, object]:
    psnrs, ssims, as_colour, agreements, worst = [], [], [], [], 0
    for name in sorted(n for n in archive.namelist() if n.startswith(f"{folder}/") and n.endswith("_HR.png")):
        high, low = read(archive, name), read(archive, name.replace("_HR", "_LR"))
        enlarged = to_integers(bicubic(to_float(torch.from_numpy(low)), SCALE)).numpy()
        found = restoration(enlarged, high, border=SCALE, on_luma=True)
        psnrs.append(found.psnr)
        ssims.append(found.ssim)
        colour = (np.broadcast_to(one, (1, 3, *one.shape[2:])) for one in (enlarged, high))
        as_colour.append(restoration(*colour, border=SCALE, on_luma=True).psnr)
        ours = to_integers(reduced(to_float(torch.from_numpy(high)), SCALE))
        agreements.append(float(psnr(ours.double() / 255, torch.from_numpy(low).double() / 255)))
        inside = np.abs(ours.numpy().astype(int) - low)[:, :, 2:-2, 2:-2]
        worst = max(worst, int(inside.max()))
    return {
        "set": folder,
        "pictures": len(psnrs),
        "psnr": round(float(np.mean(psnrs)), 3),
        "psnr_with_grey_as_colour": round(float(np.mean(as_colour)), 3),
        "ssim": round(float(np.mean(ssims)), 4),
        "psnr_of_each": [round(value, 2) for value in psnrs],
        "our_reductions_against_the_given_psnr": round(float(np.min(agreements)), 1),
        "largest_difference_in_levels_off_the_edges": worst,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with zipfile.ZipFile(arguments.data) as archive:
        rows = [row(archive, folder) for folder in SETS]
    for one in rows:
        print(json.dumps(one))
    if arguments.out:
        arguments.out.write_text(json.dumps({"schema": 1, **versions(), "scale": SCALE, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
