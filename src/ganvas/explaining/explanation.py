"""What the pictures of a run show, as a page, pictures and numbers: `ganvas explain`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganvas.errors import UsageError
from ganvas.evaluation.rows import spread
from ganvas.explaining.drift import Drift, find_drift
from ganvas.explaining.extremes import Extremes, find_extremes
from ganvas.explaining.looks import Looks, look
from ganvas.explaining.missing import Missing, find_missing
from ganvas.explaining.page import TITLES, write_page
from ganvas.explaining.probe import Probe, probe
from ganvas.explaining.spectra import Spectra, compare_spectra
from ganvas.explaining.subject import Pictures, Show, Subject, open_subject
from ganvas.progress import bar, spinner
from ganvas.report import write_report
from ganvas.training.run_folder import RunFolder, write_text_atomically

SCHEMA = 1
DEFAULT_SAMPLES = 1_000
FEWEST, MOST = 32, 10_000  # samples: below, neighbours say nothing; above, distances between all fill the memory


@dataclass(frozen=True)
class Findings:
    """All that was found of a run, section by section."""

    subject: Subject
    reals: Pictures
    samples: Pictures
    looks: Looks
    extremes: Extremes
    missing: Missing
    spectra: Spectra
    drift: Drift
    probe: Probe

    @property
    def words(self) -> dict[str, list[str]]:
        """The sentences of each section, in the order of the page."""
        return {
            "looks": self.looks.words,
            "extremes": self.extremes.words,
            "missing": self.missing.words,
            "spectra": self.spectra.words,
            "drift": self.drift.words,
            "probe": self.probe.words,
        }

    def to_json(self) -> dict[str, Any]:
        """explain.json: nothing in it depends on when or where it was made. Numbers that are none become null."""
        seeds = self.samples.numbers
        document = {
            "schema": SCHEMA,
            "model_hash": self.subject.model.hash,
            "d_images_seen": self.subject.images,
            "seeds": f"{seeds[0]}-{seeds[-1]}",
            "samples": len(self.samples),
            "reals": len(self.reals),
            "fingerprint": self.subject.store.fingerprint,
            "features": self.subject.features.name,
            "features_hash": self.subject.features.hash,
            "notes": [*self.subject.notes, *self.drift.notes],
            "words": self.words,
            "looks": self.looks.to_json(),
            "extremes": self.extremes.to_json(),
            "missing": self.missing.to_json(),
            "spectra": self.spectra.to_json(),
            "drift": self.drift.to_json(),
            "probe": self.probe.to_json(),
        }
        found: dict[str, Any] = _without_nan(document)
        return found


@dataclass(frozen=True)
class Explanation:
    """A run that was explained. document: what explain.json holds; page: the page that shows it."""

    run: Path
    page: Path
    document: dict[str, Any]

    @property
    def words(self) -> str:
        """All sentences, a paragraph for each section."""
        return "\n\n".join(f"{TITLES[name]}: {' '.join(said)}" for name, said in self.document["words"].items())


def explain(
    run: str | Path,
    *,
    samples: int = DEFAULT_SAMPLES,
    device: str = "auto",
    threads: int | None = None,
    quiet: bool = False,
) -> Explanation:
    """Look into a run: write RUN/explain.html and RUN/explain/, and its report again with the gist of it.

    `samples`: how many pictures are drawn, of the seeds from 0 on; as many training pictures stand beside them. The
    same call gives the same explain.json. Raises UsageError for a folder that is no run, GanvasError for one that lacks
    its checkpoint, model or data.
    """
    if not FEWEST <= samples <= MOST:
        raise UsageError(f"--samples {samples}: give {FEWEST} to {MOST}; {DEFAULT_SAMPLES} show most of a run")
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads}: give at least 1")
    if threads:
        torch.set_num_threads(threads)
    with spinner(quiet=quiet) as say:
        say("loading the run")
        subject = open_subject(Path(run), device, say)
    with bar(quiet=quiet) as show:
        found = find(subject, samples, show)
    document = found.to_json()
    folder = RunFolder(Path(run))
    with spinner(quiet=quiet) as say:
        say("writing the page")
        folder.explain.mkdir(exist_ok=True)
        write_page(found, folder)
        write_text_atomically(folder.explanation, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))
        write_report(folder.path)
    return Explanation(folder.path, folder.explain_page, document)


def find(subject: Subject, count: int, show: Show) -> Findings:
    """Look at `count` samples and as many training pictures, or all that there are."""
    samples = subject.samples(range(count), show)
    reals = subject.reals(spread(subject.store.train_count, count), show)
    taken_for = None if samples.probabilities is None else samples.probabilities.argmax(1)
    labels = None if reals.labels is None else torch.from_numpy(reals.labels)
    show("comparing", 0, 3)
    missing = find_missing(reals.features, samples.features, labels, taken_for, subject.store.class_names)
    show("comparing", 1, 3)
    extremes = find_extremes(subject, reals, samples)
    show("comparing", 2, 3)
    spectra = compare_spectra(reals.images, samples.images)
    show("comparing", 3, 3)
    return Findings(
        subject=subject,
        reals=reals,
        samples=samples,
        looks=look(subject, reals, samples, show),
        extremes=extremes,
        missing=missing,
        spectra=spectra,
        drift=find_drift(subject.folder.samples, subject.store.height, subject.store.width),
        probe=probe(subject, show),
    )


def _without_nan(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
