"""Is a sick painter told so, and a healthy one left in peace?

    python benchmarks/painter_sickness.py train --data FOLDER --seeds 0 1 --series series.json
    python benchmarks/painter_sickness.py judge --series series.json --out benchmarks/results/painter_sickness.json

As `sickness.py` does for pictures from noise: `train` plays short runs at 32 pixels on one thread, healthy ones of
every recipe and ones made sick on purpose, and keeps what is measured at each inspection; `judge` lets the
diagnostician read that. FOLDER holds emoji_pairs.zip, emoji_unpaired.zip and bsds_photos.zip. Thresholds were chosen by
looking at seed 0 alone. Networks are narrow, and inspections come every 25 steps as in the shortest of real runs, so
that a run takes one minute or two.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganvas.data.facts import DataFacts
from ganvas.data.sources import Source
from ganvas.data.store import open_store
from ganvas.devices import device_words
from ganvas.tasks.table import find_task
from ganvas.training.diagnosis import Diagnostician
from ganvas.training.journal import Averager
from ganvas.training.measurement import Measurement
from ganvas.training.plan import Plan, make_plan, store_options
from ganvas.training.play import train_step
from ganvas.training.state import TrainState
from ganvas.versions import versions
from sickness import TUNED_ON, command_line, summary_of

STEPS = 25  # between inspections
Spoil = Callable[[TrainState], None]


def deafen(state: TrainState) -> None:
    """The painters get nothing but grey: they paint one picture."""
    for network in (state.game.G, state.G_ema):
        for painter in network.values() if isinstance(network, torch.nn.ModuleDict) else (network,):
            painter.register_forward_pre_hook(lambda _, given: (0 * given[0], *given[1:]))


@dataclass(frozen=True)
class Case:
    """A run: a recipe with other cells, spoilt or not; and what should be said of it.

    after: settings that are changed once the plan is made, as the second stage of a restoration needs a first one.
    mixed: the targets of other inputs.
    """

    recipe: str
    data: str
    cells: Mapping[str, Any]
    expected: tuple[str, ...] = ()  # one of them is enough; none: nothing should be said
    after: Mapping[str, Any] = field(default_factory=dict)
    spoil: Spoil | None = None
    mixed: bool = False


PAIRS, UNPAIRED, PHOTOS = "emoji_pairs.zip", "emoji_unpaired.zip", "bsds_photos.zip"
_BLOCKS = ("blocks=2",)


def _pairs(images: int = 2_000, **cells: Any) -> dict[str, Any]:
    return {"images": images, "width": 8, "task": "translate", **cells}


def _both_ways(images: int = 1_600, **cells: Any) -> dict[str, Any]:
    options = ("blocks=1", "add=true")
    return {"images": images, "width": 8, "network_options": options, "task": "unpaired", **cells}


def _one_way(images: int = 800, **cells: Any) -> dict[str, Any]:
    return {"images": images, "width": 8, "network_options": ("blocks=1",), "task": "unpaired", **cells}


def _photos(images: int = 4_000, **cells: Any) -> dict[str, Any]:
    return {"images": images, "width": 8, "task": "restore", **cells}


_STRONG_D = {"d_lr": 2e-2, "g_lr": 2e-6}
_SECOND = {"adversarial_weight": 5e-3, "l1_weight": 1e-2, "objective": "relativistic_average", "d_norm": "spectral"}
_ENLARGED = {"degrade": "lowres:4", "network_options": _BLOCKS}
CASES: dict[str, Case] = {
    "healthy pix2pix": Case("pix2pix", PAIRS, _pairs()),
    "healthy pix2pix, LSGAN": Case("pix2pix", PAIRS, _pairs(objective="least_squares")),
    "healthy pix2pixhd": Case("pix2pixhd", PAIRS, _pairs(network_options=_BLOCKS)),
    "healthy cyclegan": Case("cyclegan", UNPAIRED, _both_ways()),
    "healthy cut": Case("cut", UNPAIRED, _one_way()),
    "healthy srresnet": Case("srresnet", PHOTOS, _photos(**_ENLARGED)),
    "healthy unet-restore, noise": Case("unet-restore", PHOTOS, _photos(degrade="noise:25")),
    "healthy unet-restore, jpeg": Case("unet-restore", PHOTOS, _photos(degrade="jpeg:20-60")),
    "healthy unet-restore, gray": Case("unet-restore", PHOTOS, _photos(degrade="gray")),
    "healthy inpaint": Case(
        "inpaint", PHOTOS, _photos(2_000, degrade="holes", network_options=("blocks=2", "smooth=true"))
    ),
    "healthy second stage": Case("srresnet", PHOTOS, _photos(**_ENLARGED), after=_SECOND),
    "strong D, pix2pix": Case("pix2pix", PAIRS, _pairs(**_STRONG_D), ("d_wins", "full_collapse", "partial_collapse")),
    # Its L1 carries it: this one learns as well as the healthy one, and counts as healthy.
    "D x 100, pix2pix": Case("pix2pix", PAIRS, _pairs(d_lr=5e-2)),
    "D x 100, cyclegan": Case("cyclegan", UNPAIRED, _both_ways(d_lr=2e-2), ("d_wins", "explosion")),
    "D x 100, cut": Case("cut", UNPAIRED, _one_way(d_lr=2e-2), ("d_wins", "explosion")),
    "G stands still, pix2pix": Case("pix2pix", PAIRS, _pairs(g_lr=1e-9), ("d_wins", "full_collapse")),
    "G stands still, cyclegan": Case("cyclegan", UNPAIRED, _both_ways(g_lr=1e-9), ("d_wins", "full_collapse")),
    "G stands still, cut": Case("cut", UNPAIRED, _one_way(g_lr=1e-9), ("d_wins", "full_collapse", "contrast_lost")),
    "G stands still, srresnet": Case("srresnet", PHOTOS, _photos(g_lr=1e-9, **_ENLARGED), ("identity",)),
    "G stands still, noise": Case("unet-restore", PHOTOS, _photos(g_lr=1e-9, degrade="noise:25"), ("identity",)),
    "deaf G, pix2pix": Case("pix2pix", PAIRS, _pairs(), ("full_collapse",), spoil=deafen),
    "deaf G, cyclegan": Case("cyclegan", UNPAIRED, _both_ways(), ("full_collapse",), spoil=deafen),
    "rates x 100, pix2pix": Case(
        "pix2pix", PAIRS, _pairs(g_lr=5e-2, d_lr=5e-2), ("d_wins", "full_collapse", "partial_collapse")
    ),
    "rates x 100, cyclegan": Case(
        "cyclegan", UNPAIRED, _both_ways(g_lr=2e-2, d_lr=2e-2), ("d_wins", "full_collapse", "partial_collapse")
    ),
    "rates x 100, noise": Case("unet-restore", PHOTOS, _photos(g_lr=0.5, degrade="noise:25"), ("harm", "divergence")),
    "identity alone, cyclegan": Case("cyclegan", UNPAIRED, _both_ways(identity_weight=500.0), ("identity",)),
    "mixed pairs, pix2pix": Case("pix2pix", PAIRS, _pairs(), ("partial_collapse",), mixed=True),
}


@dataclass
class Played:
    """One run as JSON keeps it."""

    case: str
    seed: int
    objective: str
    pictures: int
    total: int
    train_s: float = 0.0
    inspection_in_images: int = 0  # how many images would have been trained on in the time of an inspection
    series: list[dict[str, Any]] = field(default_factory=list)


def opened(case: Case, data: Path, seed: int, cache: Path) -> tuple[Plan, Any]:
    """The plan of a case, and its store."""
    device = torch.device("cpu")
    task = find_task(case.recipe, str(case.cells["task"]))
    words = task.prepared({**case.cells, "resolution": (32, 32), "seed": seed}, device)
    source: Source = task.opened(data / case.data, words)
    store = task.usable(open_store(source, store_options(words, device), location=cache / case.data), words)
    plan = make_plan(DataFacts.of_store(store), source.name, case.recipe, words, device)
    if case.mixed:
        images = np.array(store.images)
        images[:, 3:] = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(1)).numpy(), 3:]
        store = type(store)(**{**vars(store), "images": images})
    return Plan(
        plan.recipe, plan.why, plan.settings.model_copy(update=dict(case.after)), plan.config, device, task
    ), store


def play(name: str, data: Path, seed: int, cache: Path) -> Played:
    """One run with its inspections."""
    case = CASES[name]
    plan, store = opened(case, data, seed, cache)
    settings = plan.settings
    state = TrainState.create(settings, plan.config, plan.device)
    if case.spoil is not None:
        case.spoil(state)
    batches = plan.task.batches(store, settings, plan.device)
    monitor = plan.task.monitor(store, plan.config, settings, plan.device)
    assert monitor is not None
    assert settings.images is not None, "every case says how many images"
    played, averager = Played(name, seed, settings.objective, store.train_count, settings.images), Averager()
    every = STEPS * settings.batch
    began, inspecting_s, due = time.monotonic(), 0.0, every
    while state.images < settings.images:
        averager.add(train_step(state, batches, state.images / settings.images))
        if state.images >= due:
            due += every
            stats, started = averager.take(), time.monotonic()
            played.series.append(monitor.inspect(state, stats).to_json())
            inspecting_s += time.monotonic() - started
    played.train_s = round(time.monotonic() - began - inspecting_s, 2)
    played.inspection_in_images = round(inspecting_s / len(played.series) / played.train_s * state.images)
    return played


def train(arguments: argparse.Namespace) -> None:
    """Play what is not there yet."""
    torch.set_num_threads(1)
    path: Path = arguments.series
    kept: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    with tempfile.TemporaryDirectory() as cache:
        for seed in arguments.seeds:
            for name in arguments.cases or CASES:
                key = f"{name}, seed {seed}"
                if key not in kept:
                    kept[key] = vars(play(name, arguments.data, seed, Path(cache)))
                    print(f"{key}: {kept[key]['train_s']} s", flush=True)
                    path.write_text(json.dumps(kept))


def said_of(kept: Mapping[str, Any]) -> list[Any]:
    """What a diagnostician says of a series."""
    diagnostician = Diagnostician(kept["total"], objective=kept["objective"], pictures=kept["pictures"], paints=True)
    return [
        news for found in kept["series"] for news in diagnostician.look(Measurement(found["images"], found["numbers"]))
    ]


def judge(arguments: argparse.Namespace) -> None:
    """Read the series, print and keep what is said of them."""
    rows = []
    for kept in json.loads(arguments.series.read_text()).values():
        case, said = CASES[kept["case"]], said_of(kept)
        kinds = {news.kind for news in said} - {"healthy"}
        right = bool(kinds & set(case.expected)) if case.expected else not kinds
        own = {k: kept[k] for k in ("case", "seed", "train_s", "inspection_in_images")}
        told = [{"kind": n.kind, "images": n.images, "since": n.since, "text": n.text} for n in said]
        rows.append({**own, "images": kept["total"], "expected": list(case.expected), "right": right, "said": told})
        words = ", ".join(f"{n.kind} at {n.images:,}" for n in said) or "nothing"
        print(f"{'ok   ' if right else 'WRONG'} {kept['case']:28} seed {kept['seed']}: {words}")
    summary = summary_of(rows)
    if arguments.out:
        words, tuned = device_words(torch.device("cpu")), TUNED_ON
        document = {"device": words, "versions": versions(), "tuned on": tuned, "summary": summary, "runs": rows}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    command_line(__doc__, CASES, train, judge, (0, 1), {"required": True, "help": "folder of the archives"})
