"""A row of the table of recipes. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """A row of the table: cells override the defaults of TrainSettings, and the user's own words override the cells."""

    name: str
    summary: str
    paper: str
    when: str
    cells: Mapping[str, Any]

    @property
    def task(self) -> str:
        """What it is for: "generate", "translate", "unpaired" or "restore"."""
        return str(self.cells.get("task", "generate"))
