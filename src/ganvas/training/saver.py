"""Checkpoints written while training goes on: a copy now, the files in a thread, at most one in flight."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.training.checkpoint import (
    KEEP,
    Checkpoint,
    is_whole,
    list_checkpoints,
    save_checkpoint,
    sweep,
)


class Saver:
    """Writes the checkpoints of one run below `folder`; see `save_checkpoint` for what is kept.

    Opening one clears up after killed processes: hold the run's lock, and look for a checkpoint to resume from after.
    A write that fails does not stop training: `on_problem` is told in one line, on the thread that calls `save`,
    `settle` or `poll`. A kill loses at most the images since the last save and, where that was still being written,
    since the one before. The thread is not a daemon: an interpreter that exits waits for it.
    """

    def __init__(self, folder: Path, keep: int = KEEP, *, on_problem: Callable[[str], None]) -> None:
        self.folder = folder
        self.keep = keep
        self.on_problem = on_problem
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        sweep(folder)

    def save(self, checkpoint: Checkpoint, *, best: bool = False, permanent: bool = False) -> None:
        """Copy the state and write it behind the caller's back; waits for the write before, if it still goes on."""
        self.settle()
        counters = json.loads(json.dumps(checkpoint.counters))
        copy = Checkpoint({name: _copied(tensor) for name, tensor in checkpoint.tensors.items()}, counters)
        self._thread = threading.Thread(target=self._write, args=(copy, best, permanent), name="saver")
        self._thread.start()

    def poll(self) -> None:
        """Tell `on_problem` if the last write has failed. Does not wait: for every line that the run logs."""
        if self._thread is None or self._thread.is_alive():
            return
        self._join()
        if (problem := self._take_problem()) is not None:
            self.on_problem(f"{problem}; training goes on")

    def settle(self) -> None:
        """Let the write in flight come to its end, and tell `on_problem` if it failed: before going back in a run."""
        self._join()
        self.poll()

    def wait(self) -> None:
        """Let the write in flight come to its end. Raises GanvasError if it failed: for the last one of a run."""
        self._join()
        if (problem := self._take_problem()) is not None:
            raise GanvasError(f"{problem}: make room, then go on with --resume")

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.wait()
        else:  # a second error must not hide the first
            self._join()
            if (problem := self._take_problem()) is not None:
                self.on_problem(problem)

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _write(self, checkpoint: Checkpoint, best: bool, permanent: bool) -> None:
        try:
            save_checkpoint(self.folder, checkpoint, self.keep, best=best, permanent=permanent)
        except BaseException as error:  # raised or told where somebody hears it
            self._error = error

    def _take_problem(self) -> str | None:
        """What went wrong, once, in words; what the disk is not to blame for is raised as it is."""
        self._thread, error, self._error = None, self._error, None
        if error is None:
            return None
        if not isinstance(error, OSError | GanvasError | MemoryError):
            raise error
        whole = next((path.name for path in reversed(list_checkpoints(self.folder)) if is_whole(path)), None)
        before = "there is none before it" if whole is None else f"the one before, {whole}, is whole"
        return f"checkpoint not written ({_reason(error)}): {before}"


def _copied(tensor: Tensor) -> Tensor:
    """In main memory and in plain order, apart from what training does to it from here on."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _reason(error: BaseException) -> str:
    """Why, in the words of the system: the disk is full, the folder is gone."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    number = re.search(r"\(os error (\d+)\)", str(error))  # how safetensors tells it
    return os.strerror(int(number[1])) if number else str(error) or type(error).__name__
