"""A training that is killed, stopped, starved and damaged hundreds of times, and must end as if nothing had been.

python benchmarks/survival.py --kills 500 --seed 0 --out benchmarks/results/survival.json

Real processes on a tiny run: 50 are started from nothing, the others forked from this one, which has loaded torch and
never trains itself. Fails (exit code 1) if one promise breaks; the promises stand beside their checks.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import itertools
import json
import math
import mmap
import os
import platform
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ganvas.cli
import ganvas.training.loop  # so that no fork has to load it
from damaged_checkpoints import DAMAGES
from ganvas.errors import GanvasError
from ganvas.model import Model
from ganvas.training import saver as saver_module
from ganvas.training.checkpoint import (
    Checkpoint,
    list_checkpoints,
    load_checkpoint,
    load_newest_checkpoint,
    save_checkpoint,
    sweep,
)
from ganvas.training.run_folder import thousands
from ganvas.training.saver import Saver
from ganvas.training.state import TrainState
from ganvas.training.stop import StopRequest
from ganvas.version import __version__

IMAGES, EVERY = 1600, 136  # 136 images are 17 steps: checkpoints fall inside the intervals of 50 steps that are logged
WORDS = (
    *("--recipe", "fast", "--images", str(IMAGES), "--batch", "8", "--width", "8", "--z-dim", "8", "--threads", "1"),
    *("--judge-samples", "64", "--on-sick", "report", "--checkpoint-every", str(EVERY), "--sheet-every", "400"),
)
CLOCK = {"seconds", "images_per_s"}  # of a line in stats.jsonl: what no two runs share
STOP_LIMIT_S, REFUSAL_LIMIT_S = 10.0, 2.0


@dataclass
class Watch:
    """Memory that a forked trainer shares with this process: how far it is and what it is doing just now."""

    page: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 64))

    # begun: images of the last checkpoint that was begun; before: of the one before that
    FIELDS = ("images", "begun", "before", "saving", "drawing", "stoppable")

    def __getitem__(self, name: str) -> int:
        return int(struct.unpack_from("q", self.page, 8 * self.FIELDS.index(name))[0])

    def __setitem__(self, name: str, value: int) -> None:
        struct.pack_into("q", self.page, 8 * self.FIELDS.index(name), value)

    @property
    def phase(self) -> str:
        """What a kill hits now."""
        if self["saving"]:
            return "saving"
        if self["drawing"]:
            return "drawing"
        if self["images"] < 0:
            return "starting or resuming"
        return "judging and reporting" if self["images"] >= IMAGES else "training"

    def attach(self, digests: Path | None) -> None:
        """In the trainer: note what it does. `digests`: where to write what the state is after each step."""
        create, average, restore = TrainState.create, TrainState.average, TrainState.restore
        sample, enter = Model.sample, StopRequest.__enter__

        def counted_create(*arguments: Any, **words: Any) -> TrainState:
            state = create(*arguments, **words)
            self["images"] = 0
            note(state.to_checkpoint)
            self["images"] = -1
            return state

        def note(checkpoint: Callable[[], Checkpoint]) -> None:
            if digests is not None:
                with digests.open("a") as file:
                    file.write(json.dumps([self["images"], digest(checkpoint())]) + "\n")

        def counted_average(state: TrainState, batch_images: int) -> None:
            average(state, batch_images)
            self["images"] = state.images
            note(state.to_checkpoint)

        def counted_restore(state: TrainState, checkpoint: Checkpoint) -> None:
            restore(state, checkpoint)
            self["images"] = self["begun"] = self["before"] = state.images

        def noted_sample(model: Model, *arguments: Any, **words: Any) -> Any:
            self["drawing"] = 1
            try:
                return sample(model, *arguments, **words)
            finally:
                self["drawing"] = 0

        def noted_save(folder: Path, checkpoint: Checkpoint, *arguments: Any, **words: Any) -> Path:
            if self["begun"] != checkpoint.counters["images"]:
                self["before"] = self["begun"]
            self["begun"], self["saving"] = checkpoint.counters["images"], 1
            try:
                return save_checkpoint(folder, checkpoint, *arguments, **words)
            finally:
                self["saving"] = 0

        def noted_enter(stop: StopRequest) -> StopRequest:
            entered = enter(stop)
            self["stoppable"] = 1
            return entered

        TrainState.create = counted_create  # type: ignore[method-assign, assignment]
        TrainState.average, TrainState.restore = counted_average, counted_restore  # type: ignore[method-assign]
        Model.sample, StopRequest.__enter__ = noted_sample, noted_enter  # type: ignore[method-assign]
        saver_module.save_checkpoint = noted_save


class Trainer:
    """`ganvas train` in a process of its own: a fork of this one, or a full start."""

    def __init__(
        self,
        place: Place,
        run: Path,
        *,
        full: bool = False,
        digests: Path | None = None,
        first: Callable[[], None] | None = None,
    ) -> None:
        """first: what a fork does to itself before it trains."""
        self.watch = Watch()
        self.watch["images"] = -1
        self.ended: int | None = None
        self.began = time.monotonic()
        self.log = place.root / "said.txt"
        words = ["train", str(place.data), "--out", str(run), "--resume", *WORDS]
        if full:
            self.watch["images"] = 0
            with self.log.open("w") as said:
                command = [sys.executable, "-m", "ganvas", *words]
                self.process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
            self.pid = self.process.pid
            return
        said = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        read, write = os.pipe()  # what is written into a pipe counts against no limit of file sizes
        self.stderr = os.fdopen(read)
        self.pid = os.fork()
        if self.pid == 0:
            self.stderr.close()
            os.dup2(said, 1)
            os.dup2(write, 2)
            code = 99
            try:
                self.watch.attach(digests)
                if first is not None:
                    first()
                code = ganvas.cli.main(words)
            except SystemExit as error:
                code = int(error.code or 0)
            except BaseException as error:
                os.write(2, f"Traceback: {error!r}\n".encode())
            finally:
                with contextlib.suppress(Exception):
                    sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(said)
        os.close(write)

    def poll(self) -> int | None:
        """The exit code as a shell tells it, None while it runs."""
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.ended = 128 - code if code < 0 else code
        return self.ended

    def wait_until(self, condition: Callable[[], object], limit_s: float = 120.0) -> bool:
        """Whether it still ran when `condition` came true."""
        deadline = time.monotonic() + limit_s
        while self.poll() is None:
            if condition():
                return True
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"the trainer did nothing for {limit_s:.0f} s: see {self.log}")
            time.sleep(0.0005)
        return False

    def wait(self) -> int:
        """Its exit code."""
        self.wait_until(lambda: False)
        assert self.ended is not None
        return self.ended

    def kill(self) -> None:
        """SIGKILL, and the end of it awaited."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.ended = 137

    def complaint(self) -> str:
        """What it said on stderr; once."""
        return self.stderr.read()


@dataclass
class Place:
    """Where everything happens, what a run that was never stopped looks like, and the promises that broke."""

    root: Path
    data: Path
    straight: Path
    digests: dict[int, str] = field(default_factory=dict)
    life_s: float = 0.0
    broken: list[str] = field(default_factory=list)

    def promise(self, kept: bool, otherwise: str) -> None:
        """Note a promise that was not kept."""
        if not kept:
            self.broken.append(otherwise)
            print(f"BROKEN     {otherwise}", flush=True)


def prepare(root: Path) -> Place:
    """Pictures, and the run that is never stopped, with which all others are compared: at first with a second one."""
    random = np.random.default_rng(0)
    images, labels = np.zeros((96, 12, 12), np.uint8), np.arange(96) % 2
    for image, label in zip(images, labels, strict=True):
        start, width = random.integers(0, 8), random.integers(2, 5)
        image[(slice(None), slice(start, start + width)) if label else slice(start, start + width)] = 255
    np.savez(root / "bars.npz", images=images, labels=labels)
    place, noted = Place(root, root / "bars.npz", root / "straight"), root / "digests.jsonl"
    trainer = Trainer(place, place.straight, digests=noted)
    if trainer.wait():
        raise SystemExit(f"the tiny run cannot be trained: {trainer.complaint()}")
    place.digests = dict(map(json.loads, noted.read_text().splitlines()))
    again = Trainer(place, root / "again")  # with all caches filled, as all that follow
    place.promise(again.wait() == 0, "it cannot be trained twice")
    place.life_s = time.monotonic() - again.began
    compare(place, root / "again", "a second run that was never stopped")
    return place


def digest(checkpoint: Checkpoint) -> str:
    """SHA-256 of all tensors: names, shapes, types, values."""
    found = hashlib.sha256()
    for name, tensor in sorted(checkpoint.tensors.items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        found.update(tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()


def lines(run: Path) -> list[dict[str, Any]]:
    """stats.jsonl without the clock and without the notes of resuming."""
    found = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{k: v for k, v in e.items() if k not in CLOCK} for e in found if e["event"] != "resumed"]


def report_without_times(run: Path) -> str:
    """report.html but for the run's name, how long things took, the picture of the speed, and when it was resumed."""
    page = (run / "report.html").read_text()
    timed = r"(<dt>(?:training time|training|whole command|images per second)</dt>\s*<dd>)[^<]*"
    page = re.sub(timed, r"\1", page)
    page = re.sub(r'<svg[^>]*aria-label="images per second over images seen">.*?</svg>', "", page, flags=re.DOTALL)
    page = re.sub(r"<li>(?:(?!</li>).)*<b>resumed</b>.*?</li>\s*", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", page.replace(f"run {run.name}", "run"))


def files(run: Path) -> set[str]:
    """Every file of a run, by its path within it, but those whose names tell when they were written."""
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    by_time = ("tb/", *(f"checkpoints/{path.name}/" for path in list_checkpoints(run / "checkpoints")))
    return {name for name in found if not name.startswith(by_time)}


def compare(place: Place, run: Path, what: str, *, all_files: bool = True) -> None:
    """A run that was finished by resumes against the one that was never stopped."""
    newest, problems = load_newest_checkpoint(run / "checkpoints")
    straight, _ = load_newest_checkpoint(place.straight / "checkpoints")
    assert straight is not None
    same = newest is not None and digest(newest) == digest(straight)
    place.promise(same and not problems, f"{what}: the last tensors differ {problems}")
    unlike = [pair for pair in itertools.zip_longest(lines(run), lines(place.straight)) if pair[0] != pair[1]]
    place.promise(not unlike, f"{what}: stats.jsonl differs in {len(unlike)} lines, the first: {unlike[:1]}")
    if all_files:
        differ = files(run) ^ files(place.straight)
        place.promise(not differ, f"{what}: files that only one of the runs left: {sorted(differ)}")
        for name in ("model/model.safetensors", "verdict.json", *(f for f in files(run) if f.startswith("samples/"))):
            if name not in differ:
                equal = (run / name).read_bytes() == (place.straight / name).read_bytes()
                place.promise(equal, f"{what}: {name} differs")
        if (run / "report.html").is_file():
            pages = (report_without_times(of).split(">") for of in (run, place.straight))
            unlike = [pair for pair in itertools.zip_longest(*pages) if pair[0] != pair[1]]
            place.promise(not unlike, f"{what}: report.html differs in more than times, first in {unlike[:1]}")


# --- kills -----------------------------------------------------------------------------------------------------------


def kills(place: Place, count: int, full_starts: int, rng: np.random.Generator) -> dict[str, Any]:
    """SIGKILL `count` times; each killed run goes on until it is done, then another begins."""
    phases, finished, most_lost, deaths, number = Counter[str](), 0, 0, [], 0
    run, of_this_run, reached = place.root / "run-0", 0, 0
    began, told = time.monotonic(), time.monotonic()
    while number < count or of_this_run:
        last = number >= count  # only to finish what the last kill left
        full = not last and number * full_starts // max(count, 1) != (number + 1) * full_starts // max(count, 1)
        trainer = Trainer(place, run, full=full)
        if not last and survive_until_kill(trainer, place, full, rng):
            phase = "a full start" if full else trainer.watch.phase
            trainer.kill()
            number, of_this_run = number + 1, of_this_run + 1
            phases[phase] += 1
            reached, lost = check_killed(place, run, trainer.watch, full, reached, f"kill {number} ({phase})")
            most_lost = max(most_lost, lost)
        else:
            code = trainer.wait()
            said = trainer.log.read_text() if full else trainer.complaint()
            place.promise(code == 0, f"{run.name} after kill {number} ended with {code}: {said}")
            compare(place, run, f"{run.name} after {of_this_run} kills")
            deaths.append(of_this_run)
            shutil.rmtree(run)
            finished, of_this_run, reached = finished + 1, 0, 0
            run = place.root / f"run-{finished}"
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"kills      {number} of {count}, {finished} runs finished, {dict(phases)}", flush=True)
    return {
        "kills": number,
        "full_starts": phases["a full start"],
        "moments": dict(phases),
        "runs_finished": finished,
        "most_kills_of_one_run": max(deaths, default=0),
        "most_images_lost": most_lost,
        "save_interval_images": EVERY,
        "seconds": round(time.monotonic() - began, 1),
    }


def kill_one_run(place: Place, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """SIGKILL one run so many times all along its way; then it goes on to its end."""
    run, reached, at = place.root / "often", 0, []
    while len(at) < count:
        trainer = Trainer(place, run)
        # Every other time far enough to pass the next checkpoint, so that the run gets on, but not to its end.
        target = min(IMAGES, reached + int(rng.integers(EVERY)) + len(at) % 2 * EVERY * 3 // 4)
        if trainer.wait_until(lambda t=trainer, n=target: t.watch["images"] >= n) and delayed(
            trainer, rng.uniform(0, 0.1)
        ):
            trainer.kill()
            at.append(trainer.watch["images"])
            what = f"kill {len(at)} of one run"
            reached, _ = check_killed(place, run, trainer.watch, False, reached, what)
        else:
            place.promise(False, f"the run ended before its kill {len(at) + 1}: {trainer.complaint()}")
            break
    trainer = Trainer(place, run)
    place.promise(trainer.wait() == 0, f"after {count} kills the run did not end well: {trainer.complaint()}")
    compare(place, run, f"one run after {len(at)} kills")
    return {"kills": len(at), "at_images": at}


def survive_until_kill(trainer: Trainer, place: Place, full: bool, rng: np.random.Generator) -> bool:
    """Wait for a moment, of the whole life or aimed at a part of it. False if the life ended before."""
    watch, aim = trainer.watch, rng.random()
    if full:
        return delayed(trainer, rng.uniform(0, 5 + place.life_s))
    if aim < 0.45:
        return delayed(trainer, rng.uniform(0, 1.1 * place.life_s))
    if aim < 0.55:
        return delayed(trainer, rng.uniform(0, 0.4))  # starting or resuming
    for name, until, longest_s in (("saving", 0.75, 0.02), ("drawing", 0.85, 0.004)):
        if aim < until:
            for _ in range(int(rng.integers(8))):
                over = trainer.wait_until(lambda n=name: watch[n]) and trainer.wait_until(lambda n=name: not watch[n])
                if not over:
                    return False
            return trainer.wait_until(lambda n=name: watch[n]) and delayed(trainer, rng.uniform(0, longest_s))
    return trainer.wait_until(lambda: watch["images"] >= IMAGES) and delayed(trainer, rng.uniform(0, 0.5))


def delayed(trainer: Trainer, seconds: float) -> bool:
    """Whether it still runs so many seconds later."""
    end = time.monotonic() + seconds
    return trainer.wait_until(lambda: time.monotonic() >= end)


def check_killed(place: Place, run: Path, watch: Watch, full: bool, before: int, what: str) -> tuple[int, int]:
    """What a kill left. Returns the images of the newest checkpoint, and how many images of work are lost."""
    whole, folder = [], run / "checkpoints"
    if before and not any(path.name >= thousands(before) for path in list_checkpoints(folder)):
        # Killed as it put a checkpoint in the place of the same moment's: the next start finds the new one complete.
        sweep(folder, locked=True)
    for path in list_checkpoints(folder):
        try:
            found = load_checkpoint(path)
        except GanvasError as error:
            place.promise(False, f"{what}: a checkpoint that claims to be whole is not: {error}")
            continue
        whole.append(found.counters["images"])
        place.promise(digest(found) == place.digests.get(whole[-1]), f"{what}: {path.name} is not what it should be")
    newest = max(whole, default=0)
    place.promise(newest >= before, f"{what}: the newest checkpoint was {before} and is {newest}")
    place.promise(len(whole) >= min(2, math.ceil(newest / EVERY)), f"{what}: only {whole} are there")
    if full or watch["images"] < 0:
        return newest, 0
    # What was being written when the kill came may be lost as well, and nothing before it.
    allowed = EVERY + (watch["begun"] - watch["before"] if newest < watch["begun"] else 0)
    lost = watch["images"] - newest
    place.promise(lost <= allowed, f"{what}: {lost} images lost, {allowed} may be")
    return newest, max(lost, 0)


# --- signals ---------------------------------------------------------------------------------------------------------


def stops(place: Place, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """SIGTERM, SIGINT and SIGUSR1 in turn: exit code, a checkpoint of the very last step, in time; then it goes on."""
    codes = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 143}
    sent, slowest, before_training = Counter[str](), 0.0, 0
    for number in range(count):
        run, chosen = place.root / "stopped", list(codes)[number % 3]
        while True:
            shutil.rmtree(run, ignore_errors=True)
            trainer = Trainer(place, run)
            if delayed(trainer, rng.uniform(0, place.life_s)):
                break  # else it was done before its moment came: once more
        heard = trainer.watch["stoppable"]
        os.kill(trainer.pid, chosen)
        asked = time.monotonic()
        code, took_s = trainer.wait(), time.monotonic() - asked
        what = f"{chosen.name} {number}"
        sent[chosen.name] += 1
        slowest = max(slowest, took_s)
        place.promise(took_s <= STOP_LIMIT_S, f"{what}: {took_s:.1f} s")
        complaint = trainer.complaint()
        place.promise("Traceback" not in complaint, f"{what}: {complaint}")
        if heard:
            newest, problems = load_newest_checkpoint(run / "checkpoints")
            facts = json.loads((run / "run.json").read_text())
            too_late = code == 0 and facts["ended"] == "done"  # it came when everything was written
            place.promise(code == codes[chosen] or too_late, f"{what}: exit code {code}, not {codes[chosen]}")
            kept = newest is not None and newest.counters["images"] == facts["images_seen"] and not problems
            place.promise(kept, f"{what}: the newest checkpoint is not that of the last step")
            place.promise((run / "report.html").is_file() and (run / "verdict.json").is_file(), f"{what}: no report")
        else:
            before_training += 1  # nothing to save yet: the signal ends the process as it always does
        again = Trainer(place, run)
        place.promise(again.wait() == 0, f"{what}: it does not go on: {again.complaint()}")
        compare(place, run, what, all_files=False)
    shutil.rmtree(place.root / "stopped", ignore_errors=True)
    return {
        "signals": dict(sent),
        "before_training_began": before_training,
        "slowest_s": round(slowest, 2),
        "limit_s": STOP_LIMIT_S,
    }


# --- disks -----------------------------------------------------------------------------------------------------------


def half_done(place: Place) -> Path:
    """A run that was killed on its way, with checkpoints, to make copies of."""
    run = place.root / "half"
    trainer = Trainer(place, run)
    if not trainer.wait_until(lambda: trainer.watch["images"] >= IMAGES // 2):
        raise SystemExit(f"the tiny run ended too soon: {trainer.complaint()}")
    trainer.kill()
    return run


def full_disks(place: Place, half: Path, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """No file can grow beyond a random number of bytes: the old checkpoint stays, and one clear line is said."""
    size = max(path.stat().st_size for path in half.rglob("*.safetensors"))
    outcomes = Counter[str]()
    for number in range(count):
        run, limit = place.root / "starved", int(rng.integers(0, size))
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(half, run)
        before = digests_of(run)
        # Beyond the limit a write raises "File too large"; Python ignores the signal that would come with it.
        trainer = Trainer(
            place, run, first=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        )
        code, complaint = trainer.wait(), trainer.complaint()
        what = f"disk full at {limit} bytes"
        outcomes["training went on to the end" if "go on with --resume" in complaint else "refused at once"] += 1
        # One that was complete and not yet in its place when the run was killed may have come to the old ones.
        place.promise(before[-1] in digests_of(run), f"{what}: the newest checkpoint is lost")
        clear = code == 1 and complaint.count("\n") == 1 and complaint.startswith("ganvas: ")
        place.promise(clear, f"{what}: exit code {code}, said: {complaint}")
        if number % 10 == 0:
            again = Trainer(place, run)
            place.promise(again.wait() == 0, f"{what}: with room again it does not go on: {again.complaint()}")
            compare(place, run, what, all_files=False)
    shutil.rmtree(place.root / "starved", ignore_errors=True)
    return {"limits": count, "up_to_bytes": size, "outcomes": dict(outcomes)}


def read_only(place: Place, half: Path) -> dict[str, Any]:
    """A run's folder, or only its checkpoints, that this user may not write."""
    how = "by its mode, for a process without any capability" if os.geteuid() == 0 else "by its mode"
    run, found = place.root / "sealed", {}
    for name, sealed in (("the whole folder", "."), ("the checkpoints", "checkpoints")):
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(half, run)
        before = digests_of(run)
        for path in (run / sealed, *(run / sealed).rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        trainer = Trainer(place, run, first=drop_powers)
        code, complaint = trainer.wait(), trainer.complaint()
        place.promise(digests_of(run) == before, f"{name} read-only: an old checkpoint changed")
        clear = code == 1 and complaint.count("\n") == 1 and complaint.startswith("ganvas: ")
        place.promise(clear, f"{name} read-only: exit code {code}, said: {complaint}")
        found[name] = complaint.replace(str(place.root), "").strip()
        for path in (run, *run.rglob("*")):
            path.chmod(0o755)
    shutil.rmtree(run)
    return {"how": how, "said": found}


def digests_of(run: Path) -> list[str]:
    """What the checkpoints of a run hold, oldest first. Raises GanvasError if one is not whole."""
    return [digest(load_checkpoint(path)) for path in list_checkpoints(run / "checkpoints")]


def drop_powers() -> None:
    """The superuser's process gives up what lets it write where modes forbid."""
    if os.geteuid() == 0:
        header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)  # see capset(2)
        if ctypes.CDLL(None, use_errno=True).capset(header, none):
            raise OSError(ctypes.get_errno(), "capset")


# --- the rest --------------------------------------------------------------------------------------------------------


def damages(place: Place, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """The newest of two checkpoints is damaged: the one before is used, and one line names what is damaged."""
    kinds, names = Counter[str](), list(DAMAGES)
    sound = place.root / "sound"
    for images in (1000, 2000):
        tensors = {name: torch.full((40,), float(images)) for name in ("G.weight", "D.weight")}
        save_checkpoint(sound, Checkpoint(tensors, {"images": images, "step": images // 8, "seconds": 1.5}))
    for number in range(count):
        folder, kind = place.root / "damaged", names[number % len(names)]
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        file = DAMAGES[kind](folder / "000002", folder / "000001", rng)
        kinds[kind] += 1
        found, problems = load_newest_checkpoint(folder)
        used = found is not None and found.counters["images"] == 1000 and found.tensors["G.weight"][0] == 1000
        place.promise(used, f"damage {number} ({kind}): the checkpoint before is not used")
        named = len(problems) == 1 and "000002" in problems[0] and file in problems[0] and "\n" not in problems[0]
        place.promise(named, f"damage {number} ({kind}): {file} is not named: {problems}")
    return {"damages": count, "kinds": dict(kinds)}


def two_processes(place: Place, count: int) -> dict[str, Any]:
    """A second process on the folder of a run that is being trained is refused in time and changes nothing."""
    slowest, said = 0.0, ""
    for number in range(count):
        run = place.root / "shared"
        shutil.rmtree(run, ignore_errors=True)
        first = Trainer(place, run)
        until = (number % 4) * IMAGES // 8
        if not first.wait_until(lambda first=first, until=until: first.watch["images"] >= until):
            raise SystemExit(f"the tiny run ended too soon: {first.complaint()}")
        second = Trainer(place, run)
        code, took_s = second.wait(), time.monotonic() - second.began
        said, slowest = second.complaint(), max(slowest, took_s)
        told = f"is being trained by process {first.pid} on {platform.node()} since " in said and said.count("\n") == 1
        place.promise(code == 1 and told, f"second process {number}: exit code {code}, said: {said}")
        place.promise(took_s <= REFUSAL_LIMIT_S, f"second process {number}: refused after {took_s:.1f} s")
        place.promise(first.wait() == 0, f"second process {number}: the first did not end well: {first.complaint()}")
        compare(place, run, f"second process {number}")
    return {"tries": count, "slowest_refusal_s": round(slowest, 2), "said": said.replace(str(place.root), "").strip()}


def stall(place: Place, megabytes: Iterable[int] = (10, 100, 400)) -> list[dict[str, float]]:
    """How long training stands still for a checkpoint: written at once against copied now and written behind it."""
    found = []
    for size in megabytes:
        tensors = {f"layer.{i}": torch.zeros(size * 25_000) for i in range(10)}
        at_once, behind, folder = [], [], place.root / "stall"
        with Saver(folder, on_problem=print) as saver:
            for round_ in range(5):
                checkpoint = Checkpoint(tensors, {"images": 2000 * round_ + 1000})
                began = time.monotonic()
                save_checkpoint(folder, checkpoint)
                at_once.append(time.monotonic() - began)
                checkpoint = Checkpoint(tensors, {"images": 2000 * round_ + 2000})
                began = time.monotonic()
                saver.save(checkpoint)
                behind.append(time.monotonic() - began)
                saver.wait()
        shutil.rmtree(folder)
        middle = [round(sorted(times)[2], 4) for times in (at_once, behind)]
        found.append({"megabytes": size, "at_once_s": middle[0], "behind_s": middle[1]})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--full-starts", type=int, default=50, help="how many of the kills hit a full start")
    parser.add_argument("--of-one-run", type=int, default=20, help="further kills, all of the same run")
    parser.add_argument("--stops", type=int, default=60)
    parser.add_argument("--disks", type=int, default=50)
    parser.add_argument("--damages", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=8, help="second processes on one folder")
    parser.add_argument("--no-stall", action="store_true", help="leave out the times of saving")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1)])  # the first optimiser loads half of torch: here, and not in every fork
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="survival-") as folder:
        root = Path(folder)
        os.environ["GANVAS_CACHE"] = str(root / "cache")
        place = prepare(root)
        print(f"a life     {place.life_s:.1f} s", flush=True)
        rng = [np.random.default_rng((given.seed, share)) for share in range(5)]
        shares: dict[str, Any] = {"kills": kills(place, given.kills, given.full_starts, rng[0])}
        shares["one_run"] = kill_one_run(place, given.of_one_run, rng[4])
        shares["stops"] = stops(place, given.stops, rng[1])
        half = half_done(place)
        shares["full_disks"] = full_disks(place, half, given.disks, rng[2])
        shares["read_only"] = read_only(place, half)
        shares["damages"] = damages(place, given.damages, rng[3])
        shares["two_processes"] = two_processes(place, given.pairs)
        if not given.no_stall:
            shares["stall"] = stall(place)
    found = {
        "command": f"python benchmarks/survival.py {' '.join(sys.argv[1:])}",
        "versions": {"ganvas": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, one thread",
        "life_of_the_run_s": round(place.life_s, 2),
        **shares,
        "broken": place.broken,
        "seconds": round(time.monotonic() - began, 1),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    sys.exit(1 if place.broken else 0)


if __name__ == "__main__":
    main()
