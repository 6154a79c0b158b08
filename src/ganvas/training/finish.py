"""What every run leaves behind, however it ended: model, last sheet, verdict, facts, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganvas.data.store import Store
from ganvas.errors import GanvasError
from ganvas.evaluation.features import Features, learn_features
from ganvas.evaluation.judge import Verdict, judge
from ganvas.evaluation.memorisation.card import memorisation_card
from ganvas.evaluation.metrics.gathering import gathered, rows_here
from ganvas.evaluation.passport import Drawn
from ganvas.images import Integers
from ganvas.model import Model
from ganvas.report import write_report
from ganvas.settings import TrainSettings
from ganvas.training.journal import Journal
from ganvas.training.run_folder import RunFolder, thousands, write_text_atomically
from ganvas.training.sheets import save_nearest, save_sheet

if TYPE_CHECKING:
    from ganvas.tasks.contract import Task

JUDGE_SEED = 1_000_000  # the first seed of the verdict's samples, far from those that people look at


def judge_effort(minutes: float | None) -> float:
    """How thoroughly the judge learns: a quarter of the usual where the whole run is shorter than two minutes."""
    return 0.25 if minutes is not None and minutes < 2 else 1.0


def learn_judge(store: Store, minutes: float | None, device: torch.device, journal: Journal) -> Features:
    """The network in whose features the pictures will be compared, trained on the real ones; kept beside the store."""
    journal.say("judge      learning what these pictures are made of (once per data set)")
    began = time.monotonic()
    features = learn_features(store, device=device, effort=judge_effort(minutes))
    journal.say(f"           {features.name}, {time.monotonic() - began:.1f} s")
    return features


def finish(
    folder: RunFolder,
    task: Task,
    store: Store,
    model: Any,
    settings: TrainSettings,
    features: Features,
    facts: dict[str, Any],
    journal: Journal,
    started: float,
) -> Verdict | None:
    """Write model/, the last sheets, what the task judges by, run.json and report.html; the verdict, if any."""
    images = int(facts["images_seen"])
    model.save(folder.model)
    facts["model_hash"] = model.hash
    sheet = task.sheet(model, store)
    for name in (f"fakes{thousands(images)}.png", "final.png"):
        save_sheet(folder.samples / name, sheet, images_seen=model.config.images_seen, model_sha256=model.hash)
    verdict = verdict_or_reason(lambda: task.judged(model, store, settings, features, folder), journal, images)
    if verdict is not None:
        write_text_atomically(folder.verdict, json.dumps(verdict.to_json(), indent=1))
        journal.say(f"verdict    {verdict.words}")
    facts["wall_seconds"] = round(time.monotonic() - started, 1)
    folder.write_facts(facts)
    write_report(folder.path)
    rate = f"{facts['images_per_s']:,.0f} images/s" if facts.get("images_per_s") else "no image trained"
    journal.say(
        f"trained    {images:,} images in {facts['train_seconds']:.0f} s ({rate}), {facts['wall_seconds']:.0f} s in all"
    )
    journal.say(f"report     {folder.report}")
    return verdict


def draw_for_judging(
    model: Model, samples: int, trunc: float = 1.0, *, shared: bool = False
) -> tuple[Integers, NDArray[np.int64] | None, Drawn]:
    """The pictures a verdict is about: [N, C, H, W] integers, their labels, and where they come from.

    Always of the same seeds. shared: every process of the group calls this and draws a part; all get all pictures.
    """
    seeds = range(JUDGE_SEED, JUDGE_SEED + samples)
    ours = rows_here(samples) if shared else range(samples)
    pictures: NDArray[Any] = model.sample([seeds[i] for i in ours], trunc=trunc, batch=256).transpose(0, 3, 1, 2)
    pictures = np.ascontiguousarray(pictures)
    if shared:
        flat = torch.from_numpy(pictures.reshape(len(pictures), -1).view(np.uint8))  # bytes: not all groups send uint16
        together = gathered(torch.tensor(ours), flat, samples).numpy().view(pictures.dtype)
        pictures = together.reshape(samples, *pictures.shape[1:])
    drawn = Drawn(f"{seeds[0]}-{seeds[-1]}", trunc, model.config.weights, model.hash)
    return pictures, model.labels_for(seeds), drawn


def judge_samples(
    model: Model, store: Store, samples: int, features: Features, folder: RunFolder | None = None
) -> Verdict:
    """The verdict on what a generator draws, with MEMORISATION.md and the sheet of those most like copies."""
    pictures, labels, drawn = draw_for_judging(model, samples)
    verdict = judge(pictures, labels, store, features, drawn=drawn)
    if verdict.memorisation is not None and folder is not None:
        write_text_atomically(folder.memorisation, memorisation_card(verdict.memorisation))
        save_nearest(folder.samples / "nearest.png", verdict.memorisation, pictures, store.images)
    return verdict


def verdict_or_reason(take: Callable[[], Verdict], journal: Journal, images_seen: int) -> Verdict | None:
    """The verdict, or None with the reason said: a run ends whole even where its pictures cannot be judged."""
    try:
        return take()
    except GanvasError as error:
        journal.warn(images_seen, f"no verdict: {error}")
        return None
