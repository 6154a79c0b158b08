"""One tracker in a thread of its own: a training never waits for it and never fails by it."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ganvas.training.trackers.contract import Opening, Tracker
from ganvas.training.trackers.record import Record, Told

MOST_WAITING = 1000  # points and pictures that may wait for a slow tracker; the next ones are dropped
PATIENCE_S = 10.0  # one point or picture may take so long before the user is told
OPENING_PATIENCE_S = 90.0  # imports, a first data base, a handshake


@dataclass(frozen=True)
class Point:
    images: int
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Picture:
    images: int
    name: str
    path: Path


@dataclass(frozen=True)
class Back:
    images: int


@dataclass(frozen=True)
class End:
    ended: str


Item = Point | Picture | Back | End


@dataclass
class _Unsettled:
    """Told, but not yet safe from a kill."""

    images: int
    names: list[str]
    followed: float | None = None  # when a later point was told


class Worker(threading.Thread):
    """Opens a tracker, hands it what comes, and keeps the first thing that goes wrong for `new_problem`.

    A tracker that fails once is still given later points: a network comes back. One that cannot be opened is not.
    """

    def __init__(
        self,
        name: str,
        open_tracker: Callable[[Opening], Tracker],
        opening: Opening,
        record: Record,
        past: Callable[[], Iterable[Point]],
    ) -> None:
        """`past`: what the run said before it was resumed, of which a kill may have taken some."""
        super().__init__(name=f"tracker-{name}", daemon=True)  # a daemon: the process may end before it does
        self.tracker_name = name
        self._open_tracker, self._opening, self._record, self._past = open_tracker, opening, record, past
        self._waiting: queue.Queue[Item] = queue.Queue(MOST_WAITING)
        self._busy: tuple[float, float] | None = (time.monotonic(), OPENING_PATIENCE_S)  # since when, for how long
        self._problem: str | None = None
        self._told_user = False
        self._shut = False
        self._unsettled: list[_Unsettled] = []
        self._last: dict[str, int] = {}  # name -> images of the last point told, settled or not

    def offer(self, item: Item) -> None:
        """Hand something over; returns at once."""
        if self._shut:
            return
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self._fail(f"it is {MOST_WAITING} points behind, further ones are dropped")

    @property
    def hangs(self) -> bool:
        """Whether it has been busy with one thing for longer than such a thing takes."""
        busy = self._busy
        return busy is not None and time.monotonic() - busy[0] > busy[1]

    def give_up(self) -> None:
        """After the end: what it has not written yet may be lost."""
        if self.is_alive():
            self._fail("it did not finish, its last points may be missing")

    def new_problem(self) -> str | None:
        """What went wrong, once; then None for ever."""
        if self.hangs:
            self._fail("it does not answer, points wait for it")
        if self._problem is None or self._told_user:
            return None
        self._told_user = True
        return f"{self.tracker_name}: {self._problem}. Training goes on; its curves may have gaps"

    def run(self) -> None:
        """The thread."""
        try:
            tracker = self._open_tracker(self._opening)
            told = self._record.of.setdefault(self.tracker_name, Told())
            if told.identity != tracker.identity:
                told.identity, told.written = tracker.identity, {}
            self._last = dict(told.written)
            self._record.save()
        except BaseException as error:  # libraries of others also exit
            self._shut = True
            self._fail(f"cannot be opened: {_in_one_line(error)}")
            return
        finally:
            self._busy = None
        try:
            for point in self._past():
                self._try(tracker, told, point)
        except OSError as error:
            self._fail(_in_one_line(error))
        while True:
            item = self._waiting.get()
            self._try(tracker, told, item)
            if isinstance(item, End):
                return

    def _try(self, tracker: Tracker, told: Told, item: Item) -> None:
        self._busy = (time.monotonic(), PATIENCE_S)
        try:
            self._hand_over(tracker, told, item)
        except BaseException as error:
            self._fail(_in_one_line(error))
        finally:
            self._busy = None

    def _hand_over(self, tracker: Tracker, told: Told, item: Item) -> None:
        if isinstance(item, End):
            tracker.finish(item.ended)
            self._settle(told, None, 0.0)
            return
        if isinstance(item, Back):
            self._settle(told, None, 0.0)
            if tracker.go_back(item.images):
                told.forget_after(item.images if item.images else -1)
                self._last = dict(told.written)
                self._record.save()
            return
        if isinstance(item, Picture):
            names = [item.name] if self._is_new(item.images, item.name) else []
            if names:
                tracker.picture(item.name, item.path, item.images)
        else:
            new = {name: value for name, value in item.numbers.items() if self._is_new(item.images, name)}
            names = list(new)
            if new:
                tracker.log(item.images, new)
        if names:
            self._last.update(dict.fromkeys(names, item.images))
            self._unsettled.append(_Unsettled(item.images, names))
            self._settle(told, item.images, tracker.settles_s)

    def _is_new(self, images: int, name: str) -> bool:
        return images > self._last.get(name, -1)

    def _settle(self, told: Told, images: int | None, settles_s: float) -> None:
        """Keep on record what a kill can no longer take: all with `images` None, else what is older."""
        now, left = time.monotonic(), []
        for entry in self._unsettled:
            if entry.followed is None and images is not None and entry.images < images:
                entry.followed = now
            if images is None or settles_s == 0 or (entry.followed is not None and now - entry.followed >= settles_s):
                told.written.update(dict.fromkeys(entry.names, entry.images))
            else:
                left.append(entry)
        if len(left) < len(self._unsettled):
            self._record.save()
        self._unsettled = left

    def _fail(self, problem: str) -> None:
        if self._problem is None:
            self._problem = problem


def _in_one_line(error: BaseException) -> str:
    text = re.sub(r"://[^/\s@]+@", "://***@", " ".join(str(error).split()))  # a password has no place in a report
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
