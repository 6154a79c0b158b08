"""Which device to compute on, and what is said about it."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

from ganvas.errors import UsageError


def pick_device(name: str) -> torch.device:
    """`auto` -> the best there is (CUDA, MPS, CPU); a named one must exist, or UsageError says what does."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not available.get(name.split(":")[0], False):
        have = ", ".join(kind for kind, there in available.items() if there)
        raise UsageError(f"--device {name}: not available here; this machine has {have}")
    return torch.device(name)


def keep_freed_memory() -> bool:
    """Ask glibc to keep what a step frees for the next step. Returns whether it was asked (only on Linux with glibc).

    Otherwise buffers of a few megabytes go back to the system and are cleared page by page at every step: on two
    cores that cost 7 % of a small network's training.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    trim_threshold, mmap_threshold = -1, -3  # names of malloc.h; 32 MiB is the most that glibc takes
    return bool(mallopt(trim_threshold, 2**31 - 1) and mallopt(mmap_threshold, 32 * 2**20))


def be_deterministic() -> None:
    """Let PyTorch use bit-exact operations only, or raise where there is none; on a GPU that is slower."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for it
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def device_words(device: torch.device) -> str:
    """A device as the log and the report name it."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device.type == "mps":
        return "Apple GPU (mps)"
    return f"CPU, {torch.get_num_threads()} threads"
