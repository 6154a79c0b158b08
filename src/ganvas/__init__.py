"""Ganvas trains, judges and uses generative adversarial networks on your own pictures.

>>> run = ganvas.train("digits", out="runs/digits", minutes=3)    # -> Run: .path, .model, .stats
>>> model = ganvas.load("runs/digits")                            # a run folder or a model folder
>>> images = model.sample(seeds=range(64))                        # [N, H, W, C] uint8
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganvas.errors import GanvasError, UsageError
from ganvas.version import __version__

if TYPE_CHECKING:
    from ganvas.augmenting import augment
    from ganvas.comparing import compare
    from ganvas.converting.convert import convert
    from ganvas.data.prepare import check_source as check
    from ganvas.data.prepare import prepare
    from ganvas.data.sources import open_source
    from ganvas.evaluating import evaluate
    from ganvas.explaining.explanation import explain
    from ganvas.model import Model, load
    from ganvas.report import write_report
    from ganvas.sweeps.sweep import sweep
    from ganvas.synthetic.result import Augmented
    from ganvas.training.loop import Run, train

__all__ = [
    "Augmented",
    "GanvasError",
    "Model",
    "Run",
    "UsageError",
    "__version__",
    "augment",
    "check",
    "compare",
    "convert",
    "evaluate",
    "explain",
    "load",
    "open_source",
    "prepare",
    "sweep",
    "train",
    "write_report",
]

# Loaded on first use: `import ganvas` and `ganvas --help` must not wait for torch.
_WHERE = {
    "Model": "ganvas.model",
    "load": "ganvas.model",
    "Run": "ganvas.training.loop",
    "train": "ganvas.training.loop",
    "compare": "ganvas.comparing",
    "convert": "ganvas.converting.convert",
    "evaluate": "ganvas.evaluating",
    "augment": "ganvas.augmenting",
    "Augmented": "ganvas.synthetic.result",
    "explain": "ganvas.explaining.explanation",
    "open_source": "ganvas.data.sources",
    "prepare": "ganvas.data.prepare",
    "sweep": "ganvas.sweeps.sweep",
    "write_report": "ganvas.report",
    "check": "ganvas.data.prepare",
}
_CALLED = {"check": "check_source"}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'ganvas' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), _CALLED.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
