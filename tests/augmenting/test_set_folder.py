"""The folder of a set: whole or not there, gone on with after a kill, never over anything else; readable as data."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from made_up_generators import NAMES, SIDE, bar, made, model_of
from PIL import Image

from ganvas.data.prepare import check_source
from ganvas.data.sources import open_source
from ganvas.data.store import StoreOptions, open_store
from ganvas.errors import GanvasError, UsageError
from ganvas.synthetic import gain as gain_module
from ganvas.synthetic.filling import Picture
from ganvas.synthetic.set_folder import MANIFEST, SetInWork, check_out, set_in_work

HERE = Path(__file__).parent


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_picture_tells_its_origin_and_can_be_drawn_again(store, features, tmp_path):
    found = made(tmp_path / "set", bar, store, features, keep=0.8)
    rows = [json.loads(line) for line in (found.path / "metadata.jsonl").read_text().splitlines()]
    assert sorted(path.name for path in found.path.iterdir()) == [
        "CARD.md",
        "both",
        "down",
        "manifest.json",
        "metadata.jsonl",
    ]
    for row in rows[::20]:
        with Image.open(found.path / row["file_name"]) as picture:
            told, pixels = picture.text, np.asarray(picture)
        assert (told["class"], told["seed"]) == (row["label"], str(row["seed"]))
        assert (told["synthetic"], told["truncation"], told["recipe"]) == ("true", "1", "made up")
        assert told["model_sha256"] == "a" * 64
        assert told["software"].startswith("ganvas ")
        again = model_of(bar).sample([row["seed"]], class_name=row["label"])[0, ..., 0]
        assert np.array_equal(pixels, again)
    manifest = json.loads((found.path / "manifest.json").read_text())
    assert manifest["schema"] == 1
    assert manifest["pictures"] == len(rows) == 80
    assert manifest["words"] == found.words


def test_data_check_is_happy_with_it_and_reads_the_classes(store, features, tmp_path):
    found = made(tmp_path / "set", bar, store, features, per_class=30)
    checkup = check_source(str(found.path), full=True)
    findings = [finding for finding in checkup.findings if finding.severity != "note"]
    assert [finding.kind for finding in findings] in ([], ["tiny-set"])
    read = open_store(open_source(str(found.path)), StoreOptions(resolution=(SIDE, SIDE)))
    assert read.class_names == tuple(sorted(NAMES))
    assert np.bincount(read.labels).tolist() == [30, 30, 30]


def test_a_killed_command_goes_on_and_ends_as_if_nothing_had_been(tmp_path):
    script = [sys.executable, str(HERE / "made_up_generators.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name in ("straight", "killed"):
        (tmp_path / name).mkdir()
    subprocess.run([*script, str(tmp_path / "straight")], check=True, env=environment, timeout=300)
    shutil.copytree(tmp_path / "straight" / "store", tmp_path / "killed" / "store")  # with the features in it
    folder, kills = tmp_path / "killed", 0
    journal = folder / "set.partial" / "journal.jsonl"
    while not (folder / "set").exists():
        lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
        process = subprocess.Popen([*script, str(folder)], env=environment)
        ended_at = time.monotonic() + 240
        while process.poll() is None and time.monotonic() < ended_at:
            if kills < 2 and journal.exists() and journal.read_bytes().count(b"\n") > lines + 1:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.005)
        process.wait(timeout=10)
    assert kills == 2
    assert not journal.parent.exists()
    assert content(folder / "set") == content(tmp_path / "straight" / "set")


def test_half_a_line_of_the_journal_and_left_over_pictures_do_no_harm(store, features, tmp_path):
    whole = made(tmp_path / "whole", bar, store, features)

    class Stopped(Exception):
        pass

    def stop(_what, done, _total):
        if done > 20:
            raise Stopped

    out = tmp_path / "stopped"
    with pytest.raises(Stopped):
        made(out, bar, store, features, show=stop)
    partial = tmp_path / "stopped.partial"
    with (partial / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"round": {"asked": 1, "fir')
    (partial / "down" / "seed99999999.png").write_bytes(b"of a round that was not finished")
    found = made(out, bar, store, features)
    assert not partial.exists()
    assert found.classes == whole.classes
    assert content(out).keys() == content(whole.path).keys()


def test_the_same_command_again_finds_the_set_there(store, features, tmp_path, monkeypatch):
    monkeypatch.setattr(gain_module, "default_pictures", lambda _net, _count: 256)
    first = made(tmp_path / "set", bar, store, features, seeds=2, per_class=8)
    before = content(first.path)
    again = made(tmp_path / "set", bar, store, features, seeds=2, per_class=8)
    assert again == first
    assert content(first.path) == before


def test_a_set_that_lacks_only_its_name_gets_it(store, features, tmp_path):
    first = made(tmp_path / "set", bar, store, features)
    first.path.rename(tmp_path / "set.partial")
    key = json.loads((tmp_path / "set.partial" / MANIFEST).read_text())["key"]
    work = SetInWork(tmp_path / "set.partial", key, NAMES)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.png").write_bytes(b"")
    with pytest.raises(GanvasError, match=r"something was put into .*the set lies finished in .*set\.partial"):
        work.rename(tmp_path / "set")
    shutil.rmtree(tmp_path / "set")
    assert made(tmp_path / "set", bar, store, features) == first


def test_what_is_something_else_is_refused(store, features, tmp_path):
    made(tmp_path / "set", bar, store, features)
    with pytest.raises(UsageError, match="already holds a synthetic set that was made otherwise"):
        made(tmp_path / "set", bar, store, features, keep=0.9)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.png").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="already holds other files: give a new or an empty folder"):
        check_out(tmp_path / "photos", "key")
    with pytest.raises(UsageError, match="is a file"):
        check_out(tmp_path / "file", "key")
    (tmp_path / "new.partial").mkdir()
    (tmp_path / "new.partial" / "mine.png").write_bytes(b"")
    with (
        pytest.raises(UsageError, match="is in the way and holds no set of this command"),
        set_in_work(tmp_path / "new", "key", NAMES),
    ):
        pass
    SetInWork(tmp_path / "begun.partial", "one key", NAMES)
    with pytest.raises(UsageError, match="was begun by another command"):
        SetInWork(tmp_path / "begun.partial", "another key", NAMES)


def test_two_processes_do_not_write_one_set(tmp_path):
    second = set_in_work(tmp_path / "set", "key", NAMES)
    message = "is being written by another process"
    with set_in_work(tmp_path / "set", "key", NAMES), pytest.raises(GanvasError, match=message), second:
        pass


def test_a_picture_that_was_changed_meanwhile_is_found(store, tmp_path):
    work = SetInWork(tmp_path / "set.partial", "key", NAMES)
    (work.path / "down").mkdir()
    Image.fromarray(store.images[0, 0]).save(work.path / work.place(7, 1))
    with pytest.raises(GanvasError, match=r"seed00000007\.png is not what was drawn"):
        work.read([Picture(7, 1, 1.0, 0.0, "0" * 16)], store.images)
