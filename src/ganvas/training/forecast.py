"""What a run would be, before it is one: data, recipe, parameters, and time and memory from a few real steps."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ganvas.training.loop  # noqa: F401 -- what a run loads counts in its memory
from ganvas.data.store import plan_store
from ganvas.devices import device_words, keep_freed_memory, pick_device
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.feature_training import set_input_range, train_contrastive
from ganvas.evaluation.features import PROJECTION, VERSION, Features, Learning
from ganvas.games.engine import Engine
from ganvas.games.noise import Draws, Rows
from ganvas.images import Integers
from ganvas.suggest import advice
from ganvas.tasks.table import find_task
from ganvas.training.facts import count_parameters
from ganvas.training.plan import DataFacts, Plan, make_plan, store_options
from ganvas.training.state import TrainState
from ganvas.training.watch import SCORES_AT

WARM_UP, MEASURED = 3, 9
SCORED = 256


def forecast(source: str | Path, *, recipe: str | None = None, **settings: Any) -> str:
    """The lines of `train --dry-run`. Nothing is written; raises GanvasError where `train` would refuse."""
    device = pick_device(str(settings.get("device", "auto")))
    if device.type == "cpu":
        keep_freed_memory()  # as a run does
    if settings.get("threads"):
        torch.set_num_threads(int(settings["threads"]))
    task = find_task(recipe, settings.get("task"))
    settings = task.prepared({name: value for name, value in settings.items() if value is not None}, device)
    opened = task.opened(source, settings)
    data = plan_store(opened, store_options(settings, device))
    plan = make_plan(DataFacts.of_plan(data, opened), opened.name, recipe, settings, device)
    features = task.unlearned_eyes(plan.config, plan.settings)
    state = TrainState.create(plan.settings, plan.config, Engine(device), features=features)
    rehearsal = rehearse(state, plan)
    s = plan.settings
    counted = " and ".join(
        f"{count_parameters(player):,} parameters in {name}" for name, player in state.game.players.items()
    )
    rows = {
        "pictures": f"{data.train_count} for training, {data.held_out_count} held out, from {opened.name}",
        "prepared as": f"{data.height}x{data.width}, {data.channels} channels, {data.bits} bits",
        "on disk": f"{data.nbytes / 1e6:,.1f} MB",
        "labels": opened.labels_note if s.labels is not False or not opened.class_names else "not used (--no-labels)",
        **{"" if i else "notes": note for i, note in enumerate(data.notes)},
        "looked at": f"{data.surveyed} headers, {len(data.skipped)} unusable",
        "recipe": f"{plan.recipe.name} ({plan.why})",
        **({"gamma": told} if (told := advice(s, plan.recipe.cells, data.train_count)) else {}),
        "networks": f"{s.network}: {counted}",
        "device": device_words(device),
        "speed": f"about {rehearsal.images_per_s:,.0f} images/s, from {MEASURED} trial steps of batch {s.batch}",
        "memory": f"about {rehearsal.peak_mb:,.0f} MB at the peak",
        "time": time_words(plan, rehearsal, data.train_count),
        "settings": " ".join(
            f"--{k.replace('_', '-')} {v}" for k, v in s.model_dump(mode="json", exclude_none=True).items()
        ),
    }
    width = max(map(len, rows))
    return "\n".join(f"{key:<{width}}  {value}" for key, value in rows.items())


@dataclass(frozen=True)
class Rehearsal:
    """What a run costs, from a little of everything that it will do."""

    images_per_s: float  # of the steps alone
    look_s: float  # an inspection
    sample_s: float  # a sample of a score: drawn, and looked at by the judge
    peak_mb: float

    def seconds(self, images: int, plan: Plan, train_count: int) -> float:
        """For training on so many images, with all that is watched on the way."""
        s = plan.settings
        looks = images // plan.task.looks_every(s)
        scores = images // s.judge_every if s.judge_every else len(SCORES_AT)
        sampling_s = scores * plan.task.samples_of_score(train_count) * self.sample_s
        return images / self.images_per_s + looks * self.look_s + sampling_s


def rehearse(state: TrainState, plan: Plan) -> Rehearsal:
    """Some real steps on random pictures, an inspection, a judge that learns for a moment, and a small score."""
    s, c, device = plan.settings, plan.config, plan.device
    shape = (s.batch, *c.stored_shape)
    integers = np.random.default_rng(0).integers(0, 256, (s.batch, *c.made_shape), np.uint8)
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
        state.average(s.batch * s.n_critic)
        _finish(device)
        times.append(time.monotonic() - began)
    seconds = sorted(times[WARM_UP:])[MEASURED // 2]

    judge = _unlearned_judge(plan, integers)
    monitor = plan.task.rehearsed_monitor(reals[0], c, s)
    look_s = 0.0 if monitor is None else _timed(lambda: monitor.inspect(state), device)

    def small_score() -> None:
        judge.extract(plan.task.make_some(state.model(), scored))

    scored = min(SCORED, plan.task.samples_of_score(10**9))
    sample_s = _timed(small_score, device) / scored
    return Rehearsal(s.batch * s.n_critic / seconds, look_s, sample_s, peak_memory_mb(device))


def _unlearned_judge(plan: Plan, images: Integers) -> Features:
    """The network that pictures are compared in, after a few batches: what it holds in memory, and its speed."""
    c, generator = plan.config, torch.Generator().manual_seed(0)
    net = FeatureNet(*c.made_shape, PROJECTION, generator)
    set_input_range(net, images)
    net.to(plan.device)
    train_contrastive(net, images, 2 * len(images), generator, None)
    return Features(net, Learning(VERSION, "self-supervised", "", 0, None, "", PROJECTION, ""))


def _timed(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds of the second time: the first one warms up."""
    work()
    began = time.monotonic()
    work()
    _finish(device)
    return time.monotonic() - began


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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


def time_words(plan: Plan, rehearsal: Rehearsal, train_count: int) -> str:
    """How long, or how many images, the run would be."""
    s = plan.settings
    if s.images:
        seconds = rehearsal.seconds(s.images, plan, train_count)
        words = f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.1f} minutes"
        return f"about {words} of training for {s.images:,} images, and up to a minute for judge and verdict"
    assert s.minutes is not None, "a plan has minutes or images"
    training_s, per_million = 0.85 * 60 * s.minutes, rehearsal.seconds(1_000_000, plan, train_count)
    return f"{s.minutes:g} minutes in all: about {training_s / per_million * 1e6:,.0f} images"
