"""One NIfTI file -> its slices, upright: which axis of the file points where, and reading one slice at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganvas.data.decode import PictureError
from ganvas.data.medical.intensity import Values, Window
from ganvas.data.medical.slices import size_problem
from ganvas.errors import GanvasError

if TYPE_CHECKING:
    from nibabel.arrayproxy import ArrayProxy

Plane = Literal["axial", "coronal", "sagittal"]

LARGEST_PACKED = 1 << 30  # bytes of a compressed volume, which is unpacked in memory to be cut
MOST_SLICES = 1 << 20  # of one file
_BEST_COMPRESSION = 1040  # deflate makes nothing smaller than 1032 times
_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}
# Of the axes right, anterior, superior (0, 1, 2): the one that is cut, the one down the picture, the one across it.
_AXES: dict[Plane, tuple[int, int, int]] = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}


class NotUsed(Exception):
    """A file without a volume that can be used; the text is a reason that quotes nothing of the file."""


@dataclass(frozen=True, slots=True)
class Volume:
    """What the header of one file says.

    shape: of a volume, as stored; times: how many volumes. axes: for right, anterior and superior the stored axis
    closest to it; forward: whether that runs the same way. spacing: mm along right, anterior, superior; start, step:
    of slices along each of them, mm. shown: cal_min to cal_max, or None. whole: whether all values are whole numbers.
    """

    path: Path
    packed: bool
    shape: tuple[int, int, int]
    times: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    axes: tuple[int, int, int]
    forward: tuple[bool, bool, bool]
    spacing: tuple[float, float, float]
    start: tuple[float, float, float]
    step: tuple[float, float, float]
    shown: Window | None
    whole: bool

    def slices(self, plane: Plane) -> int:
        """How many slices of each volume."""
        return self.shape[self.axes[_AXES[plane][0]]]

    def size(self, plane: Plane) -> tuple[int, int]:
        """(height, width) of a slice."""
        _, down, across = _AXES[plane]
        return self.shape[self.axes[down]], self.shape[self.axes[across]]

    def spacing_in(self, plane: Plane) -> tuple[float, float]:
        """Millimetres from row to row and from column to column."""
        _, down, across = _AXES[plane]
        return self.spacing[down], self.spacing[across]

    def position(self, plane: Plane, place: int) -> float:
        """Millimetres of a slice along the axis that is cut, towards right, anterior or superior."""
        cut = _AXES[plane][0]
        return self.start[cut] + place * self.step[cut]


def read_volume(path: Path) -> Volume:
    """The header of a .nii or .nii.gz. Raises NotUsed, and GanvasError if nibabel is missing."""
    try:
        import nibabel  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise GanvasError(
            'reading NIfTI needs nibabel, which is not installed: pip install "ganvas[medical]"'
        ) from error
    try:
        image = _quietly_loaded(path)
        if not isinstance(image, nibabel.Nifti1Image):  # of which Nifti2Image is a kind
            raise NotUsed("not NIfTI volumes")
        return _volume(path, image)
    except NotUsed:
        raise
    except Exception:  # nibabel and what it stands on raise whatever the damage leads them to
        raise NotUsed("damaged") from None


class VolumeReader:
    """Slices of volumes, of which the last used is kept open: mapped, or unpacked if it is compressed."""

    def __init__(self) -> None:
        self.with_gaps: set[Path] = set()  # files in which NaN or infinities were met
        self._proxy: tuple[Volume, ArrayProxy] | None = None
        self._kept: tuple[Volume, int, NDArray[Any]] | None = None

    def values(self, volume: Volume, time: int, plane: Plane, place: int, name: str) -> Values:
        """One slice, [H, W], as radiologists look at it. Raises PictureError.

        axial: anterior up, the patient's left on the right; coronal: superior up, the patient's left on the right;
        sagittal: superior up, anterior on the left. Slices count from inferior, posterior and left.
        """
        try:
            stored = self._stored(volume, time)
            cut, down, across = (volume.axes[axis] for axis in _AXES[plane])
            where: list[int | slice] = [slice(None, None, -1 if ahead else 1) for ahead in _by_axis(volume)]
            where[cut] = place if _by_axis(volume)[cut] else volume.shape[cut] - 1 - place
            values = np.asarray(stored[tuple(where)]).astype(np.float64)
        except Exception as error:  # see read_volume
            raise PictureError(name, f"damaged or cut off ({type(error).__name__})") from None
        values = (values if down < across else values.T) * volume.slope + volume.intercept
        if not np.isfinite(values).all():
            self.with_gaps.add(volume.path)
        return values

    def _stored(self, volume: Volume, time: int) -> NDArray[Any]:
        """The stored numbers of one volume, [I, J, K]."""
        if self._kept is not None and self._kept[:2] == (volume, time):
            return self._kept[2]
        from nibabel.arrayproxy import ArrayProxy

        self._kept = None
        if self._proxy is None or self._proxy[0] != volume:
            # Slope 1 keeps the numbers in the type of the file: scaled ones of a whole volume would take 8 bytes each.
            spec = ((*volume.shape, volume.times), volume.dtype, volume.offset, 1.0, 0.0)
            self._proxy = volume, ArrayProxy(str(volume.path), spec, mmap="r", keep_file_open=volume.packed)  # type: ignore[no-untyped-call]
        proxy = self._proxy[1]
        every = proxy if volume.packed else proxy.get_unscaled()  # type: ignore[no-untyped-call]
        stored: NDArray[Any] = np.asanyarray(every[..., time])
        self._kept = volume, time, stored
        return stored


def _quietly_loaded(path: Path) -> object:
    """The image, of which only the header is read; without what nibabel writes to the screen when it mends one."""
    import nibabel
    from nibabel.imageglobals import logger

    before, logger.disabled = logger.disabled, True
    try:
        return nibabel.load(path)
    finally:
        logger.disabled = before


def _by_axis(volume: Volume) -> Sequence[bool]:
    """`forward` for the stored axes."""
    ahead = [True] * 3
    for axis, forward in zip(volume.axes, volume.forward, strict=True):
        ahead[axis] = forward
    return ahead


def _volume(path: Path, image: Any) -> Volume:
    from nibabel.orientations import io_orientation

    header = image.header
    shape = tuple(int(side) for side in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 4:
        raise NotUsed(f"of {len(shape)} dimensions")
    if len(shape) < 2 or min(shape) < 1:
        raise NotUsed("without slices")
    shape = (*shape, 1, 1)[:4] if len(shape) < 4 else shape
    dtype = np.dtype(header.get_data_dtype())
    # Of the proxy: the header of a loaded image has them no more.
    offset, slope, intercept = int(image.dataobj.offset), float(image.dataobj.slope), float(image.dataobj.inter)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise NotUsed("of colours or complex numbers")
    _check_size(path, shape, dtype, offset)
    affine = np.asarray(image.affine, np.float64)
    orientation = io_orientation(affine)  # type: ignore[no-untyped-call]
    if not np.isfinite(affine).all() or not np.isfinite(orientation).all():
        raise NotUsed("without an orientation")
    to_canonical = [(int(out), bool(way > 0)) for out, way in orientation]
    axes = [next(i for i, (out, _) in enumerate(to_canonical) if out == axis) for axis in range(3)]
    forward = [to_canonical[axis][1] for axis in axes]
    unit = _MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
    zooms = [float(zoom) * unit for zoom in (*header.get_zooms(), 1.0)[:3]]
    first = affine[:3, 3].copy()  # the corner that is leftmost, most posterior and most inferior
    for axis, ahead in zip(axes, forward, strict=True):
        if not ahead:
            first += affine[:3, axis] * (shape[axis] - 1)
    directions = [affine[:3, axis] * (1 if ahead else -1) for axis, ahead in zip(axes, forward, strict=True)]
    steps = [float(np.linalg.norm(direction)) for direction in directions]
    starts = [float(first @ direction / step) for direction, step in zip(directions, steps, strict=True)]
    low, high = float(header["cal_min"]), float(header["cal_max"])
    return Volume(
        path=path,
        packed=path.name.lower().endswith(".gz"),
        shape=(shape[0], shape[1], shape[2]),
        times=shape[3],
        dtype=dtype,
        offset=offset,
        slope=slope,
        intercept=intercept,
        axes=(axes[0], axes[1], axes[2]),
        forward=(forward[0], forward[1], forward[2]),
        spacing=(zooms[axes[0]], zooms[axes[1]], zooms[axes[2]]),
        start=(starts[0] * unit, starts[1] * unit, starts[2] * unit),
        step=(steps[0] * unit, steps[1] * unit, steps[2] * unit),
        shown=Window(low, high) if high > low and np.isfinite((low, high)).all() else None,
        whole=dtype.kind in "iu" and slope.is_integer() and intercept.is_integer(),
    )


def _check_size(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> None:
    """Raises NotUsed for volumes that are too large, or larger than their file can hold."""
    sides = sorted(shape[:3])
    problem = size_problem(sides[1], sides[2])
    if problem is not None:
        raise NotUsed(problem)
    one = shape[0] * shape[1] * shape[2] * dtype.itemsize
    packed = path.name.lower().endswith(".gz")
    if packed and one > LARGEST_PACKED:
        raise NotUsed("compressed and more than 1 GiB a volume, which must be unpacked first (gunzip)")
    if max(shape[:3]) * shape[3] > MOST_SLICES:
        raise NotUsed(f"of more than {MOST_SLICES} slices")
    if offset + one * shape[3] > path.stat().st_size * (_BEST_COMPRESSION if packed else 1):
        raise NotUsed("cut off")
