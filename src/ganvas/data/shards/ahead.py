"""What an iterator gives, made ahead by a thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """What an iterator gives, made by a thread before it is asked for: at most `most` of it wait."""

    def __init__(self, items: Generator[T, None, None], most: int, name: str) -> None:
        self._items, self._most = items, most
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = self._done = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)
        self._thread.start()

    def __iter__(self) -> Ahead[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._done or self._closed)
            if self._ready and not self._closed:
                self._changed.notify_all()
                return self._ready.popleft()
        if self._error is not None and not self._closed:
            raise self._error
        raise StopIteration

    def _run(self) -> None:
        try:
            while True:
                with self._changed:  # first the room, then the item: none is held beyond `most`
                    self._changed.wait_for(lambda: len(self._ready) < self._most or self._closed)
                    if self._closed:
                        return
                item = next(self._items, None)
                if item is None:
                    return
                with self._changed:
                    self._ready.append(item)
                    self._changed.notify_all()
                del item
        except BaseException as error:  # surfaces where the items are taken
            self._error = error
        finally:
            self._items.close()
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def close(self) -> None:
        """Have the thread end with what it does now."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(seconds)
