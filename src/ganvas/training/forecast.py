"""What a run would be, before it is one: data, recipe, parameters, and time and memory from a few real steps."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch

from ganvas.data.sources import open_source
from ganvas.data.store import plan_store
from ganvas.devices import device_words, pick_device
from ganvas.games.engine import Engine
from ganvas.games.noise import Draws, Rows
from ganvas.training.facts import count_parameters
from ganvas.training.plan import DataFacts, Plan, make_plan, source_options, store_options
from ganvas.training.state import TrainState

WARM_UP, MEASURED = 2, 5


def forecast(source: str | Path, *, recipe: str | None = None, **settings: Any) -> str:
    """The lines of `train --dry-run`. Nothing is written; raises GanvasError where `train` would refuse."""
    device = pick_device(str(settings.get("device", "auto")))
    if settings.get("threads"):
        torch.set_num_threads(int(settings["threads"]))
    opened = open_source(source, options=source_options(settings))
    data = plan_store(opened, store_options(settings, device))
    plan = make_plan(DataFacts.of_plan(data, opened), opened.name, recipe, settings, device)
    state = TrainState.create(plan.settings, plan.config, Engine(device))
    rate, peak_mb = trial(state, plan)
    s = plan.settings
    g, d = count_parameters(state.game.G), count_parameters(state.game.D)
    rows = {
        "pictures": f"{data.train_count} for training, {data.held_out_count} held out, from {opened.name}",
        "prepared as": f"{data.height}x{data.width}, {data.channels} channels, {data.bits} bits",
        "on disk": f"{data.nbytes / 1e6:,.1f} MB",
        "labels": opened.labels_note if s.labels is not False or not opened.class_names else "not used (--no-labels)",
        **{"" if i else "notes": note for i, note in enumerate(data.notes)},
        "looked at": f"{data.surveyed} headers, {len(data.skipped)} unusable",
        "recipe": f"{plan.recipe.name} ({plan.why})",
        "networks": f"{s.network}: {g:,} parameters in G, {d:,} in D",
        "device": device_words(device),
        "speed": f"about {rate:,.0f} images/s, from {MEASURED} trial steps of batch {s.batch}",
        "memory": f"about {peak_mb:,.0f} MB at the peak of a step",
        "time": time_words(plan, rate),
        "settings": " ".join(
            f"--{k.replace('_', '-')} {v}" for k, v in s.model_dump(mode="json", exclude_none=True).items()
        ),
    }
    width = max(map(len, rows))
    return "\n".join(f"{key:<{width}}  {value}" for key, value in rows.items())


def trial(state: TrainState, plan: Plan) -> tuple[float, float]:
    """Images per second and peak memory in MB of a few real steps on random pictures."""
    s, c, device = plan.settings, plan.config, plan.device
    shape = (s.batch, c.channels, *c.resolution)
    times = []
    for step in range(WARM_UP + MEASURED):
        random = Draws(device, (s.seed, step), Rows(s.batch))
        reals = []
        for _ in range(s.n_critic):
            real = torch.rand(shape, device=device).mul_(2).sub_(1).contiguous(memory_format=torch.channels_last)
            labels = torch.randint(0, c.classes, (s.batch,), device=device) if c.classes else None
            reals.append((real, labels))
        began = time.monotonic()
        state.game.step(reals, random, 0.0)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.monotonic() - began)
    seconds = sorted(times[WARM_UP:])[MEASURED // 2]
    return s.batch * s.n_critic / seconds, peak_memory_mb(device)


def peak_memory_mb(device: torch.device) -> float:
    """The most memory this process ever held: the device's own count on CUDA, resident memory elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def time_words(plan: Plan, rate: float) -> str:
    """How long, or how many images, the run would be."""
    s = plan.settings
    if s.images:
        return f"about {s.images / rate / 60:,.1f} minutes for {s.images:,} images, and up to a minute for the verdict"
    assert s.minutes is not None, "a plan has minutes or images"
    return f"{s.minutes:g} minutes in all: about {0.85 * 60 * s.minutes * rate:,.0f} images"
