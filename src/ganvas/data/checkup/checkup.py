"""The checkup of a set of pictures: survey -> findings -> verdict, and what to train with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ganvas.data.checkup.examine import FileFacts
from ganvas.data.checkup.findings import Finding, find, pictures
from ganvas.data.checkup.survey import Progress, Survey, facts_of, survey
from ganvas.data.contract import Source
from ganvas.data.decoders import Failed
from ganvas.data.options import StoreOptions
from ganvas.data.plan import StorePlan, plan_store
from ganvas.errors import GanvasError, UsageError
from ganvas.recipes import choose_recipe

SCHEMA = 1
SAMPLE = 2000
AUGMENT_BELOW = 2000  # training pictures (Zhao et al., 2020, gain most from there down)
ONE_COLOUR_BELOW = 10.0  # levels by which mean colours of pictures differ if the colour is part of what they show
PREVIEW_SIDE = 96
ON_SHEET, MOST_SHOWN = 24, 64
Verdict = Literal["fine", "warnings", "problems"]


@dataclass(frozen=True)
class Suggestion:
    """What to train with: the option, its value ("yes" or "no" for a switch), and why."""

    option: str
    value: str
    reason: str

    @property
    def typed(self) -> str:
        """As it stands on a command line, "no --mirror" for a switch to leave off."""
        switch = {"yes": self.option, "no": f"no {self.option}"}
        return switch.get(self.value, f"{self.option} {self.value}")


@dataclass(frozen=True)
class Checkup:
    """What was seen, what that means and what to do. previews: PNG files of the pictures that are shown, by name."""

    survey: Survey
    findings: tuple[Finding, ...]
    suggestions: tuple[Suggestion, ...]
    previews: Mapping[str, bytes] = field(repr=False, compare=False)
    sheet: tuple[str, ...] = ()  # names of pictures drawn at random

    @property
    def verdict(self) -> Verdict:
        """The worst that was found; notes do no harm."""
        severities = {finding.severity for finding in self.findings}
        return "problems" if "problem" in severities else "warnings" if "warning" in severities else "fine"

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        seen = self.survey
        split = f" ({seen.train} to train on, {seen.held_out} held out)" if seen.held_out else ""
        what = f"{pictures(seen.pictures)}{split}"
        if self.verdict == "fine":
            looked_at = "every one of them" if seen.complete else f"{seen.looked_at} of them, evenly spread,"
            return f"{what}: looked at {looked_at} and found nothing that would harm training."
        parts = []
        for severity in ("problem", "warning"):
            count = sum(finding.severity == severity for finding in self.findings)
            if count:
                parts.append(f"{count} {severity}{'' if count == 1 else 's'}")
        looked_at = "" if seen.complete else f", {seen.looked_at} of them looked at"
        return f"{what}{looked_at}: {' and '.join(parts)}."

    def words(self) -> list[str]:
        """What to print: the verdict, the findings from the worst on, and what to train with."""
        lines = [self.headline]
        for finding in self.findings:
            lines.append(f"{finding.severity}: {finding.text}; {finding.action}")
            if finding.examples and finding.severity != "note":
                lines.append(f"  such as {', '.join(_printable(name) for name in finding.examples[:3])}")
        lines += [f"labels: {self.survey.labels_note}", *(f"source: {note}" for note in self.survey.notes)]
        lines += [f"suggested: {item.typed} ({item.reason})" for item in self.suggestions]
        return lines

    def to_json(self) -> dict[str, Any]:
        """All of it but the pictures, for `json.dumps`: {"schema": 1, "verdict": ..., "survey": {...}, ...}."""
        seen = dataclasses.asdict(self.survey)
        del seen["height_width"]  # `sizes`, by keys that JSON has not
        for name in ("formats", "modes", "channels", "sizes", "sides", "aspects", "classes"):
            seen[name] = dict(seen[name])
        whole = {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "headline": self.headline,
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
            "suggestions": [dataclasses.asdict(item) for item in self.suggestions],
            "survey": {**seen, "complete": self.survey.complete},
        }
        result: dict[str, Any] = json.loads(json.dumps(whole))  # tuples as lists, as a reader will have them
        return result

    def write_page(self, path: Path) -> None:
        """One self-contained HTML file. Raises GanvasError if it cannot be written."""
        from ganvas.data.checkup.page import write_page

        write_page(self, path)


def check(
    source: Source,
    *,
    full: bool | None = None,
    sample: int = SAMPLE,
    options: StoreOptions | None = None,
    device: str = "cpu",
    previews: bool = False,
    progress: Progress | None = None,
) -> Checkup:
    """Look at the pictures of a source: all of them if `full`, or else an evenly spread sample if there are more.

    options: the store that training would use, which the findings are about. device: what it would run on. previews:
    read the pictures that the page shows once more, at 96 pixels (else it shows thumbnails of 16). progress is
    called with pictures looked at and pictures to look at. Raises UsageError for options that cannot be.
    """
    if sample < 1:
        raise UsageError(f"a sample of {sample} pictures is none: give 1 or more")
    options = options or StoreOptions()
    count = len(source.names)
    looked_at = count if full else min(count, sample)
    places = np.linspace(0, count - 1, looked_at).astype(int).tolist()
    seen, facts = survey(source, places, progress)
    plan = _plan(source, options)
    findings = find(seen, plan)
    suggestions = _suggestions(seen, plan, options, device) if plan is not None and facts else ()
    drawn = np.random.default_rng(0).permutation(len(facts))[:ON_SHEET]
    sheet = tuple(facts[place].name for place in sorted(drawn.tolist()))
    shown = _previews(source, seen, findings, sheet, facts, previews)
    return Checkup(seen, findings, suggestions, shown, sheet)


def has_problems(checkup: Checkup) -> bool:
    """Whether a strict check fails: something unreadable, leaked or missing."""
    return checkup.verdict == "problems"


def _plan(source: Source, options: StoreOptions) -> StorePlan | None:
    try:
        return plan_store(source, options)
    except UsageError:
        raise
    except GanvasError:
        return None  # no picture can be used, which is a finding


def _suggestions(seen: Survey, plan: StorePlan, options: StoreOptions, device: str) -> tuple[Suggestion, ...]:
    size = str(plan.height) if plan.height == plan.width else f"{plan.height}x{plan.width}"
    if options.resolution is not None:
        why = "as you ask"
    elif len(seen.height_width) == 1 and (plan.height, plan.width) in seen.height_width:
        why = "the size of the pictures"
    else:
        why = f"fits most pictures and is at most {options.largest}, which keeps training short"
    recipe, recipe_why = choose_recipe(
        size=(plan.height, plan.width), pictures=plan.train_count, labelled=plan.labelled, device=device
    )
    grey = plan.channels == 1
    channels_why = "all pictures are grey" if grey else "there are colours in the pictures"
    channels = Suggestion("--channels", str(plan.channels), "as you ask" if options.channels else channels_why)
    return (
        Suggestion("--resolution", size, why),
        Suggestion("--recipe", recipe.name, recipe_why),
        *(() if plan.sides else (channels,)),  # of pairs, each side has its own
        _augmentation(seen, plan, grey),
        Suggestion("--mirror", "yes" if seen.mirror.verdict == "safe" else "no", seen.mirror.words),
    )


def _augmentation(seen: Survey, plan: StorePlan, grey: bool) -> Suggestion:
    count = seen.usable_train if seen.complete else plan.train_count
    if count >= AUGMENT_BELOW:
        return Suggestion("--augment", "none", f"{count} training pictures are enough to do without")
    why = f"{count} training pictures are few; it keeps D from knowing them by heart, but needs longer runs"
    if grey:
        return Suggestion("--augment", "translation,cutout", f"{why}; colour is left out, as all are grey")
    if seen.colour_spread < ONE_COLOUR_BELOW:
        left_out = "colour is left out, as the pictures share one and it may mean something"
        return Suggestion("--augment", "translation,cutout", f"{why}; {left_out}")
    return Suggestion("--augment", "colour,translation,cutout", why)


def _previews(
    source: Source,
    seen: Survey,
    findings: Sequence[Finding],
    sheet: Sequence[str],
    facts: Sequence[FileFacts],
    large: bool,
) -> dict[str, bytes]:
    """A PNG of each picture that the page shows, in the order of the source."""
    wanted = [*(name for finding in findings for name in finding.examples)]
    for groups in (seen.same_pixels, seen.near):
        wanted += [name for group in groups.names[:6] for name in group[:2]]
    chosen = set(list(dict.fromkeys(wanted))[: MOST_SHOWN - ON_SHEET]) | set(sheet)
    usable = {item.name: item for item in facts if item.name in chosen}
    if not large:
        return {name: item.thumbnail_png() for name, item in usable.items()}
    places = [place for place, name in enumerate(source.names) if name in usable]
    read = facts_of(source, places, PREVIEW_SIDE)
    return {item.name: item.preview for _, item in read if not isinstance(item, Failed)}


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name)
