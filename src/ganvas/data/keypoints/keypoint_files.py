"""Files that say where points lie in pictures: COCO's keypoints as JSON, or a table with a row for each point.

| file   | expected                                                                                     |
|--------|----------------------------------------------------------------------------------------------|
| .json  | {"images": [{"id", "file_name", "width", "height"}], "annotations": [{"image_id",            |
|        | "category_id", "keypoints": [x, y, v, ...]}], "categories": [{"id", "keypoints": [names]}]}  |
| others | CSV with the columns file, name, x, y, and width, height where the pictures' size is known   |

x, y: pixels of the upright picture, counted from 0 at its left and upper edge. A picture may have several points of a
name (several people). COCO's v of 0 means that a point is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganvas.data.files.text_tables import Cell, cell_text, is_number, read_csv
from ganvas.data.labels import natural_sorted
from ganvas.errors import GanvasError, UsageError

LARGEST_FILE = 1 << 30  # bytes
MOST_NAMES = 256
COLUMNS = {
    "file": ("file", "file_name", "filename", "image", "path"),
    "name": ("name", "keypoint", "point", "label"),
    "x": ("x",),
    "y": ("y",),
}

Point = tuple[int, float, float]  # place in the names, x, y
Size = tuple[int, int]  # height, width


@dataclass
class Pose:
    """The points of one picture. file: as it is named, with forward slashes. size: of the picture, where it is told."""

    file: str
    size: Size | None = None
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True)
class Keypoints:
    """What a keypoint file says. names: the kinds of points. empty: files that are named without points."""

    where: str
    names: tuple[str, ...]
    poses: tuple[Pose, ...]
    empty: tuple[str, ...]


def read_keypoints(path: Path) -> Keypoints:
    """All points of a file. Raises UsageError if it cannot be read, GanvasError if it is no such file."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise GanvasError(f"{path} has more than 1 GiB: split it")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"keypoint file {path} cannot be read ({error.strerror or error})") from error
    names, poses = _of_coco(content, path) if path.suffix.lower() == ".json" else _of_table(content, path)
    if not 0 < len(names) <= MOST_NAMES:
        raise GanvasError(f"{path} names {len(names)} kinds of points: expected 1 to {MOST_NAMES}")
    with_points = tuple(pose for pose in poses if pose.points)
    if not with_points:
        raise GanvasError(f"{path} has no points: expected COCO keypoints, or a table with the columns file,name,x,y")
    return Keypoints(str(path), tuple(names), with_points, tuple(pose.file for pose in poses if not pose.points))


def _of_coco(content: bytes, path: Path) -> tuple[list[str], list[Pose]]:
    try:
        found = json.loads(content)
        names: list[str] = []
        of_category: dict[Any, list[int]] = {}
        for category in found["categories"]:
            own = [str(name) for name in category.get("keypoints", ())]
            names += [name for name in own if name not in names]
            of_category[category["id"]] = [names.index(name) for name in own]
        poses = {
            image["id"]: Pose(
                _file(str(image["file_name"]), path), _size(image.get("height"), image.get("width"), path)
            )
            for image in found["images"]
        }
        for annotation in found["annotations"]:
            given, places = annotation.get("keypoints"), of_category.get(annotation["category_id"], [])
            if not given or not places:
                continue
            if len(given) != 3 * len(places):
                raise GanvasError(
                    f"{path}: annotation {annotation.get('id')} has {len(given)} numbers for {len(places)} keypoints: "
                    "expected x, y and v for each"
                )
            triples = zip(places, given[::3], given[1::3], given[2::3], strict=True)
            poses[annotation["image_id"]].points += [
                (place, *_place(x, y, f"{path}: annotation {annotation.get('id')}"))
                for place, x, y, visible in triples
                if visible
            ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GanvasError(
            f"{path} is not as expected: write COCO keypoints, with images, annotations and categories "
            f"({type(error).__name__}: {error})"
        ) from error
    return names, list(poses.values())


def _of_table(content: bytes, path: Path) -> tuple[list[str], list[Pose]]:
    table = read_csv(content, str(path))
    by_name = {name.casefold(): cells for name, cells in table.columns.items()}
    chosen = {what: next((by_name[name] for name in names if name in by_name), None) for what, names in COLUMNS.items()}
    missing = [what for what, cells in chosen.items() if cells is None]
    if missing:
        raise GanvasError(f"{path} has no column {', '.join(missing)}: expected a table with file,name,x,y")
    files, kinds, xs, ys = ([_text(cell) for cell in chosen[what] or ()] for what in COLUMNS)
    names = natural_sorted(set(kinds) - {""})
    place = {name: i for i, name in enumerate(names)}
    poses: dict[str, Pose] = {}
    rows = zip(files, kinds, xs, ys, _sizes(by_name, len(files), path), strict=True)
    for number, (file, name, x, y, size) in enumerate(rows, start=1):
        if not file or not name or not x or not y:
            raise GanvasError(f"{path}: row {number} lacks a file, name, x or y: expected all four")
        pose = poses.setdefault(file, Pose(_file(file, path), size))
        if pose.size != size:
            raise GanvasError(f"{path}: row {number} gives {file} another size than a row before it: leave one")
        pose.points.append((place[name], *_place(x, y, f"{path}: row {number}")))
    return names, list(poses.values())


def _sizes(by_name: dict[str, list[Cell]], rows: int, path: Path) -> Iterator[Size | None]:
    nothing: Sequence[Cell] = [None] * rows
    for height, width in zip(by_name.get("height", nothing), by_name.get("width", nothing), strict=True):
        yield _size(height, width, path)


def _size(height: Any, width: Any, path: Path) -> Size | None:
    """Raises GanvasError for what is no size."""
    if height is None and width is None:
        return None
    texts = [_text(side) for side in (height, width)]
    if not all(is_number(text) and float(text).is_integer() and float(text) >= 1 for text in texts):
        raise GanvasError(f"{path} gives a picture of {width}x{height} pixels: expected whole numbers from 1 on")
    return int(float(texts[0])), int(float(texts[1]))


def _place(x: Any, y: Any, where: str) -> tuple[float, float]:
    if not all(is_number(_text(value)) for value in (x, y)):
        raise GanvasError(f"{where} has a point at {x}, {y}: expected finite numbers")
    return float(x), float(y)


def _file(name: str, path: Path) -> str:
    """Results are named after it, so it must stay inside the folder that they are written to."""
    clean = name.replace("\\", "/").removeprefix("./")
    if not clean or clean.startswith("/") or ".." in clean.split("/") or re.match("[A-Za-z]:", clean):
        raise GanvasError(f"{path} names the picture {name!r}: expected a path relative to the pictures' folder")
    return clean


def _text(cell: Any) -> str:
    return "" if cell is None else cell_text(cell) if isinstance(cell, str | float | tuple) else str(cell)
