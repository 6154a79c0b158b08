"""What a run says while it goes: one JSON line per interval in stats.jsonl, and a progress line for people."""

from __future__ import annotations

import json
import os
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

    def __init__(self, path: Path, *, quiet: bool = False, keep: int = 0) -> None:
        """`keep`: lines that the checkpoint knows from which the run goes on; later ones go, or they would be twice."""
        self._path = path
        if path.is_file():
            self._cut(keep)
        self._file = path.open("a", encoding="utf-8")
        self._lines = keep
        self.console = Console(file=sys.stdout, quiet=quiet, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._lines_said = 0

    def record(self, event: str, **facts: Any) -> None:
        """One event for programs."""
        rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in facts.items()}
        self._file.write(json.dumps({"event": event, **rounded}) + "\n")
        self._file.flush()
        self._lines += 1

    def lines_on_disk(self) -> int:
        """How many events there are, all safe from a power cut: for a checkpoint, whose past they are."""
        if self._path.is_file():
            os.fsync(self._file.fileno())
        return self._lines

    def say(self, text: str) -> None:
        """One line for people."""
        self.console.print(text, markup=False)

    def go_back(self, lines: int) -> None:
        """Drop the lines after the first so many, but what was found wrong there, which explains the way back."""
        self._file.close()
        self._lines = self._cut(lines, and_also=FINDINGS)
        self._file = self._path.open("a", encoding="utf-8")

    def _cut(self, lines: int, and_also: tuple[str, ...] = ()) -> int:
        """Keep the first lines, and later ones of some events; how many that are. A kill loses none of them."""
        events = read_stats(self._path)
        kept = events[:lines] + [event for event in events[lines:] if event.get("event") in and_also]
        write_text_atomically(self._path, "".join(json.dumps(event) + "\n" for event in kept))
        return len(kept)

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
