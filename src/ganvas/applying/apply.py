"""`ganvas apply`: a trained network over files, each read, painted and written on its own, and what became of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from filelock import FileLock, Timeout

from ganvas.applying import video, writing
from ganvas.applying.chain import Chain
from ganvas.applying.contract import check_mask as check_mask_given
from ganvas.applying.inputs import Job, find_jobs, single_file
from ganvas.applying.painting import Mask
from ganvas.applying.poses import draw_points, find_poses
from ganvas.applying.reading import Read, check_mask, for_model, read, read_mask
from ganvas.applying.record import Record, options_hash
from ganvas.data.cache import locks_folder, sweep, temporary_beside
from ganvas.data.decode import PictureError
from ganvas.errors import GanvasError, UsageError
from ganvas.hashing import sha256_of
from ganvas.images import Integers
from ganvas.progress import rated_bar
from ganvas.version import __version__


@dataclass
class Applied:
    """What became of the inputs. failed: name and reason. filmed: by name, what is known of each video."""

    written: list[Path] = field(default_factory=list)
    there_already: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    filmed: dict[str, video.Filmed] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "schema": 1,
            "written": [str(path) for path in self.written],
            "there_already": self.there_already,
            "failed": [{"input": name, "reason": reason} for name, reason in self.failed],
            "notes": self.notes,
            "videos": {name: filmed.to_json() for name, filmed in self.filmed.items()},
        }


@dataclass(frozen=True)
class _Ready:
    """A picture read and checked, and where its result goes."""

    job: Job
    picture: Read
    mask: Mask | None
    target: Path


def apply_to_files(
    chain: Chain,
    inputs: Sequence[Path],
    out: Path,
    *,
    mask: Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Applied:
    """Every file and every folder of `inputs` through `chain` into the folder or file `out`.

    A file that cannot be used is left out and named in the answer. What is there already is neither done again, if it
    is of the same model, input and options, nor overwritten unless so asked. Raises UsageError and GanvasError, before
    anything is written, for what concerns all of them.
    """
    check_mask_given(chain.models, mask is not None)
    jobs, notes = _jobs(chain, inputs, out, mask)
    as_file = single_file(out, jobs)
    folder = out.absolute().parent if as_file else out
    with _alone(folder):
        work = _Work(chain, out if as_file else None, folder, jobs)
        work.applied.notes += notes
        todo = work.unfinished(jobs, overwrite)
        with rated_bar(quiet=quiet) as show:
            work.run(todo, show)
    return work.applied


def _jobs(chain: Chain, inputs: Sequence[Path], out: Path, mask: Path | None) -> tuple[list[Job], list[str]]:
    """What is to be done, and notes."""
    known = chain.models[0].config.keypoints
    return find_poses(inputs, known) if known else (find_jobs(inputs, out, mask), [])


class _Work:
    """One call of `apply_to_files`."""

    def __init__(self, chain: Chain, single: Path | None, folder: Path, jobs: Sequence[Job]) -> None:
        self._chain, self._single, self._folder = chain, single, folder
        self._record = Record(folder) if single is None else None
        self._show: Callable[[str, int, int, str], None] = lambda _what, _done, _of, _unit: None
        self._hashes: dict[Path, str] = {}  # of masks
        self.applied = Applied()
        for place in {self._place(job, ".png").parent for job in jobs}:
            sweep(place)

    def unfinished(self, jobs: Sequence[Job], overwrite: bool) -> list[Job]:
        """What is still to be done. Raises UsageError where files would be overwritten."""
        todo, in_the_way = [], []
        sources = {job.source.resolve() for job in jobs}
        for job in jobs:
            suffixes = (".mp4", ".mkv") if job.is_video else (".png", ".tif")
            there = [place for suffix in suffixes if (place := self._place(job, suffix)).exists()]
            if any(place.resolve() in sources for place in there):
                raise UsageError(f"{there[0]} is read and would be written: give another --out")
            if self._record is not None and any(self._is_done(job, place) for place in there):
                self.applied.there_already += 1
                continue
            todo.append(job)
            in_the_way += there[:1]
        if in_the_way and not overwrite:
            more = f" and {len(in_the_way) - 1} more" if len(in_the_way) > 1 else ""
            raise UsageError(
                f"{in_the_way[0]}{more} would be overwritten, which this model did not make of this input: "
                "give --overwrite, or another --out"
            )
        return todo

    def run(self, jobs: Sequence[Job], show: Callable[[str, int, int, str], None]) -> None:
        """Do them in order; pictures of one size that follow each other together, as far as --batch says."""
        self._show, group = show, list[_Ready]()
        for number, job in enumerate(jobs):
            show("applying", number, len(jobs), "files")
            with self._named(job):
                if job.is_video:
                    self._film(job)
                    continue
                ready = self._read(job)
                shape = ready.picture.colour.shape
                if self._chain.at_once(*shape[:2]) == 1:
                    self._paint_rows(ready)
                    continue
                if group and (group[0].picture.colour.shape, group[0].picture.bits) != (shape, ready.picture.bits):
                    self._paint_together(group)
                    group = []
                group.append(ready)
                if len(group) >= self._chain.at_once(*shape[:2]):
                    self._paint_together(group)
                    group = []
        if group:
            self._paint_together(group)

    @contextmanager
    def _named(self, job: Job) -> Iterator[None]:
        """What goes wrong with one file is noted; the others go on. A disk that takes nothing more ends it all."""
        try:
            yield
        except UsageError:
            raise
        except GanvasError as error:
            reason = error.reason if isinstance(error, PictureError) else str(error)
            self.applied.failed.append((job.name, reason))

    def _read(self, job: Job) -> _Ready:
        """Read and check a picture and its mask, or draw heat maps. Raises PictureError."""
        if job.pose is not None:
            drawn = draw_points(job, self._chain.models[0])
            self.applied.notes += [f"{job.name}: {note}" for note in drawn.notes]
            return _Ready(job, drawn, None, self._place(job, ".png"))
        try:
            picture = read(job.source, job.name)
        except OSError as error:
            raise PictureError(job.name, f"cannot be read ({error.strerror or error})") from error
        mask = self._mask(job)
        height, width = picture.colour.shape[:2]
        if mask is not None:
            check_mask(mask, height, width, str(job.mask), job.name)
        self.applied.notes += [f"{job.name}: {note}" for note in picture.notes]
        picture = for_model(picture, self._chain.models[0], job.name)
        if picture.alpha is not None and self._chain.channels == 4:
            self.applied.notes.append(f"{job.name}: its alpha is replaced by the one that the model paints")
            picture = replace(picture, alpha=None)
        suffix = writing.suffix_for(height * self._chain.scale, width * self._chain.scale)
        return _Ready(job, picture, mask, self._place(job, suffix))

    def _mask(self, job: Job) -> Mask | None:
        """What is to be filled. Raises PictureError."""
        if job.mask is None:
            return None
        try:
            return read_mask(job.mask, f"its mask {job.mask}")
        except OSError as error:
            raise PictureError(job.name, f"its mask {job.mask} cannot be read ({error.strerror or error})") from error
        except PictureError as error:
            raise PictureError(job.name, str(error)) from error

    def _paint_rows(self, ready: _Ready) -> None:
        """A picture by itself, in tiles where it must be, written as it is painted."""

        def show(done: int, of: int) -> None:
            if of > 1:
                self._show(ready.job.source.name, done, of, "tiles")

        self._write(ready, self._chain.rows(ready.picture.colour, ready.picture.bits, ready.mask, show))

    def _paint_together(self, group: Sequence[_Ready]) -> None:
        pictures = cast(Integers, np.stack([ready.picture.colour for ready in group]))
        try:
            painted = self._chain.together(pictures, group[0].picture.bits)
        except UsageError:
            raise
        except GanvasError as error:
            self.applied.failed += [(ready.job.name, str(error)) for ready in group]
            return
        for ready, one in zip(group, painted, strict=True):
            self._write(ready, iter([one]))

    def _write(self, ready: _Ready, rows: Iterator[Integers]) -> None:
        picture, channels, scale = ready.picture, self._chain.channels, self._chain.scale
        if picture.alpha is not None:
            rows, channels = writing.with_alpha(rows, picture.alpha, scale), channels + 1
        shape = (picture.colour.shape[0] * scale, picture.colour.shape[1] * scale, channels)
        with self._partial(ready.target) as partial:
            writing.write(partial, ready.target.suffix, rows, shape, picture.bits, picture.facts, self._provenance())
            self._finish(ready.job, ready.target, partial, picture.sha256)

    def _film(self, job: Job) -> None:
        suffix = video.suffix_for(job.source, job.name)
        if self._single is not None and suffix == ".mkv" and self._single.suffix.lower() == ".mp4":
            raise PictureError(job.name, "its sound cannot be kept in .mp4: give --out with .mkv, or a folder")
        target = self._place(job, suffix)
        mask = self._mask(job)
        with self._partial(target) as partial:
            filmed = video.film(
                self._chain,
                job,
                partial,
                target.suffix,
                mask,
                lambda done, of: self._show(job.source.name, done, of, "frames"),
            )
            self._finish(job, target, partial, job.sha256(), **filmed.to_json())
        self.applied.filmed[job.name] = filmed
        self.applied.notes += [f"{job.name}: {note}" for note in filmed.notes]

    @contextmanager
    def _partial(self, target: Path) -> Iterator[Path]:
        """A name to write under; it is gone afterwards, whatever happens."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = temporary_beside(target)
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    def _finish(self, job: Job, target: Path, partial: Path, sha256: str, **more: Any) -> None:
        if self._record is not None:
            self._record.add(self._key(target), self._made_of(job, sha256), partial, **more)
        os.replace(partial, target)
        self.applied.written.append(target)

    def _place(self, job: Job, suffix: str) -> Path:
        return self._single or self._folder / f"{job.stem}{suffix}"

    def _key(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()

    def _is_done(self, job: Job, place: Path) -> bool:
        assert self._record is not None, "only folders have one"
        try:
            return self._record.is_done(self._key(place), self._made_of(job, job.sha256()))
        except OSError:  # reading it will say so
            return False

    def _made_of(self, job: Job, sha256: str) -> dict[str, Any]:
        """What decides on a result."""
        chain, mask = self._chain, None
        if job.mask is not None:
            mask = self._hashes.setdefault(job.mask, sha256_of(job.mask))
        directions = [model.config.direction for model in chain.models]
        return {
            "input": sha256,
            "mask": mask,
            "models": [model.hash for model in chain.models],
            "options": options_hash({"class": chain.class_name, "tile": chain.tile, "directions": directions}),
        }

    def _provenance(self) -> dict[str, str]:
        """What a picture tells of its origin."""
        hashes = ",".join(model.hash for model in self._chain.models)
        return {"software": f"ganvas {__version__}", "synthetic": "true", "model_sha256": hashes}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of several calls that write to one folder, one does. Raises GanvasError in the others."""
    locks_folder().mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    lock = FileLock(locks_folder() / f"apply-{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise GanvasError(
            f"another `ganvas apply` is writing to {folder}: wait for it, or give another --out"
        ) from error
    try:
        yield
    finally:
        lock.release()
