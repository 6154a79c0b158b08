"""Trainings inside a benchmark: real `ganvas train` commands, whose finished run folders are used again."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganvas.degrading.chain import parse
from ganvas.devices import device_words, pick_device
from ganvas.settings import build_settings
from ganvas.training.plan import read_settings
from ganvas.versions import versions

KEPT = ("ended", "device", "parameters", "images_seen", "train_seconds", "wall_seconds", "model_hash")
ELSEWHERE = {"--recipe", "--init-from"}  # not of the settings, or a path, which may differ between machines


@dataclass(frozen=True)
class Training:
    """One run of `ganvas train`. name: of its folder. words: flags and values."""

    name: str
    source: Path
    words: tuple[str, ...]

    def command(self, work: Path) -> list[str]:
        """As it is typed."""
        return ["ganvas", "train", str(self.source), *self.words, "--out", str(work / self.name)]


@dataclass(frozen=True)
class Finished:
    """A run that is over. row: its command and what it says of itself, for a table."""

    path: Path
    row: dict[str, Any]
    metrics: dict[str, dict[str, float | None]]  # of the verdict: value, input_value, real_value by name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What all benchmarks that train have in common."""
    parser.add_argument(
        "--work", type=Path, required=True, help="folder of the runs; finished ones are used as they are"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-with", default="", metavar="WORDS", help='more for each training: "--device cuda"')
    parser.add_argument("--print-commands", action="store_true", help="print the trainings and do nothing")
    parser.add_argument("--out", type=Path, help="the JSON of the results")
    parser.add_argument("--sheets", type=Path, help="folder for the sheets of pictures")


def ensure(training: Training, work: Path) -> Finished:
    """Its finished run below `work`, trained now if there is none. Ends the benchmark where it cannot be trained."""
    path, command = work / training.name, training.command(work)
    if _is_finished(path):
        _check_same(path, training)
        print(f"{training.name}: the run that is there", flush=True)
    else:
        print(f"{training.name}: {typed(command)}", flush=True)
        work.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "ganvas", *command[1:], "--report-to", "none"]
        if path.exists():  # of a training that was interrupted
            words.append("--overwrite")
        code = subprocess.run(words, check=False).returncode
        if code or not _is_finished(path):
            raise SystemExit(f"{training.name} could not be trained (exit code {code}): see above")
    facts = json.loads((path / "run.json").read_text())
    verdict = json.loads((path / "verdict.json").read_text())
    names = ("value", "input_value", "real_value")
    metrics = {m["metric"]: {name: m[name] for name in names} for m in verdict["metrics"]}
    height, width = (facts["pictures"][side] for side in ("height", "width"))
    row = {"command": typed(command), "resolution": f"{height}x{width}", **{name: facts[name] for name in KEPT}}
    row["verdict"] = verdict["words"]
    return Finished(path, row, metrics)


def circumstances(device: str = "auto") -> dict[str, Any]:
    """What the numbers depend on besides the runs: for the head of a JSON."""
    here = Path(__file__).parent
    git = ["git", "-C", str(here), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "schema": 1,
        "command": typed(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "commit": commit or "unknown",
        "device": device_words(pick_device(device)),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def write(path: Path | None, facts: dict[str, Any]) -> None:
    """The JSON, if one was asked for."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts, indent=1) + "\n")


def typed(words: Sequence[str]) -> str:
    """A command as a line, with the names of files in the place of their paths."""
    return shlex.join(Path(word).name if "/" in word and word != words[1] else word for word in words)


def needed(path: Path | None, flag: str, what: str) -> Path:
    """The path behind a flag, or the end of the benchmark with what is missing."""
    if path is None:
        raise SystemExit(f"{flag} is missing: give {what}")
    if not path.exists():
        raise SystemExit(f"{flag} {path}: there is no such file; give {what}")
    return path


def _is_finished(path: Path) -> bool:
    facts = path / "run.json"
    return (path / "verdict.json").is_file() and json.loads(facts.read_text()).get("ended") == "done"


def _check_same(path: Path, training: Training) -> None:
    """Ends the benchmark if the run that is there was made with other settings than the command says."""
    recipe, saved = read_settings(path / "settings.yaml")
    given = _by_name(training.words)
    if "degrade" in given:
        given["degrade"] = parse(given["degrade"]).words  # `holes` -> `holes:0.1-0.4`, as a run keeps it
    wanted = build_settings({**saved.model_dump(), **{k: v for k, v in given.items() if k not in ELSEWHERE}})
    before, after = saved.model_dump(mode="json"), wanted.model_dump(mode="json")
    apart = [f"{name}={before[name]}, not {after[name]}" for name in before if before[name] != after[name]]
    if given.get("--recipe", recipe) != recipe:
        apart.append(f"recipe={recipe}, not {given['--recipe']}")
    if apart:
        raise SystemExit(f"{path} is a run with {'; '.join(apart)}: give another --work, or remove it")


def _by_name(words: Sequence[str]) -> dict[str, Any]:
    """`--minutes 5 --one-hot` -> {"minutes": "5", "one_hot": True}; those of ELSEWHERE keep their dashes."""
    found: dict[str, Any] = {}
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        if word.startswith("--"):
            name = word if word in ELSEWHERE else word[2:].replace("-", "_")
            found[name] = True if following.startswith("--") else following
    return found
