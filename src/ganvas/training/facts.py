"""What a run is, said before the first step: run.json for programs, a few lines for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from ganvas.data.store import Store
from ganvas.devices import device_words
from ganvas.errors import GanvasError
from ganvas.games.perceiving import Perceiver
from ganvas.suggest import advice
from ganvas.training.journal import Journal
from ganvas.training.plan import Plan
from ganvas.training.run_folder import RunFolder
from ganvas.training.state import TrainState
from ganvas.versions import versions

COLOURS = {1: "grey", 3: "RGB", 4: "RGBA"}


def first_facts(plan: Plan, data: Store, state: TrainState) -> dict[str, Any]:
    """run.json at the start: what is trained on what, where and by which versions."""
    return {
        "schema": 1,
        "task": plan.task.name,
        "report": asdict(plan.task.report),
        "recipe": plan.recipe.name,
        "why": plan.why,
        "source": data.source_name,
        "fingerprint": data.fingerprint,
        "store": str(data.path),
        "pictures": {
            "train": data.train_count,
            "held_out": data.held_out_count,
            "height": data.height,
            "width": data.width,
            "channels": data.channels,
            "bits": data.bits,
            "classes": list(data.class_names) if data.labels is not None else [],
            "labels_note": data.labels_note,
            "skipped": [list(item) for item in data.skipped],
            "notes": list(data.notes),
        },
        "parameters": {name: count_parameters(network) for name, network in state.game.players.items()},
        "device": device_words(plan.device),
        "versions": versions(),
        "seed": plan.settings.seed,
        "images_seen": state.images,
        "ended": "running",
        "ema": f"half-life {plan.settings.ema_half_life} images",
    }


def perceiver_facts(features: torch.nn.Module | None) -> dict[str, Any]:
    """Which network of others a painter is held to, for run.json; {} for none."""
    return {"perceptual": {"name": features.name, "sha256": features.sha256}} if isinstance(features, Perceiver) else {}


def check_same_perceiver(folder: RunFolder, facts: dict[str, Any]) -> None:
    """Raises GanvasError if a run that goes on began with another network of the same name."""
    before, now = (some.get("perceptual") for some in (folder.read_facts(), facts))
    if before and now and before["name"] == now["name"] and before["sha256"] != now["sha256"]:
        raise GanvasError(
            f"--perceptual {now['name']} gives other weights than when the run began ({now['sha256'][:12]}..., not "
            f"{before['sha256'][:12]}...): give it the weights it had, or train another run"
        )


def count_parameters(network: torch.nn.Module) -> int:
    """Trainable numbers in a network."""
    return sum(p.numel() for p in network.parameters())


def introduce(journal: Journal, folder: RunFolder, plan: Plan, data: Store, facts: dict[str, Any]) -> None:
    """What the user should know before the first step."""
    kinds = [COLOURS.get(channels, f"{channels} channels") for channels in data.sides or (data.channels,)]
    if data.keypoints is not None:
        kinds[0] = f"heat maps of {len(data.keypoints.names)} kinds of points"
    colour = " and ".join(kinds)
    held = f", {data.held_out_count} held out" if data.held_out_count else ""
    size = f"{data.height}x{data.width} {colour}, {data.bits} bits"
    journal.say(f"pictures   {data.train_count} from {data.source_name}, {size}{held}")
    journal.say(f"labels     {data.labels_note}")
    for note in data.notes:
        journal.say(f"           {note}")
    for name, reason in data.skipped[:5]:
        journal.say(f"skipped    {name}: {reason}")
    if len(data.skipped) > 5:
        journal.say(f"           and {len(data.skipped) - 5} more, listed in {folder.facts}")
    journal.say(f"recipe     {plan.recipe.name} ({plan.why})")
    sizes = facts["parameters"]
    counted = " and ".join(f"{name} {count:,}" for name, count in sizes.items())
    journal.say(f"networks   {plan.settings.network}: {counted} parameters, {facts['device']}")
    s = plan.settings
    advised = "" if s.probe or facts["images_seen"] else advice(s, plan.recipe.cells, data.train_count)
    if advised:
        journal.say(f"advice     {advised}; --probe tries it")
    length = f"{s.images:,} images" if s.images else f"{s.minutes:g} minutes for the whole command"
    journal.say(f"run        {folder.path}, {length}, seed {s.seed}")
