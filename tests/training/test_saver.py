"""Training goes on while a checkpoint is written, and a full disk does not stop it."""

import os
import subprocess
import sys
import threading
import time

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.training import saver as saver_module
from ganvas.training.checkpoint import Checkpoint, list_checkpoints, load_best_checkpoint, load_newest_checkpoint
from ganvas.training.checkpoint import save_checkpoint as write
from ganvas.training.saver import Saver


def checkpoint(images, value=1.0):
    return Checkpoint({"G.weight": torch.full((3,), value)}, {"images": images})


def never(problem):
    raise AssertionError(problem)


@pytest.fixture
def slow_disk(monkeypatch):
    """Writes begin only when `.set()` is called."""
    may_write = threading.Event()

    def slowly(*arguments, **flags):
        assert may_write.wait(10)
        return write(*arguments, **flags)

    monkeypatch.setattr(saver_module, "save_checkpoint", slowly)
    return may_write


@pytest.fixture
def full_disk(monkeypatch):
    """Writes fail while the list is not empty."""
    full = ["yes"]

    def perhaps(*arguments, **flags):
        if full:
            raise OSError(28, "No space left on device")
        return write(*arguments, **flags)

    monkeypatch.setattr(saver_module, "save_checkpoint", perhaps)
    return full


def test_the_state_of_the_call_is_written_and_not_what_became_of_it(tmp_path, slow_disk):
    state = checkpoint(1000, 1.0)
    with Saver(tmp_path, on_problem=never) as saver:
        saver.save(state)
        state.tensors["G.weight"].fill_(9.0)  # training goes on, in place
        state.counters["images"] = 9000
        assert list_checkpoints(tmp_path) == [], "save has returned before anything was written"
        slow_disk.set()
    found, _ = load_newest_checkpoint(tmp_path)
    assert found.counters == {"images": 1000}
    assert torch.equal(found.tensors["G.weight"], torch.ones(3))


def test_at_most_one_write_is_in_flight(tmp_path, slow_disk):
    with Saver(tmp_path, on_problem=never) as saver:
        saver.save(checkpoint(1000))
        threading.Timer(0.2, slow_disk.set).start()
        began = time.monotonic()
        saver.save(checkpoint(2000))
        assert time.monotonic() - began > 0.15, "the second waited for the first"
        assert list_checkpoints(tmp_path)[0].name == "000001"
    assert [p.name for p in list_checkpoints(tmp_path)] == ["000001", "000002"]


def test_best_and_permanent_reach_the_disk(tmp_path):
    with Saver(tmp_path, 1, on_problem=never) as saver:
        saver.save(checkpoint(1000), permanent=True)
        saver.save(checkpoint(2000), best=True)
        saver.save(checkpoint(3000))
        saver.save(checkpoint(4000))
    assert [p.name for p in list_checkpoints(tmp_path)] == ["000001", "000002", "000004"]
    assert load_best_checkpoint(tmp_path)[0].counters["images"] == 2000


def test_a_full_disk_is_told_and_training_goes_on(tmp_path, full_disk):
    write(tmp_path, checkpoint(1000))
    told = []
    with Saver(tmp_path, on_problem=told.append) as saver:
        saver.save(checkpoint(2000))
        while not told:
            saver.poll()
        assert told == [
            "checkpoint not written (No space left on device): the one before, 000001, is whole; training goes on"
        ]
        full_disk.clear()
        saver.save(checkpoint(3000))
    assert len(told) == 1, "once for each failure"
    assert [p.name for p in list_checkpoints(tmp_path)] == ["000001", "000003"]


def test_a_failure_that_nobody_asked_for_is_told_at_the_next_save(tmp_path, full_disk):
    told = []
    with Saver(tmp_path, on_problem=told.append) as saver:
        saver.save(checkpoint(1000))
        saver._join()
        full_disk.clear()
        saver.save(checkpoint(2000))
    assert told == ["checkpoint not written (No space left on device): there is none before it; training goes on"]


def test_the_last_save_of_a_run_raises(tmp_path, full_disk):
    write(tmp_path, checkpoint(1000))
    saver = Saver(tmp_path, on_problem=never)
    saver.save(checkpoint(2000))
    with pytest.raises(GanvasError, match=r"000001, is whole: make room, then go on with --resume"):
        saver.wait()
    saver.wait()  # said once


def test_the_error_of_the_block_is_not_hidden_by_that_of_the_disk(tmp_path, full_disk):
    told = []

    def diverge():
        with Saver(tmp_path, on_problem=told.append) as saver:
            saver.save(checkpoint(1000))
            raise RuntimeError("diverged")

    with pytest.raises(RuntimeError, match="diverged"):
        diverge()
    assert told == ["checkpoint not written (No space left on device): there is none before it"]


def test_counters_that_json_cannot_hold_are_a_mistake_that_shows_at_once(tmp_path):
    saver = Saver(tmp_path, on_problem=never)
    with pytest.raises(TypeError):
        saver.save(Checkpoint({}, {"images": 1, "seen": {1, 2}}))


def test_what_an_earlier_process_of_the_same_number_left_is_swept_at_the_start(tmp_path):
    left = tmp_path / f"000002.tmp-{os.getpid()}"  # in a container every process may be number 1
    left.mkdir()
    Saver(tmp_path, on_problem=never)
    assert not left.exists()


def test_an_interpreter_that_exits_writes_to_the_end(tmp_path):
    script = """
import sys, time, torch
from pathlib import Path
from ganvas.training import saver as module
from ganvas.training.checkpoint import Checkpoint, save_checkpoint
def slowly(*arguments, **flags):
    time.sleep(0.5)
    return save_checkpoint(*arguments, **flags)
module.save_checkpoint = slowly
module.Saver(Path(sys.argv[1]), on_problem=print).save(Checkpoint({"w": torch.ones(2)}, {"images": 1000}))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000001", "latest"]
    assert load_newest_checkpoint(tmp_path)[0].counters["images"] == 1000
