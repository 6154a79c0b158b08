"""What is known of a published architecture: how its files are recognised, and how its tensors are called here."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ganvas.errors import GanvasError


@dataclass(frozen=True)
class Translated:
    """A published network in the words of this package.

    config: cells of a PictureConfig. weights: the state dict of the painter that it builds. words: what it is, for
    people. note: what they should know; "" for nothing.
    """

    config: dict[str, Any]
    weights: dict[str, Tensor]
    words: str
    note: str = ""


class Architecture(ABC):
    """One published architecture. names: what users may call it, the first one being used in words."""

    names: ClassVar[tuple[str, ...]]

    @abstractmethod
    def recognises(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether the names, and where they leave doubt the shapes, are those of this architecture."""

    @abstractmethod
    def translated(self, tensors: Mapping[str, Tensor]) -> Translated:
        """Raises GanvasError for a tensor that is missing, one too many, or a variant that does not fit."""


class Taken:
    """The tensors of a file, each to be used once."""

    def __init__(self, tensors: Mapping[str, Tensor], architecture: str) -> None:
        self.tensors, self.architecture = dict(tensors), architecture

    def __call__(self, name: str, dimensions: int | None = None) -> Tensor:
        """The tensor of that name, with so many dimensions. Raises GanvasError if there is none."""
        if name not in self.tensors:
            raise GanvasError(f"as {self.architecture} it would have a tensor {name}, which it lacks")
        tensor = self.tensors.pop(name)
        if dimensions is not None and tensor.ndim != dimensions:
            raise GanvasError(f"as {self.architecture} its {name} would have {dimensions} dimensions: {_shape(tensor)}")
        return tensor

    def layer(self, theirs: str, ours: str) -> dict[str, Tensor]:
        """Weight and bias of a layer, by our name."""
        return {f"{ours}.{part}": self(f"{theirs}.{part}") for part in ("weight", "bias")}

    def drop(self, pattern: str) -> None:
        """Leave out the tensors whose whole name matches: what makes no difference to the pictures."""
        for name in [name for name in self.tensors if re.fullmatch(pattern, name)]:
            del self.tensors[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor that is still there; raises GanvasError as `__call__`."""
        if name not in self.tensors:
            self(name)
        return tuple(self.tensors[name].shape)

    def check_all_used(self) -> None:
        """Raises GanvasError if anything is left: then it is another network."""
        left = sorted(self.tensors)
        if left:
            raise GanvasError(f"{self.architecture} has no {', '.join(left[:3])}{' ...' if len(left) > 3 else ''}")


def count_of(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """How many different numbers stand in the group of the pattern, which must be 0, 1, 2 ... Raises GanvasError."""
    found = {int(match[1]) for name in tensors if (match := re.match(pattern, name))}
    if found != set(range(len(found))):
        raise GanvasError(f"its parts are numbered {', '.join(map(str, sorted(found)[:5]))} ...: some are missing")
    return len(found)


def _shape(tensor: Tensor) -> str:
    return f"it is {'x'.join(map(str, tensor.shape))}"
