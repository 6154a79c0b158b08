"""Verdicts on painters by several processes: told once, with the numbers of one, every picture painted by one alone."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import ganvas

# Counts what is painted here: imported by Python itself where it begins.
COUNTING = """
import os, pathlib
from ganvas import picture_model
paint = picture_model.PictureModel.paint
def counted(self, images, labels=None):
    with pathlib.Path(os.environ["SEEN"], os.environ.get("RANK", "0")).open("a") as file:
        file.write(f"{len(images)}\\n")
    return paint(self, images, labels)
picture_model.PictureModel.paint = counted
"""


def verdict(folder, processes, run):
    """The numbers of `ganvas evaluate` by so many processes, and how many pictures each painted."""
    seen = folder / f"seen{processes}"
    seen.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    start = [*(launcher if processes > 1 else []), str(folder / "counting.py")]
    own = {"SEEN": str(seen), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *start, "evaluate", str(run), "--json", "--device", "cpu"],
        env=os.environ | own, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads(done.stdout)["metrics"]  # one document: only one process tells it
    counts = [sum(map(int, path.read_text().split())) for path in sorted(seen.iterdir())]
    return {m["metric"]: m["value"] for m in metrics}, counts


def test_two_processes_judge_a_painter_as_one_does_and_share_the_painting(tmp_path):
    random = np.random.default_rng(0)
    for i in range(45):
        folder = tmp_path / "plain" / ("test" if i >= 24 else "train")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{i}.png")
    ganvas.train(tmp_path / "plain", task="restore", degrade="noise", out=tmp_path / "run", width=4, batch=4,
                 images=8, quiet=True, threads=1)  # fmt: skip
    (tmp_path / "counting.py").write_text(f"{COUNTING}\nfrom ganvas.cli import main\nraise SystemExit(main())\n")
    alone, (painted,) = verdict(tmp_path, 1, tmp_path / "run")
    both, (first, second) = verdict(tmp_path, 2, tmp_path / "run")
    assert both == pytest.approx(alone, rel=1e-4)
    assert painted == first + second == 21
    assert (first, second) == (8 + 3, 8 + 2)  # of parts of 16 and 5
