"""One process trains a run; whoever dies leaves it free."""

import json
import os
import platform
import subprocess
import sys
import time
from datetime import datetime

import pytest

from ganvas.errors import GanvasError
from ganvas.processes import process_lives
from ganvas.training import run_lock
from ganvas.training.run_lock import RunLock

HOLDER = """
import os, sys, time
from pathlib import Path
from ganvas.training.run_lock import RunLock
with RunLock(Path(sys.argv[1])):
    if "fork" in sys.argv:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
    print("held", flush=True)
    time.sleep(30)
"""


def start_holder(path, *words):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_within_two_seconds_and_told_who_trains(tmp_path):
    path = tmp_path / "run" / "lock"
    holder = start_holder(path)
    began = time.monotonic()
    with pytest.raises(GanvasError) as refused, RunLock(path):
        pass
    assert time.monotonic() - began < 2
    since = datetime.fromisoformat(json.loads(path.read_text())["since"]).astimezone().strftime("%H:%M")
    assert str(refused.value) == (
        f"{tmp_path / 'run'} is being trained by process {holder.pid} on {platform.node()} since {since}: "
        "wait for it, or give another --out"
    )
    end(holder)
    with RunLock(path) as lock:  # killed: free at once
        assert lock.recovered == ""
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_child_that_outlives_its_killed_parent_does_not_keep_the_lock(tmp_path):
    holder = start_holder(tmp_path / "lock", "fork")
    end(holder)
    with RunLock(tmp_path / "lock"):
        pass


def test_the_same_process_cannot_take_it_twice(tmp_path):
    with RunLock(tmp_path / "lock"), pytest.raises(GanvasError, match="is being trained"), RunLock(tmp_path / "lock"):
        pass


def test_the_file_stays_with_who_trained_from_when_to_when(tmp_path):
    with RunLock(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock").read_text()).keys() == {"pid", "host", "since", "command"}
    note = json.loads((tmp_path / "lock").read_text())
    assert (note["pid"], note["host"], note["command"]) == (os.getpid(), platform.node(), "train")
    assert note["since"] <= note["ended"]


def note_of_another_machine(path, silent_s, **more):
    since = "2020-02-03T12:01:00+00:00"
    path.write_text(json.dumps({"pid": 5, "host": "elsewhere", "since": since, "command": "train", **more}))
    moment = time.time() - silent_s
    os.utime(path, (moment, moment))


def test_a_fresh_note_of_another_machine_is_respected(tmp_path):
    note_of_another_machine(tmp_path / "lock", silent_s=100)
    with (
        pytest.raises(GanvasError, match=r"process 5 on elsewhere since 2020-02-03 \d\d:01"),
        RunLock(tmp_path / "lock"),
    ):
        pass
    assert json.loads((tmp_path / "lock").read_text())["host"] == "elsewhere", "the refused one has written nothing"


def test_five_minutes_of_silence_of_another_machine_are_left_behind_and_said(tmp_path):
    note_of_another_machine(tmp_path / "lock", silent_s=601)
    with RunLock(tmp_path / "lock") as lock:
        assert lock.recovered == (
            "the lock of process 5 on elsewhere was left behind (10 minutes without a sign of it): "
            "this process trains the run now"
        )


def test_a_run_that_ended_on_another_machine_is_free(tmp_path):
    note_of_another_machine(tmp_path / "lock", silent_s=1, ended="2020-02-03T12:02:00+00:00")
    with RunLock(tmp_path / "lock") as lock:
        assert lock.recovered == ""


def test_while_it_is_held_the_file_shows_life(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "BEAT_S", 0.05)
    path = tmp_path / "lock"
    with RunLock(path):
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 5
        while path.stat().st_mtime < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("text", ["", "not json", "[1]", '{"pid": "x"}', "\0\0"])
def test_a_garbled_note_keeps_nobody_out(tmp_path, text):
    (tmp_path / "lock").write_text(text)
    os.utime(tmp_path / "lock", (1, 1))
    with RunLock(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_on_a_disk_without_locks_the_note_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "_lock", lambda file: None)
    monkeypatch.setattr(run_lock, "PATIENCE_S", 0.0)
    path = tmp_path / "lock"
    here = {"host": platform.node(), "since": "2020-02-03T12:01:00+00:00", "command": "train"}
    path.write_text(json.dumps({"pid": os.getppid(), **here}))
    with pytest.raises(GanvasError, match=f"process {os.getppid()}"), RunLock(path):
        pass
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path.write_text(json.dumps({"pid": dead.pid, **here}))
    with RunLock(path):
        pass


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(GanvasError, match=r"run cannot be written \(.*\): make the folder writable, or give another"):
        RunLock(tmp_path / "run" / "lock").__enter__()


def test_a_process_that_ended_does_not_live():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert process_lives(os.getpid())
    assert not process_lives(process.pid)
    assert not process_lives(2**40)
