"""What this machine can do, measured where that is quick."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import time
from typing import Any

import torch

from ganvas.data.cache import cache_folder
from ganvas.devices import device_words, pick_device
from ganvas.versions import versions

# What each extra needs to work, for a line that says whether it is there.
EXTRAS = {
    "data": ("av", "fsspec", "h5py", "huggingface_hub", "pyarrow"),
    "features": ("transformers",),
    "medical": ("nibabel", "pydicom"),
    "serve": ("fastapi", "granian"),
    "sweep": ("optuna",),
    "tiff": ("tifffile",),
    "track": ("mlflow-skinny", "wandb"),
}


def examine() -> dict[str, Any]:
    """Facts by name, ready for JSON."""
    device = pick_device("auto")
    cache = cache_folder()
    return {
        **versions(),
        "device": device_words(device),
        "cpu_count": os.cpu_count(),
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "matrix_gflops_float32": round(matrix_gflops(device, torch.float32)),
        "matrix_gflops_bf16": round(matrix_gflops(device, torch.bfloat16)),
        "cache": str(cache),
        "cache_writable": _writable(cache),
        "cache_free_gb": round(_free_bytes(cache) / 1e9, 1),
        "offline": os.environ.get("GANVAS_OFFLINE", "") not in ("", "0"),
        "scikit_learn": _version_of("scikit-learn") or "missing: pip install scikit-learn for the digits",
        **{f"extra_{name}": _extra(name, packages) for name, packages in EXTRAS.items()},
        "torchvision": "not needed" + (f" (found {v})" if (v := _version_of("torchvision")) else ""),
    }


def matrix_gflops(device: torch.device, dtype: torch.dtype, size: int = 1024, budget_s: float = 0.5) -> float:
    """The fastest of a few matrix products, in GFLOP/s: the peak that networks can come near to."""
    a = torch.randn(size, size, device=device).to(dtype)
    best, ends = float("inf"), time.perf_counter() + budget_s
    while time.perf_counter() < ends:
        began = time.perf_counter()
        product = a @ a
        float(product[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e9


def _extra(name: str, packages: tuple[str, ...]) -> str:
    missing = [package for package in packages if _version_of(package) is None]
    return f"without {', '.join(missing)}: pip install 'ganvas[{name}]'" if missing else "there"


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _writable(folder: Any) -> bool:
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _free_bytes(folder: Any) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
