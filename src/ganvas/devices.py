"""Which device to compute on, and what is said about it."""

from __future__ import annotations

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


def device_words(device: torch.device) -> str:
    """A device as the log and the report name it."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device.type == "mps":
        return "Apple GPU (mps)"
    return f"CPU, {torch.get_num_threads()} threads"
