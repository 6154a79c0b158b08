"""How many generated pictures each class is short of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganvas.errors import UsageError


@dataclass(frozen=True)
class Need:
    """Of each class: its name, its real training pictures, and the generated ones wanted. rule: how that was set."""

    names: tuple[str, ...]
    real: tuple[int, ...]
    wanted: tuple[int, ...]
    rule: str

    @property
    def short(self) -> tuple[int, ...]:
        """The numbers of the classes that are drawn for."""
        return tuple(i for i, count in enumerate(self.wanted) if count)


def need_of(
    labels: NDArray[np.int64], names: tuple[str, ...], *, per_class: int | None = None, ratio: float | None = None
) -> Need:
    """What is wanted: `per_class` of each class, `ratio` times its real pictures, or up to the largest class.

    labels: [N] of the training pictures. Raises UsageError for numbers that cannot be, or if no class is short.
    """
    if per_class is not None and ratio is not None:
        raise UsageError("--per-class and --ratio both say how many pictures are wanted: give one of them")
    real = tuple(np.bincount(labels, minlength=len(names)).tolist())
    if per_class is not None:
        if per_class < 1:
            raise UsageError(f"--per-class {per_class}: give at least 1 picture")
        return Need(names, real, (per_class,) * len(names), f"{per_class} of each class")
    if ratio is not None:
        wanted = tuple(round(ratio * count) for count in real) if 0 < ratio <= 1000 else ()
        if not any(wanted):
            raise UsageError(f"--ratio {ratio:g}: give a number up to 1000 that makes a picture or more, as 0.5")
        return Need(names, real, wanted, f"{ratio:g} times the real pictures of each class")
    largest = max(real)
    if min(real) == largest:
        raise UsageError(
            f"no class is short, each of the {len(names)} has {largest} real pictures: say how many are wanted with "
            "--per-class N or --ratio R"
        )
    return Need(names, real, tuple(largest - count for count in real), f"up to the largest class, {largest}")
