"""Where Ganvas keeps what it can make again: prepared pictures and downloads. `GANVAS_CACHE` moves it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import platformdirs

from ganvas.processes import process_lives

CACHE_VARIABLE = "GANVAS_CACHE"


def cache_folder() -> Path:
    """The cache folder of this platform, or the one `GANVAS_CACHE` names. It need not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE, "").strip()
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("ganvas", appauthor=False))


def stores_folder() -> Path:
    """The folder that holds one folder per prepared store."""
    return cache_folder() / "stores"


def locks_folder() -> Path:
    """The folder of the locks that keep two processes from preparing the same pictures."""
    return cache_folder() / "locks"


def downloads_folder(name: str) -> Path:
    """The folder that holds the downloaded files of the built-in source `name`."""
    return cache_folder() / "downloads" / name


def temporary_beside(path: Path) -> Path:
    """A name in the same folder, marked with this process, to write under until all is there."""
    return path.with_name(f"{path.name}.tmp-{os.getpid()}")


def sweep(folder: Path) -> None:
    """Remove what processes that no longer live left half written in `folder` (*.tmp-<pid>)."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        _, found, pid = entry.name.rpartition(".tmp-")
        if found and pid.isdigit() and not process_lives(int(pid)):
            remove(entry)


def remove(path: Path) -> None:
    """Delete a file or a whole folder; nothing happens when it is already gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep the names in `folder`, so that a rename survives a power cut."""
    if os.name == "nt":  # Windows cannot open a folder for that
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
