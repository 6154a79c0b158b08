"""Pictures and their points as pairs: A the heat maps, one channel a kind of point, B the picture."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from ganvas.data.contract import EncodedPictures, Source
from ganvas.data.decode import Header, PictureError, Pixels, decode_upright, read_header
from ganvas.data.fit import Fitted, Target, fit_all
from ganvas.data.keypoints.heat_maps import KeypointMaps, fitted, heat_maps, inside
from ganvas.data.keypoints.keypoint_files import Keypoints, Point, Pose, Size, read_keypoints
from ganvas.data.labels import Labelling
from ganvas.data.options import SourceOptions
from ganvas.data.pairs import FitJob, PairSource
from ganvas.errors import GanvasError, UsageError


class KeypointPairs(PairSource):
    """The pictures of `inner` that have points. places: of each pose's picture in `inner`."""

    def __init__(
        self, inner: EncodedPictures, maps: KeypointMaps, poses: Sequence[Pose], places: Sequence[int], digest: str
    ) -> None:
        source = cast(Source, inner)
        labels = None if source.labels is None else source.labels[list(places)]
        classes = Labelling(labels, source.class_names, source.labels_note)
        names = [source.names[place] for place in places]
        super().__init__(source, names, source.held_out[list(places)], f"keypoints {digest}", classes)
        if source.groups is not None:
            self.groups = source.groups[list(places)]
        self.keypoints = self._maps = maps
        self._pictures, self._poses, self._places = inner, poses, places

    def encoded_sides(self, index: int) -> tuple[bytes, ...]:
        """The file of the picture: the points have none of their own. Raises PictureError."""
        return (self._pictures.encoded(self._places[index]),)

    def encoded_to_fit(self, index: int) -> tuple[bytes, ...]:
        """The file of the picture, and its points as `fit_posed` reads them. Raises PictureError."""
        pose = self._poses[index]
        told = {"points": pose.points, "size": pose.size, "names": self._maps.names, "sigma": self._maps.sigma}
        return (*self.encoded_sides(index), json.dumps(told).encode())

    @property
    def fit_job(self) -> FitJob:
        return fit_posed

    def headers(self, index: int) -> tuple[Header, Header]:
        """Those of the picture, twice. Raises PictureError."""
        header = self._pictures.header(self._places[index])
        return header, header

    def read_sides(self, index: int) -> tuple[Pixels, Pixels]:
        """The heat maps at the size of the picture, [H, W, K], and the picture. Raises PictureError."""
        picture = self._pictures.read(self._places[index])
        size = picture.shape[:2]
        points = points_in(self._poses[index], size, self.names[index])
        return heat_maps(points, self._maps, size).transpose(1, 2, 0), picture


def open_keypoints(source: Source, options: SourceOptions) -> KeypointPairs:
    """The pictures of `source` that `options.keypoints` has points of. Raises GanvasError, UsageError."""
    assert options.keypoints is not None, "it was asked for"
    if options.pairs is not None or options.side is not None:
        raise UsageError("--keypoints makes the pairs, of points and pictures: leave out --pairs and --side")
    if not isinstance(source, EncodedPictures):
        raise UsageError(
            f"--keypoints names files of pictures, which {source.name} has not: give a folder or an archive of them"
        )
    found = read_keypoints(options.keypoints)
    poses, places, notes = _matched(found, source.names)
    maps = KeypointMaps(found.names, options.keypoint_sigma)
    told = json.dumps([[maps.names, maps.sigma], [[p.file, p.size, p.points] for p in poses]])
    pairs = KeypointPairs(source, maps, poses, places, hashlib.sha256(told.encode()).hexdigest())
    pairs.notes += notes
    return pairs


def points_in(pose: Pose, size: Size, name: str) -> list[Point]:
    """The points that lie in its picture of that size. Raises PictureError where none does, or the size is another."""
    if pose.size is not None and pose.size != size:
        told, own = (f"{width}x{height}" for height, width in (pose.size, size))
        raise PictureError(name, f"{own} pixels, but its points are of a picture of {told}")
    points = inside(pose.points, size)
    if not points:
        raise PictureError(name, f"none of its points lies in its {size[1]}x{size[0]} pixels")
    return points


def fit_posed(data: tuple[bytes, ...], name: str, target: Target) -> Fitted:
    """The bytes of a picture file, and its points -> the pair that goes into the store. Raises PictureError."""
    picture, told = data[0], json.loads(data[1])
    assert target.mode != "patch", "no plan asks for patches of points"
    header = read_header(io.BytesIO(picture), name)
    size, given = (header.height, header.width), Pose(name, told["size"] and tuple(told["size"]), told["points"])
    points = points_in(given, size, name)
    channels = target.sides[1]
    upright = decode_upright(io.BytesIO(picture), name, target.at_least, channels == 1)
    found = fit_all((upright,), name, replace(target, channels=channels, sides=()))
    if len(points) < len(given.points):
        found.done["points outside"] += 1
    wanted = target.height, target.width
    maps = KeypointMaps(tuple(told["names"]), told["sigma"])
    drawn = heat_maps(fitted(points, size, wanted, target.mode), maps, wanted, target.bits)
    return Fitted([np.concatenate([drawn, one]) for one in found.pictures], found.done)


def _matched(found: Keypoints, names: Sequence[str]) -> tuple[list[Pose], list[int], tuple[str, ...]]:
    """The poses whose pictures are there, by path or by a bare name that only one picture has, and where they are."""
    by_path = {name: place for place, name in enumerate(names)}
    by_name: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        by_name.setdefault(name.rpartition("/")[2], []).append(place)
    poses: dict[int, Pose] = {}
    missing = []
    for pose in found.poses:
        bare = by_name.get(pose.file.rpartition("/")[2], [])
        found_at = by_path.get(pose.file, bare[0] if len(bare) == 1 else None)
        if found_at is None or found_at in poses:
            missing.append(pose.file)
        else:
            poses[found_at] = pose
    if not poses:
        raise GanvasError(
            f"{found.where} names {missing[0]} and {len(missing) - 1} other pictures, none of which is there: expected "
            f"paths such as {names[0]}"
        )
    notes = []
    if missing:
        notes.append(f"{_count(missing)} named in {found.where} not there, or not once ({missing[0]})")
    without = [name for place, name in enumerate(names) if place not in poses]
    if without:
        notes.append(f"{_count(without)} without points in {found.where} left out ({without[0]})")
    places = sorted(poses)
    return [poses[place] for place in places], places, tuple(notes)


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} picture{'s' * (len(names) != 1)}"
