"""The header of a DICOM object -> what is to be known of each of its frames, and their order in a series."""

from __future__ import annotations

import math
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ganvas.data.decode import Header
from ganvas.data.medical.intensity import Window, linear, linear_exact
from ganvas.data.medical.slices import hashed, size_problem
from ganvas.errors import GanvasError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DEFLATED = "1.2.840.10008.1.2.1.99"  # transfer syntax
MOST_FRAMES = 100_000
MOST_PIXELS = 1 << 31  # of all frames of one object
LARGEST_INFLATED = 1 << 30  # bytes of a deflated object
NOT_PICTURES = frozenset(("SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "PR", "KO", "SR", "REG", "FID", "AU", "ECG", "DOC"))
PICTURES = frozenset(
    ("CR", "CT", "DX", "ES", "IO", "MG", "MR", "NM", "OP", "OPT", "OT", "PT", "RF", "SC", "US", "XA", "XC")
)
TAGS = (  # all that is read of a header
    "Modality",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)

_CHUNK = 1 << 20
_pydicom_is_quiet = threading.RLock()


class NotUsed(Exception):
    """A file without a picture that can be used; the text is a reason that quotes nothing of the file."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of one file. No field but `path`, which is never shown, holds anything that identifies.

    number, of: which frame of how many in the file. syntax: UID of the transfer syntax, "" where not given. patient,
    series: hashes. series_number, instance: as in the header, or infinite. window: the file's own. has_table: whether
    it has a VOI LUT. orientation: six cosines.
    """

    path: str
    number: int
    of: int
    syntax: str
    patient: str
    series: str
    series_number: float
    instance: float
    modality: str
    header: Header
    inverted: bool
    slope: float
    intercept: float
    window: Window | None
    has_table: bool
    sigmoid: bool
    spacing: tuple[float, float]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None

    @property
    def colour(self) -> bool:
        """Whether it has colours, so that no window applies."""
        return self.header.channels == 3

    @property
    def place(self) -> float:
        """Millimetres along the normal of the slice (PS3.3 C.7.6.2.1.1), or NaN."""
        if self.position is None or self.orientation is None:
            return math.nan
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return float(np.dot(normal, self.position))


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keeps pydicom from warning and logging, where it quotes tags and with them names; one thread at a time."""
    from pydicom import config

    with _pydicom_is_quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, config.logger.disabled = config.logger.disabled, True
        try:
            yield
        finally:
            config.logger.disabled = before


def import_pydicom() -> None:
    """Raises GanvasError if pydicom is missing."""
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise GanvasError(
            'reading DICOM needs pydicom, which is not installed: pip install "ganvas[medical]"'
        ) from error


def has_preamble(file: IO[bytes]) -> bool:
    """Whether a file begins as DICOM does: "DICM" after 128 bytes."""
    return file.read(132)[128:] == b"DICM"


def read_frames(file: IO[bytes], path: str, size: int) -> list[Frame]:
    """The frames of the object in `file`, of `size` bytes. Raises NotUsed."""
    from pydicom import dcmread

    with quiet_pydicom():
        try:
            _check_inflated_size(file)
            found = dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(TAGS))
            return _frames(found, path, size)
        except NotUsed:
            raise
        except Exception:  # pydicom raises whatever the damage leads it to
            raise NotUsed("damaged") from None


def in_order(frames: Sequence[Frame]) -> list[Frame]:
    """The frames of one series along its normal; without positions, or with several normals, by instance number."""

    def by_instance(frame: Frame) -> tuple[float, str, int]:
        return frame.instance, frame.path, frame.number

    first = frames[0].orientation
    aligned = first is not None and all(
        frame.position is not None
        and frame.orientation is not None
        and np.allclose(frame.orientation, first, rtol=0, atol=0.02)
        for frame in frames
    )
    if not aligned:
        return sorted(frames, key=by_instance)
    # To a hundredth of a millimetre, so that several pictures of one place are ordered by their instance.
    return sorted(frames, key=lambda frame: (round(frame.place, 2), *by_instance(frame)))


def _check_inflated_size(file: IO[bytes]) -> None:
    """Raises NotUsed if a deflated object grows beyond 1 GiB: pydicom inflates it in one go, however large."""
    from pydicom.filereader import read_dataset, read_preamble

    says_deflated = DEFLATED.encode() in file.read(4096)
    file.seek(0)
    if not says_deflated:
        return
    read_preamble(file, force=True)  # type: ignore[arg-type]
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)  # type: ignore[arg-type]
    if meta.get("TransferSyntaxUID") != DEFLATED:
        raise NotUsed("damaged")
    size, inflate = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflate.eof and (waiting := inflate.unconsumed_tail or file.read(_CHUNK)):
        size += len(inflate.decompress(waiting, _CHUNK))
        if size > LARGEST_INFLATED:
            raise NotUsed("of more than 1 GiB once inflated")
    file.seek(0)


def _frames(found: Dataset, path: str, size: int) -> list[Frame]:
    syntax = str(found.file_meta.get("TransferSyntaxUID") or "")
    modality = str(found.get("Modality") or "").upper()
    if modality in NOT_PICTURES:
        raise NotUsed(f"without pictures ({modality})")
    if "Rows" not in found or "Columns" not in found or "BitsAllocated" not in found:
        raise NotUsed("without pictures")
    rows, columns = int(found.Rows), int(found.Columns)
    count = int(_number(found.get("NumberOfFrames")) or 1)
    problem = size_problem(rows, columns)
    if problem is None and (count > MOST_FRAMES or rows * columns * count > MOST_PIXELS):
        problem = f"of more than {MOST_FRAMES} frames or {MOST_PIXELS} pixels"
    if problem is not None:
        raise NotUsed(problem)
    if count < 1 or (count > size and syntax != DEFLATED):  # not even a byte a frame
        raise NotUsed("damaged")
    patient = str(found.get("PatientID") or "").strip() or f"study {found.get('StudyInstanceUID')}"
    series = str(found.get("SeriesInstanceUID") or "").strip() or f"folder {path.rpartition('/')[0]}"
    photometric = str(found.get("PhotometricInterpretation") or "").strip().upper()
    colour = int(_number(found.get("SamplesPerPixel")) or 1) > 1 or photometric.startswith("PALETTE")
    header = Header(columns, rows, 3, 8) if colour else Header(columns, rows, 1, 16)
    own = list(found.get("PerFrameFunctionalGroupsSequence") or [])
    shared = list(found.get("SharedFunctionalGroupsSequence") or [])
    frames = []
    for i in range(count):
        groups = [*own[i : i + 1], *shared[:1]]
        position = _numbers(_value(found, groups, "PlanePositionSequence", "ImagePositionPatient"), 3)
        orientation = _numbers(_value(found, groups, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
        spacing = _numbers(_value(found, groups, "PixelMeasuresSequence", "PixelSpacing"), 2)
        if spacing is None:  # of the detector, where that of the patient is not known
            spacing = _numbers(found.get("ImagerPixelSpacing"), 2)
        slope = _number(_value(found, groups, "PixelValueTransformationSequence", "RescaleSlope"))
        intercept = _number(_value(found, groups, "PixelValueTransformationSequence", "RescaleIntercept"))
        function = str(_value(found, groups, "FrameVOILUTSequence", "VOILUTFunction") or "LINEAR").strip().upper()
        centre = _number(_value(found, groups, "FrameVOILUTSequence", "WindowCenter"))
        width = _number(_value(found, groups, "FrameVOILUTSequence", "WindowWidth"))
        frames.append(
            Frame(
                path=path,
                number=i,
                of=count,
                syntax=syntax,
                patient=hashed(patient),
                series=hashed(f"{patient}\n{series}"),
                series_number=_finite_or(_number(found.get("SeriesNumber")), math.inf),
                instance=_finite_or(_number(found.get("InstanceNumber")), math.inf),
                modality=modality if modality in PICTURES else "other",
                header=header,
                inverted=photometric == "MONOCHROME1" and not colour,
                slope=_finite_or(slope, 1.0),
                intercept=_finite_or(intercept, 0.0),
                window=_window(centre, width, function),
                has_table=bool(found.get("VOILUTSequence")),
                sigmoid=function == "SIGMOID",
                spacing=(spacing[0], spacing[1]) if spacing and min(spacing) > 0 else (math.nan, math.nan),
                position=position,
                orientation=orientation,
            )
        )
    return frames


def _value(found: Dataset, groups: Sequence[Dataset], sequence: str, tag: str) -> Any:
    """A tag from the frame's own functional group, the shared one, or the object itself."""
    for group in groups:
        items = group.get(sequence)
        if items and items[0].get(tag) is not None:
            return items[0].get(tag)
    return found.get(tag)


def _window(centre: float | None, width: float | None, function: str) -> Window | None:
    """The file's own window; a sigmoid has its ends where its tangent at the centre meets black and white."""
    if centre is None or width is None or width <= 0:
        return None
    if function in ("LINEAR_EXACT", "SIGMOID"):
        return linear_exact(centre, width)
    return linear(centre, width) if width >= 1 else None


def _number(value: Any) -> float | None:
    """The value, or the first of several, as a finite number."""
    if value is not None and not isinstance(value, str | bytes | int | float) and hasattr(value, "__len__"):
        value = value[0] if len(value) else None
    if value is None or value in ("", b""):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    if value is None or not hasattr(value, "__len__") or isinstance(value, str | bytes) or len(value) != count:
        return None
    numbers = tuple(float(one) for one in value)
    return numbers if all(map(math.isfinite, numbers)) else None


def _finite_or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
