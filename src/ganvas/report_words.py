"""How a report calls what it shows, where that depends on the task. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportWords:
    """drawn: over the sheets. by_class: added to the words on the sheet where there are classes. beside: over values of
    real pictures. reading: what these mean. head: metrics shown at the top. copies: whether copies are looked for.
    """

    drawn: str
    sheet: str
    reals: str
    steps: str
    beside: str
    reading: str
    head: tuple[str, ...]
    by_class: str = ""
    copies: bool = False


OF_GENERATION = ReportWords(
    drawn="What it draws",
    sheet="Generated, not chosen by hand",
    by_class="; one row for each class",
    reals="Real pictures from the data, at the size it was trained on.",
    steps="The same seeds each time: follow one place from sheet to sheet.",
    beside="real pictures",
    reading="no generator needs to do better",
    head=("frechet_distance", "coverage"),
    copies=True,
)
