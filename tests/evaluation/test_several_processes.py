"""Verdicts by several processes: the same numbers, every picture looked at by one process only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from example_pictures import bars

# A network of the user's own that writes down how many pictures each process showed it.
EYE = """
import os, pathlib, torch
class Eye(torch.nn.Module):
    def forward(self, x):
        with pathlib.Path(os.environ["SEEN"], os.environ.get("RANK", "0")).open("a") as file:
            file.write(f"{len(x)}\\n")
        return torch.cat([x.mean((2, 3)), x.std((2, 3)), x[:, :, 2, 3], x[:, :, 7, 5]], dim=1)
def eye():
    return Eye()
"""


def verdict(folder: Path, processes: int, *words: object) -> tuple[dict[str, float], list[int]]:
    """The numbers of `ganvas evaluate` by so many processes, and how many pictures each looked at."""
    seen = folder / f"seen{processes}"
    seen.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "ganvas", "evaluate", *map(str, words)]
    own = {"PYTHONPATH": str(folder), "SEEN": str(seen), "GANVAS_CACHE": str(folder / f"cache{processes}")}
    own |= {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--json", "--device", "cpu"], env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)["metrics"]  # one document: only one process tells it
    counts = [sum(map(int, path.read_text().split())) for path in sorted(seen.iterdir())]
    return {m["metric"]: m["value"] for m in metrics}, counts


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    images, labels = bars(97)
    np.savez(folder / "bars.npz", images=images, labels=labels)
    (folder / "own_eye.py").write_text(EYE)
    torch.set_num_threads(1)
    ganvas.train(folder / "bars.npz", recipe="mlp", out=folder / "run", images=640, batch=16, quiet=True, threads=1)
    return folder


def test_two_processes_judge_a_run_as_one_does_and_share_the_looking(run):
    words = (run / "run", "--data", run / "bars.npz", "--samples", 33, "--features", "own_eye:eye")
    alone, (looked,) = verdict(run, 1, *words)
    both, (first, second) = verdict(run, 2, *words)
    assert both == pytest.approx(alone, rel=1e-6)
    probes = 1  # each process first asks the network, with one picture, how many features it gives
    assert (first - probes) + (second - probes) == looked - probes == 33 + 97
    assert abs(first - second) <= 2
