"""Progress bars for work that takes more than a moment. Nothing is drawn where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


@contextmanager
def bar(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Within the block, `show(what, done, total)` moves a bar on stderr; it goes when the block ends."""
    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total or None)
            progress.update(tasks[what], completed=done, total=total or None)

        yield show


@contextmanager
def spinner(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Within the block, `say(what)` shows on stderr what is being done; it goes when the block ends."""
    console = Console(file=sys.stderr)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        yield lambda what: status.update(what)


@contextmanager
def rated_bar(*, quiet: bool = False) -> Iterator[Callable[[str, int, int, str], None]]:
    """Within the block, `show(what, done, total, unit)` moves a bar on stderr that also says how many a second.

    A bar that has come to its end goes, so that the next file's can take its place.
    """
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        tasks: dict[str, tuple[TaskID, float]] = {}

        def show(what: str, done: int, total: int, unit: str) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total, rate=""), time.monotonic()
            task, began = tasks[what]
            rate = done / max(time.monotonic() - began, 1e-9)
            progress.update(task, completed=done, total=total, rate=f"{done}/{total} {unit}, {rate:.3g}/s")
            if done >= total:
                progress.remove_task(tasks.pop(what)[0])

        yield show
