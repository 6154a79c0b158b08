"""Where things are kept, and how half-written things go away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ganvas.data.cache import cache_folder, downloads_folder, stores_folder, sweep, temporary_beside


def test_the_environment_names_the_folder(cache):
    assert cache_folder() == cache
    assert stores_folder() == cache / "stores"
    assert downloads_folder("mnist") == cache / "downloads" / "mnist"


def test_without_it_the_platform_does(monkeypatch):
    monkeypatch.delenv("GANVAS_CACHE")
    assert cache_folder().name == "ganvas"
    assert cache_folder().is_absolute()


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("GANVAS_CACHE", "~/pictures")
    assert cache_folder() == Path.home() / "pictures"


def test_only_what_ended_processes_left_is_swept(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = temporary_beside(tmp_path / "store")
    mine.mkdir()
    (tmp_path / f"store.tmp-{ended.pid}").mkdir()
    (tmp_path / f"store.tmp-{ended.pid}" / "images.bin").write_bytes(b"half")
    (tmp_path / f"file.gz.tmp-{ended.pid}").write_bytes(b"half")
    (tmp_path / "notes.tmp-old").write_bytes(b"no process")
    (tmp_path / "store").mkdir()
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(["store", mine.name, "notes.tmp-old"])


def test_sweeping_a_folder_that_is_not_there_is_nothing(tmp_path):
    sweep(tmp_path / "none")
    assert not (tmp_path / "none").exists()
