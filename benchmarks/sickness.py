"""Is a sick run told so, and a healthy one left in peace?

    python benchmarks/sickness.py train --data mnist.npz --seeds 0 1 2 --series series.json
    python benchmarks/sickness.py judge --series series.json --out benchmarks/results/sickness.json

`train` plays short runs of 28x28 digits (without --data: those of scikit-learn, tripled in size) on one thread, healthy
ones and ones made sick on purpose, and keeps what is measured at each inspection; what is there already is not played
again. `judge` lets the diagnostician read the series and prints what was said, and when. Its thresholds were chosen by
looking at seed 0 alone, so only the other seeds check them. Convolutional recipes run at width 32, to fit all of it
into an hour on one core. Inspections come every 1 600 images, oftener than in a real run (`inspection_interval`), so
that there are some twenty; with five D turns per G turn that is every five steps of G. The healthy run of wgan, which
stands still for its first hundred steps at its small rate, is longer, and looked at every 25 steps as in a real run;
that of seed 0 learns nothing in its 500 either, so that its "D wins", counted as a false alarm, is true.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.batches import Batches
from ganvas.devices import device_words
from ganvas.images import to_float
from ganvas.model import ModelConfig
from ganvas.recipes import RECIPES
from ganvas.settings import build_settings
from ganvas.training.diagnosis import Diagnostician
from ganvas.training.measurement import Measurement
from ganvas.training.monitor import Monitor
from ganvas.training.play import train_step
from ganvas.training.state import TrainState
from ganvas.versions import versions

EVERY = 1_600
WATCHED = 512
TUNED_ON = 0

Verb = Callable[[argparse.Namespace], None]


@dataclass(frozen=True)
class Case:
    """A run: a recipe with other cells, fewer pictures, or a G that is deaf; and what should be said of it."""

    recipe: str
    cells: Mapping[str, Any]
    expected: tuple[str, ...] = ()  # one of them is enough; none: nothing should be said
    pictures: int | None = None
    deaf: bool = False
    labels: bool = True
    every: int = EVERY  # images between inspections


def _narrow(images: int, **cells: Any) -> dict[str, Any]:
    return {"images": images, "width": 32, **cells}


_STRONG_D = {"d_lr": 4e-3, "n_critic": 5, "g_lr": 2e-6}
CASES: dict[str, Case] = {
    "healthy fast": Case("fast", {"images": 40_000}),
    "healthy fast, no labels": Case("fast", {"images": 24_000}, labels=False),
    "healthy mlp": Case("mlp", {"images": 40_000}),
    "healthy dcgan": Case("dcgan", _narrow(24_000)),
    "healthy lsgan": Case("lsgan", _narrow(24_000)),
    "healthy wgan-gp": Case("wgan-gp", _narrow(32_000)),
    "healthy hinge-sn": Case("hinge-sn", _narrow(24_000)),
    "healthy dcgan5": Case("dcgan5", _narrow(16_000)),
    "healthy wgan": Case("wgan", _narrow(160_000), every=8_000),
    # Rates a hundredfold do not harm this one, with BatchNorm in both players: it counts as healthy.
    "rates x 100, dcgan": Case("dcgan", _narrow(16_000, g_lr=0.02, d_lr=0.02)),
    "strong D, dcgan": Case("dcgan", _narrow(32_000, **_STRONG_D), ("d_wins",)),
    "strong D, mlp": Case("mlp", {"images": 40_000, **_STRONG_D}, ("d_wins",)),
    "weak D, fast": Case("fast", {"images": 24_000, "d_lr": 1e-6}, ("d_loses", "full_collapse", "partial_collapse")),
    "weak D, mlp": Case("mlp", {"images": 32_000, "d_lr": 1e-7}, ("d_loses", "full_collapse", "partial_collapse")),
    "rates x 100, fast": Case("fast", {"images": 24_000, "g_lr": 0.15, "d_lr": 0.15}, ("divergence", "d_wins")),
    "rates x 100, mlp": Case("mlp", {"images": 32_000, "g_lr": 0.02, "d_lr": 0.02}, ("full_collapse", "d_wins")),
    "rates x 100, wgan-gp": Case("wgan-gp", _narrow(24_000, g_lr=0.01, d_lr=0.01), ("oscillation", "divergence")),
    "deaf G, fast": Case("fast", {"images": 32_000}, ("full_collapse",), deaf=True),
    "deaf G, dcgan": Case("dcgan", _narrow(16_000), ("full_collapse",), deaf=True),
    "20 pictures, fast": Case("fast", {"images": 64_000}, ("memorises", "d_overfits"), pictures=20),
    "20 pictures, dcgan": Case("dcgan", _narrow(24_000), ("memorises", "d_overfits"), pictures=20),
}

Pictures = tuple[NDArray[np.uint8], NDArray[np.int64]]  # [N, 1, 28, 28], [N]


def digits(data: Path | None) -> tuple[Pictures, Pictures]:
    """Training and held-out pictures."""
    if data is not None:
        with np.load(data) as found:
            x, y = found["train_images"][:, None], found["train_labels"].astype(np.int64)
            return (x, y), (found["test_images"][:1000, None], found["test_labels"][:1000].astype(np.int64))
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    bunch = load_digits()
    x = np.asarray(bunch.images * 15.9, np.uint8)[:, None].repeat(3, 2).repeat(3, 3)
    x, y = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2))), bunch.target.astype(np.int64)
    return (x[:1500], y[:1500]), (x[1500:], y[1500:])


def deafen(state: TrainState) -> None:
    """G's first weights for the noise become zero and stay so: it draws one picture per class."""
    z_dim = state.config.z_dim
    for network in (state.game.G, state.G_ema):
        weight = next(p for p in network.parameters() if p.dim() > 1)
        _noise_part(weight.data, z_dim).zero_()
    weight = next(p for p in state.game.G.parameters() if p.dim() > 1)

    def silence(parameter: Tensor) -> None:
        assert parameter.grad is not None, "called right after the gradient is there"
        _noise_part(parameter.grad, z_dim).zero_()

    weight.register_post_accumulate_grad_hook(silence)  # type: ignore[no-untyped-call]


def _noise_part(weight: Tensor, z_dim: int) -> Tensor:
    """Dense layers take the noise along dimension 1, transposed convolutions along dimension 0."""
    return weight[:, :z_dim] if weight.dim() == 2 else weight[:z_dim]


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


def play(name: str, data: Path | None, seed: int) -> Played:
    """One run with its inspections."""
    case, device = CASES[name], torch.device("cpu")
    (x, y), (held_x, held_y) = digits(data)
    x, y = x[: case.pictures], y[: case.pictures]
    settings = build_settings({**RECIPES[case.recipe].cells, **case.cells, "seed": seed})
    config = ModelConfig(
        network=settings.network,
        resolution=(28, 28),
        channels=1,
        bits=8,
        z_dim=settings.z_dim,
        width=settings.width,
        class_names=tuple("0123456789") if case.labels else (),
        class_shares=tuple(float(s) for s in np.bincount(y, minlength=10) / len(y)) if case.labels else (),
    )
    state = TrainState.create(settings, config, device)
    if case.deaf:
        deafen(state)
    batches = Batches(x, y if case.labels else None, settings.batch, seed, device)
    reals, held = (to_float(torch.from_numpy(part[:WATCHED])) for part in (x, held_x))
    labels, held_labels = (torch.from_numpy(part[:WATCHED]) if case.labels else None for part in (y, held_y))
    monitor = Monitor(reals, labels, held, held_labels, seed=seed)
    total = settings.images
    assert total is not None, "every case says how many images"
    played = Played(name, seed, settings.objective, len(x), total)
    began, inspecting_s, due = time.monotonic(), 0.0, case.every
    while state.images < total:
        stats = train_step(state, batches, state.images / total)
        if state.images >= due:
            due += case.every
            started = time.monotonic()
            found = monitor.inspect(state, {key: float(value) for key, value in stats.items()})
            played.series.append(found.to_json())
            inspecting_s += time.monotonic() - started
    played.train_s = round(time.monotonic() - began - inspecting_s, 2)
    played.inspection_in_images = round(inspecting_s / len(played.series) / played.train_s * state.images)
    return played


def train(arguments: argparse.Namespace) -> None:
    """Play what is not there yet."""
    torch.set_num_threads(1)
    path: Path = arguments.series
    kept: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    for seed in arguments.seeds:
        for name in arguments.cases or CASES:
            key = f"{name}, seed {seed}"
            if key not in kept:
                kept[key] = vars(play(name, arguments.data, seed))
                print(f"{key}: {kept[key]['train_s']} s", flush=True)
                path.write_text(json.dumps(kept))


def judge(arguments: argparse.Namespace) -> None:
    """Read the series, print and keep what is said of them."""
    rows = []
    for kept in json.loads(arguments.series.read_text()).values():
        case = CASES[kept["case"]]
        diagnostician = Diagnostician(
            kept["total"],
            objective=kept["objective"],
            classes=10 if case.labels else 0,
            pictures=kept["pictures"],
        )
        said = [
            news
            for found in kept["series"]
            for news in diagnostician.look(Measurement(found["images"], found["numbers"]))
        ]
        kinds = {news.kind for news in said} - {"healthy"}
        right = bool(kinds & set(case.expected)) if case.expected else not kinds
        rows.append(
            {
                "case": kept["case"],
                "seed": kept["seed"],
                "images": kept["total"],
                "expected": list(case.expected),
                "right": right,
                "said": [{"kind": n.kind, "images": n.images, "since": n.since, "text": n.text} for n in said],
                "train_s": kept["train_s"],
                "inspection_in_images": kept["inspection_in_images"],
            }
        )
        words = ", ".join(f"{n.kind} at {n.images:,}" for n in said) or "nothing"
        print(f"{'ok   ' if right else 'WRONG'} {kept['case']:25} seed {kept['seed']}: {words}")
    summary = summary_of(rows)
    if arguments.out:
        document = {
            "device": device_words(torch.device("cpu")),
            "versions": versions(),
            "summary": summary,
            "runs": rows,
        }
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How many healthy runs were accused and how many sick ones named: of the seed tuned on, and of the others."""
    summary = {}
    for group, chosen in (
        ("tuned on", [row for row in rows if row["seed"] == TUNED_ON]),
        ("checked on", [row for row in rows if row["seed"] != TUNED_ON]),
    ):
        sick, healthy = ([row for row in chosen if bool(row["expected"]) == wanted] for wanted in (True, False))
        summary[group] = {
            "seeds": sorted({row["seed"] for row in chosen}),
            "healthy runs": len(healthy),
            "false alarms": sum(not row["right"] for row in healthy),
            "sick runs": len(sick),
            "named": sum(row["right"] for row in sick),
        }
        print(f"{group}: {summary[group]}")
    return summary


def command_line(
    doc: str | None, cases: Iterable[str], train: Verb, judge: Verb, seeds: Sequence[int], data: Mapping[str, Any]
) -> None:
    """Two verbs: `train` plays the runs and keeps their series, `judge` says what is said of them. data: of --data."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    training = verbs.add_parser("train", help="play the runs")
    training.add_argument("--data", type=Path, **data)
    training.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    training.add_argument("--cases", nargs="+", choices=list(cases))
    training.set_defaults(verb=train)
    judging = verbs.add_parser("judge", help="say what is wrong with them")
    judging.add_argument("--out", type=Path)
    judging.set_defaults(verb=judge)
    for verb in (training, judging):
        verb.add_argument("--series", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.verb(arguments)


if __name__ == "__main__":
    of_digits = {"help": "mnist.npz [default: the digits of scikit-learn]"}
    command_line(__doc__, CASES, train, judge, (0, 1, 2), of_digits)
