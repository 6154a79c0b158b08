"""Models for applying: loaded from folders, turned the way that was asked for, and told from those of other kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ganvas.applying.contract import Paints
from ganvas.errors import UsageError


@runtime_checkable
class TwoWay(Protocol):
    """A model that holds both directions of a translation."""

    def towards(self, direction: str) -> Paints:
        """The one that paints B from A ("AtoB"), or A from B ("BtoA")."""


def load_painter(path: Path, device: str = "auto", direction: str | None = None) -> Paints:
    """The model of a run folder or a model folder that takes pictures. Raises UsageError for others."""
    from ganvas.model import load

    return as_painter(load(path, device), str(path), direction)


def as_painter(model: Any, name: str, direction: str | None = None) -> Paints:
    """`model` if it takes pictures, in the direction asked for. Raises UsageError."""
    if not hasattr(model, "paint"):
        raise UsageError(
            f"{name} draws pictures from noise: use `ganvas sample {name}`; apply takes models of pictures"
        )
    if direction is None or direction == model.config.direction:
        painter: Paints = model
        return painter
    if isinstance(model, TwoWay):
        return model.towards(direction)
    has = f"paints {model.config.direction} only" if model.config.direction else "has no direction"
    raise UsageError(f"--direction {direction}: {name} {has}; leave it out, or train one with --direction {direction}")
