"""One process trains a run: a lock that is free the moment its holder dies, and a note in it for people.

The kernel's lock decides on one machine (and on disks shared with it). Between machines whose shared disk does not
carry it, the note decides: its file is touched every half minute, and five minutes of silence mean left behind.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from ganvas.errors import GanvasError
from ganvas.processes import process_lives

BEAT_S = 30.0
LEFT_BEHIND_S = 300.0
PATIENCE_S = 0.5  # for a holder that is just ending
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
_held: set[int] = set()  # open descriptors, for the forks below


class RunLock:
    """Within the block this process alone may train the run whose `lock` file `path` is.

    The file stays afterwards, unlocked. `.recovered` says in words when the lock of another machine was left behind.
    Raises GanvasError within two seconds when the run is being trained, or when its folder cannot be written.
    """

    def __init__(self, path: Path, command: str = "train") -> None:
        self.path = path
        self.command = command
        self.recovered = ""
        self._file: int | None = None
        self._facts: dict[str, Any] = {}
        self._ended = threading.Event()
        self._beat: threading.Thread | None = None

    def __enter__(self) -> RunLock:
        deadline = time.monotonic() + PATIENCE_S
        while not self._try():
            if time.monotonic() > deadline:
                raise GanvasError(self._refusal(_read_note(self.path)))
            time.sleep(0.1)
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        self._facts = {"pid": os.getpid(), "host": platform.node(), "since": since, "command": self.command}
        self._write_note(self._facts)
        self._ended.clear()
        self._beat = threading.Thread(target=self._keep_beating, name="run-lock", daemon=True)
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None, "the lock is not held"
        self._ended.set()
        with contextlib.suppress(GanvasError):  # a full disk: the kernel's lock goes all the same
            self._write_note({**self._facts, "ended": datetime.now().astimezone().isoformat(timespec="seconds")})
        self._close()

    def _try(self) -> bool:
        """Take the lock if it is free: at once, or not."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        except OSError as error:
            raise GanvasError(
                f"{self.path.parent} cannot be written ({error.strerror}): "
                "make the folder writable, or give another --out"
            ) from None
        _held.add(self._file)
        try:
            locked = _lock(self._file)
            note = _read_note(self.path)
            if locked is not False and self._is_still_there() and not self._held_by_note(note, locked is None):
                return True
        except BaseException:
            self._close()
            raise
        self._close()
        return False

    def _is_still_there(self) -> bool:
        """Whether the file that is locked is the one under the name: somebody may have removed it in between."""
        assert self._file is not None
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _held_by_note(self, note: dict[str, Any], without_locks: bool) -> bool:
        """Whether the note tells of a holder whom the kernel's lock does not show."""
        if not note or "ended" in note:
            return False
        if note.get("host") == platform.node():
            pid = note.get("pid")
            return without_locks and type(pid) is int and pid != os.getpid() and process_lives(pid)
        silent_s = time.time() - self.path.stat().st_mtime
        if silent_s < LEFT_BEHIND_S:
            return True
        self.recovered = (
            f"the lock of process {note.get('pid')} on {note.get('host')} was left behind "
            f"({silent_s / 60:.0f} minutes without a sign of it): this process trains the run now"
        )
        return False

    def _refusal(self, note: dict[str, Any]) -> str:
        if not note:
            return f"{self.path.parent} is being trained by another process: wait for it, or give another --out"
        return (
            f"{self.path.parent} is being trained by process {note.get('pid')} on {note.get('host')} "
            f"since {_clock(note.get('since'))}: wait for it, or give another --out"
        )

    def _write_note(self, facts: dict[str, Any]) -> None:
        """In place, for the lock is on this very file; the old text is cut only after the new is there."""
        assert self._file is not None
        data = (json.dumps(facts) + "\n").encode()
        try:
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, data)
            os.ftruncate(self._file, len(data))
        except OSError as error:
            self._close()
            raise GanvasError(
                f"{self.path} cannot be written ({error.strerror}): make room, or give another --out"
            ) from None

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def _close(self) -> None:
        if self._file is not None:
            _held.discard(self._file)
            os.close(self._file)  # which unlocks
            self._file = None


def is_run_lock(path: Path) -> bool:
    """Whether the file is a lock that this package wrote: its folder is a run, even if killed before anything else."""
    return {"pid", "host", "since", "command"} <= _read_note(path).keys()


def _lock(file: int) -> bool | None:
    """Ask the kernel for the lock: True got it, False somebody has it, None this disk knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, 1 << 30, os.SEEK_SET)  # far behind the note, which stays readable
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK):
            return False
        if error.errno in _WITHOUT_LOCKS:
            return None
        raise
    return True


def _read_note(path: Path) -> dict[str, Any]:
    """What the lock file says; empty when it says nothing that can be read."""
    try:
        note, _ = json.JSONDecoder().raw_decode(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def _clock(since: object) -> str:
    """12:01 of today, with the date of any other day."""
    try:
        moment = datetime.fromisoformat(str(since)).astimezone()
    except ValueError:
        return "an unknown time"
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")


def _forget_locks() -> None:
    """In a forked child: its copies would keep the lock after the parent's death."""
    for file in _held:
        with contextlib.suppress(OSError):
            os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)
