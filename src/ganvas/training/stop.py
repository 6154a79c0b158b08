"""Ctrl-C, SIGTERM and SIGUSR1 ask the loop to stop after the step; a second one ends the process at once.

A thread reads the signals beside the main one, so that the second ends even a step that hangs in a library.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

# Launchers pass on what the terminal has sent to everybody already: the same Ctrl-C arrives twice within moments.
ECHO_S = 0.5


class StopRequest:
    """Within the block the first signal is remembered; handlers are put back at the end.

    `.signal` is SIGINT or SIGTERM, as the exit code counts it: 128 + 2 = 130 or 128 + 15 = 143. SIGUSR1, by which
    clusters say that the machine is about to be taken, counts as SIGTERM. Outside the main thread, which alone may
    handle signals, nothing happens.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1
        self._sockets: tuple[socket.socket, socket.socket] | None = None

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.signal is not None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is not threading.main_thread():
            return self
        read, write = self._sockets = socket.socketpair()
        write.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=_end_at_the_second, args=(read,), name="stop", daemon=True).start()
        for number in _numbers():
            self._before[number] = signal.signal(number, self._remember)
        return self

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = counted_as(number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sockets is None:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._sockets[1].close()  # the thread reads the end and closes the other side
        self._sockets = None


@contextmanager
def usr1_as_sigterm() -> Iterator[None]:
    """Until a `StopRequest` listens: a cluster's SIGUSR1 ends the process as SIGTERM does; nothing is lost yet."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGUSR1"):
        yield
        return
    before = signal.signal(signal.SIGUSR1, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def counted_as(number: int) -> int:
    """SIGINT or SIGTERM: the signal that the exit code stands for."""
    return int(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)


def _numbers() -> list[int]:
    """The signals that are listened to; Windows has no SIGUSR1."""
    return [int(getattr(signal, name)) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


def _end_at_the_second(read: socket.socket) -> None:
    """Read one byte for each signal until the block ends. No clean-up at the second: it could hang like the rest."""
    first, listened = None, _numbers()
    with read:
        while arrived := read.recv(64):
            for number in arrived:
                if number not in listened:
                    continue
                if first is None:
                    first = time.monotonic()
                elif time.monotonic() - first > ECHO_S:
                    os._exit(128 + counted_as(number))
