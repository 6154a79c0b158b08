"""Which files are to be painted, and where each result goes; all that can be refused is refused before any work."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganvas.data.decode import SUFFIXES
from ganvas.data.keypoints.keypoint_files import Pose
from ganvas.data.labels import natural_sorted
from ganvas.data.video.source import is_video
from ganvas.errors import GanvasError, UsageError
from ganvas.hashing import sha256_of

SINGLE = (".png", ".tif", ".tiff", ".mp4", ".mkv")  # of --out where it names one file


@dataclass(frozen=True)
class Job:
    """One file, or the points of one picture in a file.

    stem: of its result, with folders, relative to the folder of results. mask: where there is one.
    """

    source: Path
    stem: str
    mask: Path | None = None
    pose: Pose | None = None

    @property
    def is_video(self) -> bool:
        return is_video(self.source)

    @property
    def name(self) -> str:
        return str(self.source) if self.pose is None else f"{self.pose.file} of {self.source}"

    def sha256(self) -> str:
        """Of the file, or of the points. Raises OSError."""
        if self.pose is None:
            return sha256_of(self.source)
        return hashlib.sha256(json.dumps([self.pose.size, self.pose.points]).encode()).hexdigest()


def find_jobs(inputs: Sequence[Path], out: Path, mask: Path | None) -> list[Job]:
    """All files of `inputs` in order; folders with what is in them, sorted. Raises UsageError and GanvasError."""
    if not inputs:
        raise UsageError("no pictures were given: give files or folders")
    jobs: list[Job] = []
    for given in _unfolded(inputs):
        if given.is_dir():
            jobs += _in_folder(given, out)
        elif given.exists():
            jobs.append(Job(given, given.stem))
        else:
            raise UsageError(f"there is no file {given}: give pictures, videos or folders")
    jobs = list({job.source.resolve(): job for job in reversed(jobs)}.values())[::-1]  # each once
    check_stems(jobs)
    if mask is not None:
        jobs = [Job(job.source, job.stem, _mask_of(job, mask)) for job in jobs]
    return jobs


def single_file(out: Path, jobs: Sequence[Job]) -> bool:
    """Whether `out` names one file. Raises UsageError if that cannot be."""
    if out.suffix.lower() not in SINGLE or out.is_dir():
        return False
    if len(jobs) != 1:
        raise UsageError(f"--out {out} is one file, but there are {len(jobs)} pictures: give a folder")
    if jobs[0].is_video != (out.suffix.lower() in (".mp4", ".mkv")):
        fitting = ".mp4 or .mkv" if jobs[0].is_video else ".png or .tif"
        raise UsageError(f"--out {out}: the result of {jobs[0].name} is written as {fitting}")
    return True


def _unfolded(inputs: Sequence[Path]) -> list[Path]:
    """With patterns such as *.jpg, where the shell left them, as what they match."""
    found: list[Path] = []
    for given in inputs:
        if not given.exists() and glob.has_magic(str(given)):
            matches = natural_sorted(glob.glob(str(given), recursive=True))
            if not matches:
                raise UsageError(f"no file matches {given}")
            found += map(Path, matches)
        else:
            found.append(given)
    return found


def _in_folder(folder: Path, out: Path) -> list[Job]:
    """Pictures and videos below a folder, but nothing hidden. Raises GanvasError if there are none."""
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--out {out} lies in {folder}, whose pictures are read: give a folder outside it")
    names: list[str] = []
    for where, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(where).relative_to(folder)
        shown = (Path(file) for file in files if not file.startswith("."))
        names += [(below / file).as_posix() for file in shown if is_video(file) or _suffix(file.name) in SUFFIXES]
    if not names:
        raise GanvasError(f"{folder} holds no pictures and no videos")
    return [Job(folder / name, Path(name).with_suffix("").as_posix()) for name in natural_sorted(names)]


def check_stems(jobs: Sequence[Job]) -> None:
    """Refuse two results of one name; upper and lower case are one, as on many systems."""
    first: dict[str, Job] = {}
    for job in jobs:
        other = first.setdefault(job.stem.casefold(), job)
        if other is not job:
            raise UsageError(
                f"{other.name} and {job.name} would both be written as {job.stem}: rename one, or apply in two calls "
                "with different --out"
            )


def _mask_of(job: Job, mask: Path) -> Path:
    """The mask itself, or of a folder that with the stem of the picture. Raises UsageError."""
    if not mask.exists():
        raise UsageError(f"--mask {mask}: there is no such file or folder")
    if not mask.is_dir():
        return mask
    place = mask / job.stem
    found = [
        file for file in sorted(place.parent.glob("*")) if file.stem == place.name and _suffix(file.name) in SUFFIXES
    ]
    if len(found) == 1:
        return found[0]
    what = "no mask" if not found else f"{len(found)} masks"
    raise UsageError(f"--mask {mask} holds {what} named {job.stem} for {job.name}: give one each")


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
