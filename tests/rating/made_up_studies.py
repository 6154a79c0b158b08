"""Small studies that tests make up: flat pictures, no model, no data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganvas.rating.pictures import Picture, to_png
from ganvas.rating.storage import StudyFile, create_study
from ganvas.rating.study import EXAMPLES, Compared, Study, check_count

SIDE = 32


def study(n: int = 10, *, single: bool = False, seed: int = 0, question: str = "real") -> Study:
    def source(name: str) -> Compared:
        return Compared(given=name, kind="source", sha256=name * 64, height=SIDE, width=SIDE, channels=3)

    return Study(
        version="0",
        created="2026-01-01T00:00:00+00:00",
        question="real or generated" if single else question,
        n=n,
        checks=check_count(n),
        seed=seed,
        height=SIDE,
        width=SIDE,
        upscaling="lanczos",
        a=source("a"),
        b=None if single else source("b"),
        real=source("c"),
    )


def pictures(of: Study) -> list[Picture]:
    """Every picture a study shows: one grey a role, a little lighter with its number."""
    if of.mode == "pairwise":
        counts = {"A": of.n, "B": of.n, "intact": of.checks, "ruined": of.checks}
    else:
        counts = {"A": of.generated, "real": of.n // 2, "example": EXAMPLES, "ruined": of.checks}
    made = []
    for grey, (role, count) in enumerate(counts.items()):
        for number in range(count):
            flat = np.full((SIDE, SIDE, 1), 40 * grey + number % 40, np.uint8)
            made.append(Picture(role, number, f"{role} {number}", to_png(flat, of.height, of.width, "lanczos")))
    return made


def study_file(folder: Path, of: Study | None = None) -> StudyFile:
    of = of or study()
    return create_study(folder, of, pictures(of))
