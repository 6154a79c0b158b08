"""A run folder becomes one self-contained report.html: pictures inside, no script, nothing fetched.

Only files of the run folder are read, and any of them may be missing: the report says so and shows the rest.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment

from ganvas.curves import Line, chart
from ganvas.errors import GanvasError
from ganvas.report_reading import (
    EXPLANATION,
    Event,
    RunFiles,
    is_number,
    listed,
    mapping,
    picture,
    progress_steps,
    read_run,
)
from ganvas.report_words import OF_GENERATION

REPORT = "report.html"
MARKS = ("run.json", "settings.yaml", "stats.jsonl", "samples")  # a folder without any of these is no run

CURVES = (  # title, the names in stats.jsonl with what they are called, and what to read from it
    (
        "Losses",
        {"d_loss": "discriminator", "g_loss": "generator"},
        "A GAN's loss is not quality: the players are measured against each other, and both get better. In a "
        "healthy game both lines wander around a level. If the discriminator's falls to zero for good, it "
        "wins every time and the generator learns little more. For quality, read the verdict above.",
    ),
    (
        "Difference from the target",
        {"l1": "mean absolute difference"},
        "How far what is painted is from the target, black to white being 1, on the pictures that it learns from. This "
        "one is quality: it should fall, and it is the verdict above that says how it is on other pictures.",
    ),
    (
        "There and back",
        {"cycle": "differs from itself", "identity": "of the wanted kind already"},
        "How far a picture is from itself after going to the other side and back, black to white being 1; and how much "
        "a picture is changed that is of the wanted kind already.",
    ),
    (
        "Patches that find their place",
        {"contrast": "cross entropy"},
        "How badly a patch of what is painted finds the patch that it comes from. It should fall.",
    ),
    (
        "To the eye of a network",
        {"perceptual": "perceptual distance", "feature_matching": "difference of D's features"},
        "How far what is painted is from the target in what networks see.",
    ),
    (
        "What the discriminator says",
        {"real_logit": "to real pictures", "fake_logit": "to generated ones"},
        "Its mean score; higher means more real. The nearer the lines, the harder it is to tell the pictures "
        "apart. A gap that keeps growing: the discriminator is running away. The level itself says nothing.",
    ),
    (
        "How often the discriminator is right",
        {"d_accuracy": "right"},
        "0.5 is guessing, 1 is never wrong. Both ends are bad for learning; anything between is fine.",
    ),
    (
        "Steepness penalty",
        {"r1": "R1"},
        "How steeply the discriminator's score changes around real pictures. It should stay bounded: a line "
        "that climbs without end comes before trouble.",
    ),
    (
        "Learning rates",
        {"g_lr": "generator", "d_lr": "discriminator"},
        "How large the steps are: part of the plan, not a result.",
    ),
    (
        "Speed",
        {"images_per_s": "images per second"},
        "Real images trained on per second. Dips are sheets, checkpoints, or other work on this machine.",
    ),
)

SHARES = (
    "precision",
    "recall",
    "coverage",
    "class_coverage",
    "sure_share",
    "class_agreement",
    "nearest_copy_share",
    "class_accuracy",
)


def in_words(event: Event) -> Event:
    """An event of stats.jsonl with a `message` for readers, whatever it holds."""
    kind = event.get("event")
    if kind == "diagnosis":
        return {**event, "event": event.get("kind", kind), "message": event.get("text", "")}
    if kind == "score":
        best = ", the best so far" if event.get("best") else ""
        return {**event, "message": f"distance {event.get('distance', float('nan')):.4g}{best}"}
    if kind == "rollback":
        return {**event, "message": f"back from {event.get('was_at')} images: {event.get('reason', '')}"}
    return event


def write_report(run: Path) -> Path:
    """Write report.html into the run folder and return its path; an older report is replaced at once.

    Raises GanvasError if the folder is not a run, or cannot be written to.
    """
    run = Path(run)
    if not any((run / mark).exists() for mark in MARKS):
        raise GanvasError(
            f"{run} is not a run folder: expected {', '.join(MARKS[:-1])} or {MARKS[-1]} in it; "
            "give the folder that `ganvas train` printed"
        )
    page = render(run)
    path, partial = run / REPORT, run / f".{REPORT}.tmp"
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise GanvasError(f"{path} cannot be written ({error.strerror}): free or unlock the folder") from error
    finally:
        with contextlib.suppress(OSError):  # already renamed, or in a folder that cannot be changed
            partial.unlink()
    return path


def render(run: Path) -> str:
    """The page as a string of HTML."""
    files = read_run(run)
    stats = [event for event in files.events if event.get("event") == "stats"]
    template = resources.files("ganvas").joinpath("report_template.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(count=count, duration=duration, figure=figure, half=half, plain=plain)
    words = unbroken(str(files.verdict.get("words") or ""))
    final = picture(run / "samples" / "final.png", files.missing, "the last sheet")
    reals = picture(run / "samples" / "reals.png", files.missing, "a sheet of real pictures")
    said = {**asdict(OF_GENERATION), **mapping(files.facts, "report")}
    metrics = [m for m in listed(files.verdict, "metrics") if isinstance(m, dict)]
    return environment.from_string(template).render(
        said=said,
        with_inputs=any(is_number(m.get("input_value")) for m in metrics),
        compared=next((m for m in metrics if m.get("real_pair")), None),
        name=str(files.facts.get("source") or run.resolve().name),
        run=run.resolve().name,
        verdict_line=first_sentence(words),
        words=words,
        metrics=metrics,
        memorisation=memorisation_facts(mapping(files.verdict, "memorisation")),
        final=final,
        reals=reals,
        steps=progress_steps(run / "samples", files.missing),
        nearest=picture(run / "samples" / "nearest.png", files.missing, "samples beside the nearest training pictures")
        if said["copies"]
        else None,
        explained=explained(run, files),
        curves=curves(stats),
        events=[in_words(event) for event in files.events if event.get("event") not in ("stats", "health", None)],
        facts=files.facts,
        data=data_facts(mapping(files.facts, "pictures")),
        parameters=mapping(files.facts, "parameters"),
        versions=mapping(files.facts, "versions"),
        settings=files.settings,
        missing=files.missing,
    )


def explained(run: Path, files: RunFiles) -> dict[str, Any]:
    """The gist of an explanation: what each section says first, two pictures, and whether it is of another model."""
    if not files.explanation:
        return {}
    said = mapping(files.explanation, "words")
    folder = run / EXPLANATION.parent
    first = {name: unbroken(str(listed(said, name)[0])) for name in said if listed(said, name)}
    missing = [unbroken(str(sentence)) for sentence in listed(said, "missing")]
    return {
        "outdated": files.explanation.get("model_hash") != files.facts.get("model_hash"),
        "words": [*missing, *(first[name] for name in ("looks", "spectra", "drift", "probe") if name in first)],
        "looks": picture(folder / "looks_fake.png", files.missing, "where the discriminator looks", widest=960),
        "lonely": picture(folder / "missing.png", [], "real pictures without a sample near", widest=960),
        "seeds": listed(mapping(mapping(files.explanation, "looks"), "fake"), "numbers"),
    }


def curves(stats: Sequence[Event]) -> list[dict[str, Any]]:
    """The charts for which there are numbers: title, svg, names of the lines, words."""
    found = []
    for title, names, words in CURVES:
        lines = []
        for key, name in names.items():
            rows = [(e["images"], e[key]) for e in stats if is_number(e.get("images")) and is_number(e.get(key))]
            if rows:
                lines.append(Line(name, [x for x, _ in rows], [y for _, y in rows]))
        svg = chart(lines, "images seen")
        if svg:
            found.append({"title": title, "svg": svg, "names": [line.name for line in lines], "words": words})
    return found


def data_facts(pictures: dict[str, Any]) -> dict[str, Any]:
    """The facts about the data, with lists where the page goes through lists."""
    if not pictures:
        return {}
    return {**pictures, **{key: listed(pictures, key) for key in ("classes", "skipped", "notes")}}


def memorisation_facts(found: dict[str, Any]) -> dict[str, Any]:
    """What was found of copies, with lists where the page goes through lists, and its words unbroken."""
    lists = {key: [row for row in listed(found, key) if isinstance(row, dict)] for key in ("views", "pairs")}
    return {**found, **lists, "words": unbroken(str(found.get("words") or ""))}


def unbroken(words: str) -> str:
    """The same words, with no line break between a number and its per cent sign or its thousands."""
    return re.sub(r"(?<=\d) (?=%|\d{3}\b)", "\u00a0", words)


def first_sentence(words: str) -> str:
    """Up to the first full stop that ends a sentence: decimal points do not."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", words.strip(), maxsplit=1)[0]


def count(number: object) -> str:
    """1234567 -> "1 234 567", with narrow spaces; anything else as it is."""
    return f"{number:,}".replace(",", "\u202f") if isinstance(number, int) else plain(number)


def duration(seconds: object) -> str:
    """185.2 -> "3 min 5 s"."""
    if not is_number(seconds) or not math.isfinite(seconds):
        return plain(seconds)
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.3g} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def figure(value: object, metric: str) -> str:
    """A metric's value: shares in per cent, others with three digits."""
    if not is_number(value) or not math.isfinite(value):
        return "–"
    if metric in SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.3g}" if abs(value) < 1000 else count(round(value))


def half(interval: object, metric: str) -> str:
    """Half the width of an interval as it stands behind a value: " ±0.1 %"; "" where there is none."""
    if not isinstance(interval, (list, tuple)) or len(interval) != 2 or not all(is_number(end) for end in interval):
        return ""
    return f" ±{figure((interval[1] - interval[0]) / 2, metric)}"


def plain(value: object) -> str:
    """A value of the settings as a person writes it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    return str(value)
