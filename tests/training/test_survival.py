"""A small share of `benchmarks/survival.py`, which kills and starves real processes and damages their files."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.training.checkpoint import Checkpoint, load_newest_checkpoint, save_checkpoint

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load_by_path(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DAMAGES = load_by_path("damaged_checkpoints").DAMAGES


@pytest.mark.parametrize("kind", DAMAGES)
def test_every_kind_of_damage_is_found_and_the_checkpoint_before_is_used(kind, tmp_path):
    for images in (1000, 2000):
        save_checkpoint(tmp_path, Checkpoint({"w": torch.full((20,), float(images))}, {"images": images}))
    file = DAMAGES[kind](tmp_path / "000002", tmp_path / "000001", np.random.default_rng(5))
    found, problems = load_newest_checkpoint(tmp_path)
    assert found.counters["images"] == 1000
    assert len(problems) == 1
    assert "000002" in problems[0]
    assert file in problems[0]


@pytest.fixture(scope="module")
def survived(tmp_path_factory):
    """What the benchmark found, in a process of its own, which may fork: pytest has threads."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    out = tmp_path_factory.mktemp("survival") / "found.json"
    share = ["--kills", "3", "--full-starts", "0", "--stops", "1", "--disks", "1", "--damages", "28", "--pairs", "1"]
    share += ["--of-one-run", "6"]
    command = [sys.executable, str(BENCHMARKS / "survival.py"), *share, "--no-stall", "--seed", "1", "--out", str(out)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=one_thread)
    assert out.is_file(), ended.stderr
    return json.loads(out.read_text())


def test_no_promise_is_broken(survived):
    assert survived["broken"] == []


def test_killed_runs_end_as_if_nothing_had_been(survived):
    kills = survived["kills"]
    assert kills["kills"] == 3
    assert kills["runs_finished"] >= 1
    assert kills["most_images_lost"] <= 2 * kills["save_interval_images"]


def test_a_signal_ends_a_run_in_time(survived):
    assert survived["stops"]["signals"] == {signal.SIGTERM.name: 1}
    assert survived["stops"]["slowest_s"] < 10


def test_a_full_disk_and_a_sealed_folder_are_said_in_one_line(survived):
    assert sum(survived["full_disks"]["outcomes"].values()) == 1
    said = survived["read_only"]["said"]
    assert "cannot be written (Permission denied)" in said["the whole folder"]
    assert "checkpoint not written (Permission denied): the one before" in said["the checkpoints"]


def test_a_second_process_is_told_who_trains(survived):
    assert "is being trained by process" in survived["two_processes"]["said"]
    assert survived["two_processes"]["slowest_refusal_s"] < 2
