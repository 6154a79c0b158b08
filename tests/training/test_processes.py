"""A whole run by two processes: one folder, one model, the same as by one; resumed by another number of them."""

import json
import os
import subprocess
import sys

import torch
from test_train import tensors_of

import ganvas

WORDS = ["--width", "8", "--z-dim", "8", "--batch", "8", "--judge-samples", "64", "--threads", "1", "--recipe", "fast"]


def train(processes, *words):
    """`ganvas train` by so many processes; its output."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "ganvas", "train", *map(str, words), *WORDS]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_two_processes_make_one_run_which_one_process_goes_on_with(bars_npz, tmp_path):
    said = train(2, bars_npz, "--images", 800, "--checkpoint-every", 160, "--out", tmp_path / "two")
    assert said.count("report ") == 1
    train(1, bars_npz, "--images", 800, "--checkpoint-every", 160, "--out", tmp_path / "one")
    facts = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("one", "two")]
    assert [(f["ended"], f["images_seen"]) for f in facts] == [("done", 800)] * 2
    one, two = (tensors_of(ganvas.Run(tmp_path / name)) for name in ("one", "two"))
    averaged = [name for name in one if name.startswith("G_ema.") and one[name].is_floating_point()]
    assert averaged
    for name in averaged:
        torch.testing.assert_close(two[name], one[name], rtol=0.1, atol=0.02)
    train(1, bars_npz, "--images", 960, "--resume", "--out", tmp_path / "two")
    train(2, bars_npz, "--images", 1120, "--resume", "--out", tmp_path / "two")
    assert json.loads((tmp_path / "two" / "run.json").read_text())["images_seen"] == 1120
