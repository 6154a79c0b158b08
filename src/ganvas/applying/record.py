"""apply.jsonl in the folder of results: one line for each, of what it was made and by what.

A line is added before the file gets its name and holds the file's own hash: so a result counts as done only if it is
whole, unchanged, and of the same model, input and options. Lines are only ever added; the last one for a file counts.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ganvas.hashing import sha256_of

NAME = "apply.jsonl"


class Record:
    """What is known of the results in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / NAME
        self._entries: dict[str, dict[str, Any]] = {}
        if self._path.is_file():
            for line in self._path.read_bytes().splitlines():
                self._take(line)

    def add(self, file: str, made_of: dict[str, Any], partial: Path, **more: Any) -> None:
        """Note that `partial` is about to become `file`."""
        entry = {"file": file, "sha256": sha256_of(partial), **made_of, **more}
        with self._path.open("ab") as log:
            # A line that a kill cut off must not take this one with it.
            log.write(b"\n" * self._ends_open() + json.dumps(entry).encode() + b"\n")
        self._entries[file] = entry

    def is_done(self, file: str, made_of: dict[str, Any]) -> bool:
        """Whether that file is there as it was written, of exactly this."""
        entry = self._entries.get(file)
        if entry is None or any(entry.get(key) != value for key, value in made_of.items()):
            return False
        path = self._folder / file
        return path.is_file() and sha256_of(path) == entry["sha256"]

    def _take(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, dict) and isinstance(entry.get("file"), str) and isinstance(entry.get("sha256"), str):
            self._entries[entry["file"]] = entry

    def _ends_open(self) -> bool:
        if not self._path.is_file() or not self._path.stat().st_size:
            return False
        with self._path.open("rb") as log:
            log.seek(-1, 2)
            return log.read(1) != b"\n"


def options_hash(options: dict[str, Any]) -> str:
    """One short word for all that changes a result besides model and input."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:16]
