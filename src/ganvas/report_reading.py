"""What a run folder holds, read for the report: text files, sheets, and a note of everything that is
missing.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import yaml
from markupsafe import Markup
from PIL import Image

MOST_STEPS = 8  # sheets in the strip that shows progress
WIDEST_STEP = 480  # pixels
EXPLANATION = Path("explain", "explain.json")

Event = dict[str, Any]


@dataclass
class RunFiles:
    """Everything that was found in a run folder; `missing` says what was not, in words."""

    settings: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] = field(default_factory=dict)
    explanation: dict[str, Any] = field(default_factory=dict)  # empty where nobody asked for one
    events: list[Event] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def read_run(run: Path) -> RunFiles:
    """What the text files of a run folder say."""
    files = RunFiles()
    files.facts = _mapping_of(run / "run.json", json.loads, "what was trained, and how long", files.missing)
    files.settings = _mapping_of(run / "settings.yaml", yaml.safe_load, "the settings", files.missing)
    files.verdict = _mapping_of(run / "verdict.json", json.loads, "the run was not judged", files.missing)
    if (run / EXPLANATION).exists():
        files.explanation = _mapping_of(run / EXPLANATION, json.loads, "what the pictures show", files.missing)
    files.events = _events(run / "stats.jsonl", files.missing)
    return files


def progress_steps(folder: Path, missing: list[str]) -> list[dict[str, Any]]:
    """At most 8 sheets of the same seeds, spread evenly from the first to the last: label and picture."""
    sheets = []
    for path in folder.glob("fakes*.png"):
        number = re.fullmatch(r"fakes(\d+(?:\.\d+)?)", path.stem)
        if path.stem == "fakes_init":
            sheets.append((-1.0, "before training", path))
        elif number:
            images = float(number[1]) * 1000
            sheets.append((images, f"{round(images):,} images".replace(",", "\u202f"), path))
    sheets.sort(key=lambda sheet: sheet[0])
    if not sheets:
        missing.append("samples/fakes*.png: no sheets from along the way")
    if len(sheets) > MOST_STEPS:
        last = len(sheets) - 1
        sheets = [sheets[round(i * last / (MOST_STEPS - 1))] for i in range(MOST_STEPS)]
    steps = []
    for _, label, path in sheets:
        shown = picture(path, missing, "a sheet from along the way", widest=WIDEST_STEP)
        if shown:
            steps.append({"label": label, "picture": shown})
    return steps


def picture(path: Path, missing: list[str], what: str, widest: int | None = None) -> Markup | None:
    """An image file as a data URI, made smaller if wider than `widest`; None, and a word in `missing`,
    without one.
    """
    try:
        raw = path.read_bytes()
        with Image.open(io.BytesIO(raw), formats=["PNG"]) as image:
            image.load()
            if widest and image.width > widest and image.mode in ("L", "RGB", "RGBA"):
                smaller = image.resize((widest, max(1, round(image.height * widest / image.width))))
                buffer = io.BytesIO()
                smaller.save(buffer, format="PNG", optimize=True)
                raw = buffer.getvalue()
    except FileNotFoundError:
        missing.append(f"{path.parent.name}/{path.name}: {what}")
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        missing.append(f"{path.parent.name}/{path.name}: cannot be read ({type(error).__name__})")
        return None
    return Markup("data:image/png;base64,") + base64.b64encode(raw).decode("ascii")


def mapping(facts: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping under that key, or an empty one."""
    found = facts.get(key)
    return found if isinstance(found, dict) else {}


def listed(facts: dict[str, Any], key: str) -> list[Any]:
    """The list under that key, or an empty one."""
    found = facts.get(key)
    return found if isinstance(found, list) else []


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number that can be drawn or counted; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _mapping_of(path: Path, parse: Callable[[str], Any], what: str, missing: list[str]) -> dict[str, Any]:
    """A JSON or YAML file that holds a mapping; empty, and a word in `missing`, if it does not."""
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        missing.append(f"{path.name}: {what}")
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        missing.append(f"{path.name}: cannot be read ({type(error).__name__})")
        return {}
    if not isinstance(found, dict):
        missing.append(f"{path.name}: holds no mapping")
        return {}
    return found


def _events(path: Path, missing: list[str]) -> list[Event]:
    """The lines of a JSONL file; lines that cannot be read are counted, as a killed run leaves half a
    line.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        missing.append(f"{path.name}: the curves")
        return []
    events, broken = [], 0
    for line in lines:
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            events.append(event)
        else:
            broken += 1
    if broken:
        missing.append(f"{path.name}: {broken} of {len(events) + broken} lines cannot be read")
    return events
