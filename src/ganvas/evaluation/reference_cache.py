"""What a network saw in the real pictures, kept beside them: the next verdict in the same features starts from it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganvas.evaluation.backbones.contract import Backbone

if TYPE_CHECKING:
    from ganvas.data.store import Store

KEPT = 8  # files beside a store; the longest unused go first
LARGEST = 500_000_000  # bytes of one; more is looked at anew


def reference_features(features: Backbone, store: Store, rows: NDArray[np.int64]) -> Tensor:
    """Features of those pictures of a store: [N, F] float32, as `Backbone.extract`, or as kept from an earlier time.

    Known by the pictures' fingerprint and rows, and by the network's name, hash, resize and range. A file that is
    damaged or cannot be written costs nothing but time.
    """
    path = store.path / f"seen-{_key(features, store.fingerprint, rows)}.safetensors"
    expected = (len(rows), features.features)
    try:
        kept: Tensor = load_file(path)["features"]
        if tuple(kept.shape) == expected and bool(kept.isfinite().all()):
            os.utime(path)
            return kept
    except (OSError, KeyError, SafetensorError):
        pass
    seen = features.extract(store.images, rows=rows)
    if seen.numel() * seen.element_size() <= LARGEST:
        _keep(seen, path)
    return seen


def _key(features: Backbone, fingerprint: str, rows: NDArray[np.int64]) -> str:
    which = hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()
    words = json.dumps([features.name, features.hash, features.resize, features.value_range, fingerprint, which])
    return hashlib.sha256(words.encode()).hexdigest()[:24]


def _keep(seen: Tensor, path: Path) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        save_file({"features": seen.contiguous()}, partial)
        os.replace(partial, path)
        for old in sorted(path.parent.glob("seen-*.safetensors"), key=lambda p: p.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    except (OSError, SafetensorError):
        partial.unlink(missing_ok=True)
