"""Worker processes that decode pictures of strangers: one that hangs, crashes or fills the memory costs only itself.

Each worker is a process of its own with a memory limit; it gets the bytes of encoded pictures and sends back what a
job made of them, one by one, so that it is known which picture a worker died of. Workers are kept for the next use.
"""

from __future__ import annotations

import atexit
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any

from ganvas.data.decoder_process import receive, send
from ganvas.errors import GanvasError

TIME_LIMIT_S = 10.0  # a picture; the largest that are let in take about three seconds
MEMORY_LIMIT_MB = 448  # a worker, beyond what it needs itself; with that it stays under 512 MB
MOST_ITEMS, MOST_BYTES = 32, 4 << 20  # of a chunk, after which the next worker has its turn
_START_LIMIT_S = 60.0

Item = tuple[tuple[bytes, ...], str]  # the encoded files of one picture (two for a pair), and its name
Job = Callable[[tuple[bytes, ...], str, Any], Any]


@dataclass(frozen=True)
class Failed:
    """What a job gives for a picture that cannot be used."""

    name: str
    reason: str


def processes_for(count: int | None = None) -> int:
    """How many workers: `count`, or one for each core that this process may use, at most 32."""
    if count is not None:
        return max(1, count)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(32, usable)


class Decoders:
    """Workers for the length of a `with` block.

    processes: how many (default: one a core). time_limit_s, memory_limit_mb: what one picture may cost.
    """

    def __init__(
        self,
        processes: int | None = None,
        time_limit_s: float = TIME_LIMIT_S,
        memory_limit_mb: int = MEMORY_LIMIT_MB,
    ) -> None:
        self.processes = processes_for(processes)
        self._time_limit_s, self._memory_limit_mb = time_limit_s, memory_limit_mb
        self._threads = ThreadPoolExecutor(self.processes, thread_name_prefix="ganvas-decoder")

    def __enter__(self) -> Decoders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def map(self, job: Job, items: Iterable[Item], argument: Any = None) -> Iterator[Any]:
        """job(files, name, argument) of each item, in order, or Failed. Items are taken as they are needed.

        `job` is a function of a module, which the workers import; what it raises makes the item Failed.
        """
        waiting: deque[Future[list[Any]]] = deque()
        for chunk in _chunks(items):
            waiting.append(self._threads.submit(self._run, job, chunk, argument))
            if len(waiting) > 2 * self.processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()

    def _run(self, job: Job, chunk: list[Item], argument: Any) -> list[Any]:
        """One chunk through one worker, and through as many new ones as die of it."""
        results: list[Any] = []
        while len(results) < len(chunk):
            worker = _take_worker(self._memory_limit_mb)
            rest = chunk[len(results) :]
            died = worker.run(job, rest, argument, self._time_limit_s, results)
            if died is None:
                _give_back(worker)
            else:
                worker.close()
                if died:
                    results.append(Failed(chunk[len(results)][1], died))
        return results


class _Worker:
    """One process, and the pipe to it."""

    def __init__(self, memory_limit_mb: int) -> None:
        self.memory_limit_mb = memory_limit_mb
        self.owner = os.getpid()
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",  # each of its threads would count against the memory limit
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),  # so that it finds what this process found
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ganvas.data.decoder_process", str(memory_limit_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where the C libraries complain about damaged files
            env=environment,
        )
        self._deadline = float("inf")
        self._overdue = False
        _watch(self)
        if self._receive(_START_LIMIT_S) != "ready":
            self.close()
            raise GanvasError(
                f"a process for decoding pictures did not start (exit code {self._process.returncode}): "
                f"try {sys.executable} -m ganvas.data.decoder_process {memory_limit_mb}"
            )

    def run(self, job: Job, items: list[Item], argument: Any, limit_s: float, results: list[Any]) -> str | None:
        """Append what the job makes of each item. None, or why the worker died of the next one ("": not its fault)."""
        try:
            assert self._process.stdin is not None, "the process has a pipe"
            # Written beside the reading, or both sides could wait for each other with full pipes.
            writer = threading.Thread(
                target=self._send, args=((job, argument, items, limit_s),), daemon=True, name="ganvas-decoder-send"
            )
            writer.start()
            if self._receive(_START_LIMIT_S) is None:
                raise GanvasError(
                    f"a process for decoding pictures ended before it began: {self._reason(_START_LIMIT_S)}"
                )
            for _ in items:
                answer = self._receive(limit_s)
                if answer is None:
                    return self._reason(limit_s)
                kind, value = answer
                results.append(value if kind == "done" else Failed(*value))
                if self._overdue:  # it was killed just as it had finished
                    return ""
            writer.join()
        except BaseException:
            self.close()
            raise
        return None

    def _send(self, message: Any) -> None:
        with suppress(OSError, ValueError):  # it died: the reader tells
            send(self._process.stdin, message)

    def _receive(self, limit_s: float) -> Any:
        self._deadline = time.monotonic() + limit_s
        try:
            return receive(self._process.stdout)
        finally:
            self._deadline = float("inf")

    def _reason(self, limit_s: float) -> str:
        if self._overdue:
            return f"took more than {limit_s:g} s to decode"
        code = self._process.wait()
        return f"made the decoder crash ({'signal' if code < 0 else 'exit code'} {abs(code)})"

    def check_time(self, now: float) -> None:
        """Kill the process if its picture took too long."""
        if now > self._deadline and not self._overdue:
            self._overdue = True
            self._process.kill()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        _unwatch(self)
        if self.owner != os.getpid():  # a fork of the process that owns it
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()


_idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
_watched: set[_Worker] = set()
_lock = threading.Lock()
_watcher: threading.Thread | None = None


def _take_worker(memory_limit_mb: int) -> _Worker:
    others: list[_Worker] = []
    try:
        while True:
            worker = _idle.get_nowait()
            if worker.owner != os.getpid() or not worker.alive:
                worker.close()
            elif worker.memory_limit_mb == memory_limit_mb:
                return worker
            else:
                others.append(worker)
    except queue.Empty:
        return _Worker(memory_limit_mb)
    finally:
        for other in others:
            _idle.put(other)


def _give_back(worker: _Worker) -> None:
    _idle.put(worker)


def _watch(worker: _Worker) -> None:
    global _watcher
    with _lock:
        _watched.add(worker)
        if _watcher is None or not _watcher.is_alive():
            _watcher = threading.Thread(target=_watch_all, daemon=True, name="ganvas-decoder-watch")
            _watcher.start()


def _unwatch(worker: _Worker) -> None:
    with _lock:
        _watched.discard(worker)


def _watch_all() -> None:
    while True:
        time.sleep(0.05)
        now = time.monotonic()
        with _lock:
            for worker in _watched:
                worker.check_time(now)


@atexit.register
def close_idle() -> None:
    """End the workers that wait for work."""
    while True:
        try:
            _idle.get_nowait().close()
        except queue.Empty:
            return


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    stream = iter(items)
    while chunk := list(islice(stream, 1)):
        size = sum(map(len, chunk[0][0]))
        while len(chunk) < MOST_ITEMS and size < MOST_BYTES:
            more = next(stream, None)
            if more is None:
                break
            chunk.append(more)
            size += sum(map(len, more[0]))
        yield chunk
