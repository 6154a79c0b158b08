"""NIfTI: volumes in a file or a folder -> slices in the plane that is asked for, [H, W, 1] uint16.

The patient lies as on a radiologist's screen. axial: anterior up, the patient's left on the right; coronal:
superior up, the patient's left on the right; sagittal: superior up, anterior on the left.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from ganvas.data import labels as labelling
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.download import Progress
from ganvas.data.medical.intensity import MOST_SLICES as MOST_SAMPLED
from ganvas.data.medical.intensity import (
    Window,
    WindowRule,
    linear,
    linear_exact,
    parse_window,
    percentile_window,
    sample,
    spread,
    to_grey,
)
from ganvas.data.medical.nifti_volume import NotUsed, Plane, Volume, VolumeReader, read_volume
from ganvas.data.medical.slices import (
    MedicalSource,
    Slice,
    chosen_places,
    counted,
    hashed,
    is_filled,
    listed,
    numbered,
    parse_slices,
    walk,
)
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError

SUFFIXES = (".nii", ".nii.gz")
_LOOKED_AT = 10_000  # names, until a folder is taken for something else
_BIDS = re.compile(r"(?:^|[/_])(sub-[A-Za-z0-9]+)")


def is_nifti(path: Path) -> bool:
    """Whether a file is named as NIfTI, or a folder has such files; nothing is opened."""
    if not path.is_dir():
        return _is_named_so(path.name)
    names = (name for _, _, files in os.walk(path) for name in files)
    return any(map(_is_named_so, islice(names, _LOOKED_AT)))


def open_nifti(name: str, path: Path, options: SourceOptions, progress: Progress | None = None) -> NiftiSource:
    """Open a .nii or .nii.gz, or a folder of them with its sub-folders; of four dimensions, every volume.

    options.plane: how they are cut, after each is brought to the closest of right, anterior, superior. options.window:
    auto and percentile (0.5 to 99.5 of all slices of a file), file (cal_min to cal_max) or CENTRE/WIDTH after scaling:
    for whole numbers as in DICOM PS3.3 C.11.2.1.2.1, for fractions from CENTRE - WIDTH/2 to CENTRE + WIDTH/2.
    options.slices: for "filled" every slice is read once here, with progress("reading slices", done, total).
    Raises GanvasError if no volume can be used, UsageError for bad options.
    """
    rule, kept = parse_window(options.window), parse_slices(options.slices)
    root, stamps = _files(path)
    volumes: dict[str, Volume] = {}
    left_out: Counter[str] = Counter()
    for file in stamps:
        try:
            volumes[file] = read_volume(root / file)
        except NotUsed as reason:
            left_out[str(reason)] += 1
    if not volumes:
        why = f" (left out: {listed(left_out)})" if left_out else ""
        raise GanvasError(
            f"{name} holds no NIfTI volume that can be used{why}: give .nii or .nii.gz files of 2 to 4 dimensions"
        )
    reader = VolumeReader()
    names, told_apart = _names(list(volumes))
    chosen: list[_Picture] = []
    own_range = 0
    for file in sorted(volumes, key=names.__getitem__):
        volume = volumes[file]
        window = _fixed_window(volume, rule)
        if window is None:
            window = _percentiles(reader, volume, options.plane, names[file])
            own_range += 1
        chosen += [
            _Picture(_slice_name(names[file], volume, time, place), file, volume, time, place, window)
            for time in range(volume.times)
            for place in chosen_places(kept, volume.slices(options.plane))
        ]
    used = chosen
    if kept[0] == "filled":
        used = []
        for i, picture in enumerate(chosen, 1):
            if picture.is_worth_it(reader, options.plane):
                used.append(picture)
            if progress is not None:
                progress("reading slices", i, len(chosen))
        if not used:
            raise GanvasError(f"no slice of {name} is filled (5 % of its pixels above black): use --slices all")
    total = sum(volume.times * volume.slices(options.plane) for volume in volumes.values())
    notes = [f"{counted(len(volumes), 'file')}, {len(used)} of {counted(total, f'{options.plane} slice')} used"]
    if left_out:
        notes.append(f"{counted(sum(left_out.values()), 'NIfTI file')} left out: {listed(left_out)}")
    notes.append(_window_note(rule, own_range))
    if reader.with_gaps:
        notes.append(
            f"{counted(len(reader.with_gaps), 'file')} with values that are infinite or no numbers: shown as the lowest"
        )
    digest = hashlib.sha256(f"nifti\0{options.window}\0{options.slices}\0{options.plane}\0".encode())
    for file, (size, changed_ns) in stamps.items():
        digest.update(b"%s\0%d\0%d\0" % (os.fsencode(file), size, changed_ns))
    return NiftiSource(name, reader, used, options.plane, told_apart, notes, digest.hexdigest())


class NiftiSource(MedicalSource):
    """Slices of NIfTI volumes. See `ganvas.data.contract.Source`."""

    def __init__(
        self,
        name: str,
        reader: VolumeReader,
        pictures: Sequence[_Picture],
        plane: Plane,
        told_apart: str,
        notes: Sequence[str],
        fingerprint: str,
    ) -> None:
        self._reader, self._pictures, self._plane = reader, tuple(pictures), plane
        self.in_order = any(picture.volume.packed for picture in pictures)
        super().__init__(name, [picture.as_slice(plane) for picture in pictures], told_apart, notes, fingerprint)

    def read(self, index: int) -> Pixels:
        """One slice: [H, W, 1] uint16. Raises PictureError."""
        return self._pictures[index].read(self._reader, self._plane)


@dataclass(frozen=True, slots=True)
class _Picture:
    """One slice under its anonymous name; `file` is the relative path, which is never shown."""

    name: str
    file: str
    volume: Volume
    time: int
    place: int
    window: Window

    def read(self, reader: VolumeReader, plane: Plane) -> Pixels:
        values = reader.values(self.volume, self.time, plane, self.place, self.name)
        if not self.window.known:
            raise PictureError(self.name, "the range of its file is not known: no slice looked at could be read")
        return to_grey(values, self.window)[..., None]

    def is_worth_it(self, reader: VolumeReader, plane: Plane) -> bool:
        """Whether it is filled, or damaged: what cannot be read is to be reported, not to vanish."""
        try:
            return is_filled(self.read(reader, plane))
        except PictureError:
            return True

    def as_slice(self, plane: Plane) -> Slice:
        height, width = self.volume.size(plane)
        patient = int(self.name.split("/")[0].removeprefix("patient-"))
        return Slice(
            self.name,
            self.file,
            patient,
            Header(width, height, 1, 16),
            self.window,
            spacing=self.volume.spacing_in(plane),
            position=self.volume.position(plane, self.place),
        )


def _is_named_so(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _files(path: Path) -> tuple[Path, dict[str, tuple[int, int]]]:
    """The folder, and the relative paths of NIfTI files in it with size and time of change."""
    if path.is_dir():
        return path, {file: stamp for file, stamp in walk(path).items() if _is_named_so(PurePosixPath(file).name)}
    status = path.stat()
    return path.parent, {path.name: (status.st_size, status.st_mtime_ns)}


def _names(files: Sequence[str]) -> tuple[dict[str, str], str]:
    """ "patient-001/volume-01" for each file, and what tells patients apart."""
    identities, told_apart = _patients(files)
    patients = numbered(identities.values())
    count: Counter[int] = Counter()
    names = {}
    for file in files:
        patient = patients[identities[file]]
        count[patient] += 1
        names[file] = f"patient-{patient:03d}/volume-{count[patient]:02d}"
    return names, told_apart


def _slice_name(name: str, volume: Volume, time: int, place: int) -> str:
    when = f"/time-{time + 1:04d}" if volume.times > 1 else ""
    return f"{name}{when}/slice-{place + 1:04d}"


def _patients(files: Sequence[str]) -> tuple[dict[str, str], str]:
    """A hash of whoever each file is of: sub-XXX of BIDS, or else the folder above, or else the file.

    Folders of split and class are not those of patients.
    """
    folders = labelling.read_layout(files).folders
    alone = _are_classes(files, folders)
    identities: dict[str, str] = {}
    ways: Counter[str] = Counter()
    for file, parts in zip(files, folders, strict=True):
        subject = _BIDS.search(file)
        if subject is not None:
            way, identity = "sub- in their paths", subject[1]
        elif parts and not (alone and len(parts) == 1):
            way, identity = "their folders", "/".join(parts)
        else:
            way, identity = "their files", "/".join((*parts, PurePosixPath(file).name))
        ways[way] += 1
        identities[file] = hashed(f"{way}\n{identity}")
    return identities, " and ".join(sorted(ways))


def _are_classes(files: Sequence[str], folders: Sequence[tuple[str, ...]]) -> bool:
    """Whether first-level folders with files in them hold many patients each, not the volumes of one.

    Those of one patient are few, or called like the folder, or called the same for each patient.
    """
    inside: defaultdict[str, list[str]] = defaultdict(list)
    for file, parts in zip(files, folders, strict=True):
        if len(parts) == 1:
            inside[parts[0]].append(PurePosixPath(file).name.casefold())
    everywhere = Counter(name for names in inside.values() for name in set(names))
    return all(
        len(names) >= labelling.LEAST_PER_CLASS
        and not any(name.startswith(folder.casefold()) or everywhere[name] > 1 for name in names)
        for folder, names in inside.items()
    )


def _fixed_window(volume: Volume, rule: WindowRule) -> Window | None:
    """The window that needs no look at the voxels, or None."""
    if isinstance(rule, tuple):
        return linear(*rule) if volume.whole else linear_exact(*rule)
    return volume.shown if rule == "file" else None


def _percentiles(reader: VolumeReader, volume: Volume, plane: Plane, name: str) -> Window:
    count = volume.slices(plane)
    samples = []
    for place in spread(count * volume.times, MOST_SAMPLED):
        try:
            samples.append(sample(reader.values(volume, place // count, plane, place % count, name)))
        except PictureError:  # it will be told when it is read
            continue
    return percentile_window(samples)


def _window_note(rule: WindowRule, own_range: int) -> str:
    if isinstance(rule, tuple):
        return f"centre {rule[0]:g}, width {rule[1]:g} in the units of the files become 0 to 65535, as was asked for"
    own = (
        f"{counted(own_range, 'file')}: each from its 0.5 to its 99.5 percentile; the columns low and high give the "
        "values that became 0 and 65535"
    )
    if rule != "file":
        return own
    shown = "files are shown from their cal_min to their cal_max"
    return f"{shown}; without these {own}" if own_range else shown
