"""The folder of one run: what lies where, and how a new one is made without losing an old one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from ganvas.errors import GanvasError, UsageError
from ganvas.training.run_lock import is_run_lock

MARKER = "run.json"


def thousands(images: int) -> str:
    """Images seen as file names sort them: 200_000 -> `000200`, 2_560 -> `000002.56`."""
    whole, rest = divmod(images, 1000)
    return f"{whole:06d}" + (f".{rest:03d}".rstrip("0") if rest else "")


class RunFolder:
    """Paths of a run. Everything in it is readable without this package: YAML, JSON, PNG, safetensors, HTML."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts = path / MARKER
        self.settings = path / "settings.yaml"
        self.checkup = path / "checkup.json"
        self.checkup_page = path / "checkup.html"
        self.lock = path / "lock"
        self.stats = path / "stats.jsonl"
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.verdict = path / "verdict.json"
        self.memorisation = path / "MEMORISATION.md"
        self.report = path / "report.html"
        self.explain = path / "explain"
        self.explanation = self.explain / "explain.json"
        self.explain_page = path / "explain.html"

    def write_facts(self, facts: dict[str, Any]) -> None:
        write_text_atomically(self.facts, json.dumps(facts, indent=1, ensure_ascii=False))

    def read_facts(self) -> dict[str, Any]:
        """What `write_facts` wrote; raises GanvasError if this is not a run folder."""
        if not self.facts.is_file():
            raise GanvasError(
                f"{self.path} is not a run folder: it has no {MARKER}. Give a folder that `ganvas train` made"
            )
        try:
            facts = json.loads(self.facts.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise GanvasError(f"{self.facts} cannot be read ({error}): restore it, or train again") from None
        if not isinstance(facts, dict):
            raise GanvasError(f"{self.facts} is damaged: it should hold one JSON object. Restore it, or train again")
        return facts


def is_run(path: Path) -> bool:
    """Whether a folder looks like a run of this package, if only one that was killed as it began."""
    return (path / MARKER).is_file() or is_run_lock(path / "lock")


def choose_run_folder(
    out: str | Path | None, source_name: str, recipe: str | None, *, overwrite: bool, resume: bool
) -> RunFolder:
    """Where a run may be written; nothing is written yet, but for the empty folder of a number chosen here.

    Refuses a folder that holds a run (unless told what to do with it) or anything else (always).
    """
    if out is None:
        if resume:
            raise UsageError("--resume needs the run to go on with: give --out RUN")
        out = _next_numbered(Path("runs"), source_name, recipe)
    out = Path(out)
    if resume and overwrite:
        raise UsageError("--resume goes on with a run and --overwrite replaces it: give one of them")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file: give a folder that does not exist yet")
    if out.is_dir() and not _holds_nothing(out):
        if not is_run(out):
            raise UsageError(f"--out {out} holds other files and no run: give a new or an empty folder")
        if not (overwrite or resume):
            raise UsageError(
                f"--out {out} already holds a run: give --resume to go on, --overwrite to replace it, or another --out"
            )
    return RunFolder(out)


def forget_if_empty(folder: RunFolder) -> None:
    """Remove a folder that holds nothing but the lock: of a run that never began."""
    with contextlib.suppress(OSError):
        if _holds_nothing(folder.path):
            folder.lock.unlink(missing_ok=True)
            folder.path.rmdir()


def _holds_nothing(path: Path) -> bool:
    return all(inside.name == "lock" and is_run_lock(inside) for inside in path.iterdir())


def make_run_folder(folder: RunFolder, *, fresh: bool) -> None:
    """Make the folder; with `fresh`, an old run in it goes, and nothing that somebody else put there."""
    if fresh:
        _empty(folder)
    for needed in (folder.path, folder.samples, folder.checkpoints):
        needed.mkdir(parents=True, exist_ok=True)


def _next_numbered(runs: Path, source_name: str, recipe: str | None) -> Path:
    taken = [int(p.name[:5]) for p in runs.glob("[0-9][0-9][0-9][0-9][0-9]-*")] if runs.is_dir() else []
    slug = "".join(c if c.isalnum() else "-" for c in Path(source_name).stem).strip("-") or "pictures"
    name = "-".join([f"{max(taken, default=-1) + 1:05d}", slug, *([recipe] if recipe else [])])
    try:
        (runs / name).mkdir(parents=True)  # at once, so that of two commands started together each has its own
    except FileExistsError:
        return _next_numbered(runs, source_name, recipe)
    except OSError as error:
        raise GanvasError(f"{runs} cannot be written ({error.strerror}): give --out with a folder that can") from None
    return runs / name


def _empty(folder: RunFolder) -> None:
    for path in (folder.samples, folder.checkpoints, folder.model, folder.explain):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
    for path in (
        *(folder.settings, folder.checkup, folder.checkup_page, folder.stats),
        *(folder.verdict, folder.report, folder.explain_page, folder.facts),
    ):
        path.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """The file holds the old text or the new one, never a part, whatever happens."""
    partial = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
