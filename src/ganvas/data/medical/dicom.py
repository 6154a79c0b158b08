"""DICOM: series of slices in a folder, a file or a ZIP -> pictures with one scale, in anatomical order.

Slices come as they are stored: rows and columns of the file, [H, W, 1] uint16; pictures in colour as RGB,
[H, W, 3] uint8. Nothing is kept decoded, and no tag or file name that identifies a person is shown.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ganvas.data.decode import SUFFIXES, PictureError, Pixels
from ganvas.data.download import Progress
from ganvas.data.medical.dicom_files import DicomFiles, Folder, Zip
from ganvas.data.medical.dicom_headers import Frame, NotUsed, has_preamble, import_pydicom, in_order, read_frames
from ganvas.data.medical.dicom_pixels import read_colours, read_grey, read_values
from ganvas.data.medical.intensity import (
    MOST_SLICES,
    Window,
    WindowRule,
    linear,
    parse_window,
    percentile_window,
    sample,
    spread,
)
from ganvas.data.medical.slices import (
    MedicalSource,
    Slice,
    chosen_places,
    counted,
    is_filled,
    listed,
    numbered,
    parse_slices,
)
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError


def open_dicom(name: str, path: Path, options: SourceOptions, progress: Progress | None = None) -> DicomSource:
    """Open a folder, with its sub-folders, a file or a ZIP of DICOM objects.

    Files count if they begin as DICOM does or are named .dcm. options.window: auto (CT: the window all files share, or
    percentiles of all CT slices, so that Hounsfield units stay comparable; else percentiles of each series), file,
    percentile or CENTRE/WIDTH after rescaling. options.slices: for "filled" every slice is read once here, with
    progress("reading slices", done, total). Raises GanvasError without any picture, UsageError for bad options.
    """
    import_pydicom()
    rule, kept = parse_window(options.window), parse_slices(options.slices)
    if options.plane != "axial":
        raise UsageError(
            f"plane is {options.plane!r}: DICOM slices are taken as they are stored; leave plane out, or convert the "
            "series to NIfTI and cut that"
        )
    files: DicomFiles = Zip(name, path) if zipfile.is_zipfile(path) else Folder(path)
    frames, left_out = _scan(files, progress)
    if not frames:
        why = f" (files left out: {listed(left_out)})" if left_out else ""
        raise GanvasError(f"{name} holds no DICOM pictures{why}: give a folder, a file or a ZIP of DICOM images")
    stacks = _stacks(frames)
    windows, notes = _windows(files, stacks, rule)
    chosen = [
        _Picture(*stack[place], windows[stack[place][0]])
        for stack in stacks
        for place in chosen_places(kept, len(stack))
    ]
    used = chosen
    if kept[0] == "filled":
        used = []
        for i, picture in enumerate(chosen, 1):
            if picture.is_worth_it(files):
                used.append(picture)
            if progress is not None:
                progress("reading slices", i, len(chosen))
        if not used:
            raise GanvasError(f"no slice of {name} is filled (5 % of its pixels above black): use --slices all")
    return DicomSource(name, files, used, _notes(stacks, len(used), left_out) + notes, _fingerprint(files, options))


class DicomSource(MedicalSource):
    """Slices of DICOM series. See `ganvas.data.contract.Source`."""

    def __init__(
        self, name: str, files: DicomFiles, pictures: Sequence[_Picture], notes: Sequence[str], fingerprint: str
    ) -> None:
        self._files, self._pictures = files, tuple(pictures)
        patients = "the hash of their PatientID"
        super().__init__(name, [picture.as_slice() for picture in pictures], patients, notes, fingerprint)

    def read(self, index: int) -> Pixels:
        """One slice: [H, W, 1] uint16, or [H, W, 3] uint8 for colour. Raises PictureError."""
        return self._pictures[index].read(self._files)


@dataclass(frozen=True, slots=True)
class _Picture:
    """A frame under its anonymous name, with the window it is seen through (None: the file's VOI LUT, or colours)."""

    name: str
    frame: Frame
    window: Window | None

    def read(self, files: DicomFiles) -> Pixels:
        with _told(files, self.frame, self.name) as file:
            if self.frame.colour:
                return read_colours(file, self.frame, self.name)
            grey = read_grey(file, self.frame, self.name, self.window)
        if self.window is not None and not self.window.known:
            raise PictureError(self.name, "the range of its series is not known: no slice looked at could be read")
        return grey

    def is_worth_it(self, files: DicomFiles) -> bool:
        """Whether it is filled, or damaged: what cannot be read is to be reported, not to vanish."""
        try:
            return is_filled(self.read(files))
        except PictureError:
            return True

    def as_slice(self) -> Slice:
        frame = self.frame
        number = int(self.name.split("/")[0].removeprefix("patient-"))
        return Slice(
            self.name, frame.path, number, frame.header, self.window, frame.inverted, frame.spacing, frame.place
        )


@contextmanager
def _told(files: DicomFiles, frame: Frame, name: str) -> Iterator[IO[bytes]]:
    """A frame's file; the PictureError of one that cannot be opened does not quote its path."""
    try:
        with files.opened(frame.path) as file:
            yield file
    except OSError as error:
        raise PictureError(name, f"its file cannot be read ({error.strerror or error})") from None


def _scan(files: DicomFiles, progress: Progress | None) -> tuple[list[Frame], Counter[str]]:
    """All frames, and how many files were left out for which reason; files that are not DICOM are passed over."""
    frames: list[Frame] = []
    left_out: Counter[str] = Counter()
    for i, (path, (size, _)) in enumerate(files.stamps.items(), 1):
        suffix = PurePosixPath(path).suffix.lower()
        if suffix not in SUFFIXES and PurePosixPath(path).name.upper() != "DICOMDIR":
            try:
                with files.opened(path) as file:
                    begins = has_preamble(file)
                    file.seek(0)
                    if begins or suffix == ".dcm":
                        frames += read_frames(file, path, size)
            except NotUsed as reason:
                left_out[str(reason)] += 1
            except OSError:
                left_out["not readable"] += 1
        if progress is not None:
            progress("reading headers", i, len(files.stamps))
    return frames, left_out


def _stacks(frames: Sequence[Frame]) -> list[list[tuple[str, Frame]]]:
    """Series by series, the slices in order, each with its anonymous name."""
    patients = numbered(frame.patient for frame in frames)
    of_series: defaultdict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        of_series[frame.series].append(frame)
    ordered = sorted(
        of_series.items(), key=lambda item: (patients[item[1][0].patient], item[1][0].series_number, item[0])
    )
    count: Counter[int] = Counter()
    stacks = []
    for _, series in ordered:
        patient = patients[series[0].patient]
        count[patient] += 1
        place = f"patient-{patient:03d}/series-{count[patient]:02d}"
        stacks.append([(f"{place}/slice-{i:04d}", frame) for i, frame in enumerate(in_order(series), 1)])
    return stacks


def _windows(
    files: DicomFiles, stacks: Sequence[Sequence[tuple[str, Frame]]], rule: WindowRule
) -> tuple[dict[str, Window | None], list[str]]:
    """The window of every slice by its name, and notes on them."""
    windows: dict[str, Window | None] = {}
    notes: list[str] = []
    grey = [[one for one in stack if not one[1].colour] for stack in stacks]
    ct = [one for stack in grey for one in stack if one[1].modality == "CT"]
    of_ct = None
    if rule == "auto" and ct:
        shared = {frame.window for _, frame in ct}
        of_ct, how = shared.pop() if len(shared) == 1 else None, "the window that all CT files share"
        if of_ct is None:
            of_ct, how = _percentiles(files, ct), "from the 0.5 to the 99.5 percentile of all CT slices"
        notes.append(f"CT: {of_ct.low:g} to {of_ct.high:g} HU become 0 to 65535, {how}")
    elif isinstance(rule, tuple):
        fixed = linear(*rule)
        unit = " HU" if len(ct) == sum(map(len, grey)) else ""
        notes.append(f"{fixed.low:g} to {fixed.high:g}{unit} become 0 to 65535, as was asked for")
    measured = 0
    for stack in grey:
        of_series: Window | None = None
        for name, frame in stack:
            if isinstance(rule, tuple):
                windows[name] = fixed
            elif of_ct is not None and frame.modality == "CT":
                windows[name] = of_ct
            elif rule == "file" and (frame.window is not None or frame.has_table):
                windows[name] = frame.window
            else:
                of_series = of_series or _percentiles(files, stack)
                windows[name] = of_series
        measured += of_series is not None
    if measured:
        without = " without a window in the file" if rule == "file" else ""
        notes.append(
            f"{counted(measured, 'series')}{without}: each from its 0.5 to its 99.5 percentile; the columns low and "
            "high give the values that became 0 and 65535"
        )
    if rule == "file":
        notes.append("slices are seen through the windows of their files, so equal grey is not always equal value")
        if any(frame.sigmoid for stack in grey for _, frame in stack):
            notes.append("sigmoid windows are taken as linear ones of the same centre and width")
    windows |= {name: None for stack in stacks for name, frame in stack if frame.colour}
    return windows, notes


def _percentiles(files: DicomFiles, stack: Sequence[tuple[str, Frame]]) -> Window:
    samples = []
    for place in spread(len(stack), MOST_SLICES):
        name, frame = stack[place]
        try:
            with _told(files, frame, name) as file:
                samples.append(sample(*read_values(file, frame, name)))
        except PictureError:  # it will be told when it is read
            continue
    return percentile_window(samples)


def _notes(stacks: Sequence[Sequence[tuple[str, Frame]]], used: int, left_out: Counter[str]) -> list[str]:
    modalities = Counter(stack[0][1].modality for stack in stacks)
    total = sum(map(len, stacks))
    notes = [f"{counted(len(stacks), 'series')} ({listed(modalities)}), {used} of {counted(total, 'slice')} used"]
    if left_out:
        notes.append(f"{counted(sum(left_out.values()), 'DICOM file')} left out: {listed(left_out)}")
    inverted = sum(frame.inverted for stack in stacks for _, frame in stack)
    if inverted:
        notes.append(
            f"{counted(inverted, 'slice')} with white as 0 (MONOCHROME1) inverted: high values are dark in them"
        )
    return notes


def _fingerprint(files: DicomFiles, options: SourceOptions) -> str:
    digest = hashlib.sha256(f"dicom\0{options.window}\0{options.slices}\0".encode())
    for path, (size, stamp) in files.stamps.items():
        digest.update(b"%s\0%d\0%d\0" % (path.encode("utf-8", "surrogateescape"), size, stamp))
    return digest.hexdigest()
