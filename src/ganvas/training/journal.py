"""What a run says while it goes: one JSON line per interval in stats.jsonl, and a progress line for people."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from torch import Tensor

from ganvas.training.run_folder import write_text_atomically


class Averager:
    """Means over an interval without waiting for the device at every step."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, stats: dict[str, Tensor]) -> None:
        for name, value in stats.items():
            self._sums[name] = self._sums[name].to(value.device) + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        if not self._sums:
            return {}
        values = torch.stack([total.float() for total in self._sums.values()]).tolist()
        means = {name: value / self._counts[name] for name, value in zip(self._sums, values, strict=True)}
        self._sums, self._counts = {}, {}
        return means

    def to_json(self) -> dict[str, list[float]]:
        """Sums and counts so far, exactly: for a checkpoint within an interval."""
        return {name: [float(total), self._counts[name]] for name, total in self._sums.items()}

    def restore(self, kept: dict[str, list[float]]) -> None:
        """Undo `to_json`."""
        self._sums = {name: torch.tensor(total) for name, (total, _) in kept.items()}
        self._counts = {name: int(count) for name, (_, count) in kept.items()}


FINDINGS = ("diagnosis", "rollback", "warning")  # events that stay when a run goes back


class Journal:
    """stats.jsonl and the terminal. A line in the file is complete or absent."""

    def __init__(self, path: Path, *, quiet: bool = False, resume_from: int | None = None) -> None:
        """`resume_from`: images of the checkpoint that the run goes on from; later lines are dropped, not doubled."""
        kept = _lines_until(path, resume_from) if resume_from is not None else []
        self._path = path
        if kept or path.is_file():  # a kill here must not lose what is kept
            write_text_atomically(path, "".join(line + "\n" for line in kept))
        self._file = path.open("a", encoding="utf-8")
        self.console = Console(file=sys.stdout, quiet=quiet, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._lines_said = 0

    def record(self, event: str, **facts: Any) -> None:
        """One event for programs."""
        rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in facts.items()}
        self._file.write(json.dumps({"event": event, **rounded}) + "\n")
        self._file.flush()

    def say(self, text: str) -> None:
        """One line for people."""
        self.console.print(text, markup=False)

    def go_back(self, images: int) -> None:
        """Drop the lines after so many images, but what was found wrong there, which explains the way back."""
        self._file.close()
        kept = _lines_until(self._path, images, and_also=FINDINGS)
        write_text_atomically(self._path, "".join(line + "\n" for line in kept))
        self._file = self._path.open("a", encoding="utf-8")

    def warn(self, images: int, message: str) -> None:
        """A finding for both; it also stands in the report."""
        self.record("warning", images=images, message=message)
        self.say(f"warning: {message}")

    def show(self, progress: float, images: int, images_per_s: float, left_s: float, words: str) -> None:
        """The progress line: a bar on a terminal, a line at every twentieth of the run elsewhere."""
        left = str(timedelta(seconds=round(left_s))).removeprefix("0:")
        text = f"{images:>9,} images  {images_per_s:6,.0f}/s  {left} left  {words}"
        if self.console.is_terminal:
            if self._progress is None:
                columns = (BarColumn(30), TextColumn("{task.percentage:3.0f}%"), TextColumn("{task.description}"))
                self._progress = Progress(*columns, console=self.console, transient=True)
                self._progress.start()
                self._task = self._progress.add_task(text, total=1.0)
            assert self._task is not None
            self._progress.update(self._task, completed=progress, description=text)
        elif progress * 20 >= self._lines_said:
            self._lines_said = int(progress * 20) + 1
            self.say(f"{progress:4.0%} {text}")

    def close(self) -> None:
        self.end_progress()
        self._file.close()

    def end_progress(self) -> None:
        """Take the bar away, so that ordinary lines can follow."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_stats(path: Path) -> list[dict[str, Any]]:
    """Every complete line of a stats.jsonl; a last one cut off by a kill is left out."""
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def _lines_until(path: Path, images: int, and_also: tuple[str, ...] = ()) -> list[str]:
    lines = read_stats(path)
    return [json.dumps(line) for line in lines if line.get("images", 0) <= images or line.get("event") in and_also]
