"""Fetch the files of a built-in source once, check them, keep them. Files put there by hand work offline."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganvas.data.cache import remove, sweep, temporary_beside
from ganvas.errors import GanvasError
from ganvas.version import __version__

OFFLINE_VARIABLE = "GANVAS_OFFLINE"
RECORD = "SHA256SUMS.json"
TIMEOUT_S = 30
_CHUNK = 1 << 18

Progress = Callable[[str, int, int], None]  # file, bytes so far, bytes in all (0 when unknown)


@dataclass(frozen=True)
class Download:
    """One file: where it can be had (tried in this order) and what is known about it.

    Hashes are lowercase hexadecimal and stand here only as `hash_source` publishes them. Where none is
    published, the first download is trusted and its SHA-256 recorded beside it.
    """

    file: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    hash_source: str = ""


def fetch(name: str, downloads: Sequence[Download], folder: Path, progress: Progress | None = None) -> list[Path]:
    """The files of source `name` in `folder`, downloaded when they are not there, checked in any case.

    Raises GanvasError if a file is missing and cannot be had (the message says what to put where by hand), or
    if it is not the file that was published.
    """
    missing = [download for download in downloads if not (folder / download.file).is_file()]
    if missing:
        if is_offline():
            raise GanvasError(_by_hand(name, missing, folder, f"{OFFLINE_VARIABLE} is set"))
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
    for download in missing:
        try:
            _fetch_one(download, folder, progress)
        except _Unreachable as error:
            still = [each for each in missing if not (folder / each.file).is_file()]
            raise GanvasError(_by_hand(name, still, folder, str(error))) from error
    for download in downloads:
        if download not in missing:
            wrong = _what_is_wrong(download, folder / download.file, folder)
            if wrong:
                raise GanvasError(f"{folder / download.file} is not the file that was published ({wrong}): delete it")
    return [folder / download.file for download in downloads]


def is_offline() -> bool:
    """Whether `GANVAS_OFFLINE` asks for no use of the network."""
    return os.environ.get(OFFLINE_VARIABLE, "").strip().lower() not in ("", "0", "false", "no")


class _Unreachable(Exception):
    """No address gave the right file; the text says what each one did."""


def _fetch_one(download: Download, folder: Path, progress: Progress | None) -> None:
    target = folder / download.file
    partial = temporary_beside(target)
    failures = []
    for url in download.urls:
        try:
            _copy(url, partial, download, progress)
            wrong = _what_is_wrong(download, partial, folder)
            if wrong:
                failures.append(f"{url}: {wrong}")
                continue
            if not (download.sha256 or download.md5):
                _record(folder, download.file, _digest(partial, "sha256"))
            os.replace(partial, target)
            return
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            failures.append(f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}")
        finally:
            remove(partial)
    raise _Unreachable("; ".join(failures))


def _copy(url: str, partial: Path, download: Download, progress: Progress | None) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": f"ganvas/{__version__}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response, partial.open("wb") as file:
        declared = response.headers.get("Content-Length", "")
        total = int(declared) if declared.isdigit() else download.size or 0
        done = 0
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            if download.size is not None and done > download.size:
                raise http.client.HTTPException(f"more than the expected {download.size} bytes")
            if progress is not None:
                progress(download.file, done, total)
        if total and done < total:
            raise http.client.HTTPException(f"cut off after {done} of {total} bytes")
        file.flush()
        os.fsync(file.fileno())


def _what_is_wrong(download: Download, path: Path, folder: Path) -> str:
    """What does not match, or nothing."""
    size = path.stat().st_size
    if download.size is not None and size != download.size:
        return f"{size} bytes, expected {download.size}"
    expected = {"sha256": download.sha256, "md5": download.md5}
    if not any(expected.values()):
        expected["sha256"] = _recorded(folder).get(download.file)
    for kind, value in expected.items():
        if value is not None and (found := _digest(path, kind)) != value:
            return f"{kind.upper()} {found}, expected {value}"
    return ""


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _recorded(folder: Path) -> dict[str, str]:
    """SHA-256 of files that were trusted on first use."""
    path = folder / RECORD
    try:
        content = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise GanvasError(f"{path} is damaged ({error}): delete it to trust the files beside it again") from error
    return {str(key): str(value) for key, value in content.items()}


def _record(folder: Path, file: str, sha256: str) -> None:
    partial = temporary_beside(folder / RECORD)
    partial.write_text(json.dumps(_recorded(folder) | {file: sha256}, indent=1, sort_keys=True), "utf-8")
    os.replace(partial, folder / RECORD)


def _by_hand(name: str, missing: Sequence[Download], folder: Path, reason: str) -> str:
    files = ", ".join(f"{download.file} (from {download.urls[0]})" for download in missing)
    return f"{name} is not here and cannot be downloaded ({reason}): put {files} into {folder} by hand"
