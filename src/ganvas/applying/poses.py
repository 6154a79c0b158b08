"""Keypoint files as inputs: each picture that they name is drawn from its points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ganvas.applying.contract import Paints
from ganvas.applying.inputs import Job, check_stems
from ganvas.applying.reading import Facts, Read
from ganvas.data.decode import PictureError
from ganvas.data.keypoints.heat_maps import inside
from ganvas.data.keypoints.keypoint_files import Keypoints, Pose, read_keypoints
from ganvas.errors import UsageError
from ganvas.picture_model import PictureModel

SUFFIXES = (".json", ".csv", ".tsv", ".txt")


def find_poses(inputs: Sequence[Path], known: Sequence[str]) -> tuple[list[Job], list[str]]:
    """A job for each picture that keypoint files name, its points by their places in `known`, and notes.

    Raises UsageError for other files, and for points that the model does not know; GanvasError for damaged files.
    """
    if not inputs:
        raise UsageError("no points were given: give a keypoint file, COCO's JSON or CSV with file,name,x,y")
    jobs: list[Job] = []
    notes: list[str] = []
    for path in dict.fromkeys(inputs):
        if path.is_dir() or path.suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"{path}: this model draws from points: give a keypoint file, COCO's JSON or CSV with file,name,x,y"
            )
        found = read_keypoints(path)
        jobs += [Job(path, _stem(pose), pose=pose) for pose in _as_known(found, known)]
        if found.empty:
            notes.append(f"{path}: {len(found.empty)} pictures without points are left out ({found.empty[0]})")
    check_stems(jobs)
    return jobs, notes


def draw_points(job: Job, model: Paints) -> Read:
    """The heat maps of one job, at the model's resolution, in place of a picture. Raises PictureError."""
    assert isinstance(model, PictureModel), "only such a model knows points"
    assert job.pose is not None, "it was made of a pose"
    names, size = model.config.keypoints, job.pose.size or model.config.resolution
    points = inside(job.pose.points, size)
    if not points:
        hint = "" if job.pose.size else " (the model's resolution: add the columns width and height for another)"
        raise PictureError(job.name, f"none of its points lies in {size[1]}x{size[0]} pixels{hint}")
    left_out = len(job.pose.points) - len(points)
    notes = (f"{left_out} points outside of {size[1]}x{size[0]} pixels are left out",) if left_out else ()
    by_name: dict[str, list[tuple[float, float]]] = {}
    for place, x, y in points:
        by_name.setdefault(names[place], []).append((x, y))
    return Read(model.heat_maps(by_name, size), None, Facts(), job.sha256(), notes)


def _as_known(found: Keypoints, known: Sequence[str]) -> list[Pose]:
    used = {place for pose in found.poses for place, _, _ in pose.points}
    unknown = [found.names[place] for place in sorted(used) if found.names[place] not in known]
    if unknown:
        shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        raise UsageError(
            f"{found.where} has points named {unknown[0]}, which this model does not know: it knows {shown}"
        )
    return [
        Pose(pose.file, pose.size, [(known.index(found.names[place]), x, y) for place, x, y in pose.points])
        for pose in found.poses
    ]


def _stem(pose: Pose) -> str:
    return PurePosixPath(pose.file).with_suffix("").as_posix()
