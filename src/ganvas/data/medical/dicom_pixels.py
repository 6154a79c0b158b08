"""The pixels of one DICOM frame: stored bits -> measured values -> grey, or colours. Only that frame is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.decode import PictureError
from ganvas.data.medical.dicom_headers import DEFLATED, Frame, quiet_pydicom
from ganvas.data.medical.intensity import WHITE, Values, Window, to_grey

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def read_values(file: IO[bytes], frame: Frame, name: str) -> tuple[Values, NDArray[np.bool_]]:
    """Values in the unit of the file, after its modality LUT, and where there is only padding: both [H, W].

    Raises PictureError.
    """
    with _damage_is_told(frame, name):
        stored, found = _stored(file, frame)
        return _measured(stored, found, frame), _padding(stored, found)


def read_grey(file: IO[bytes], frame: Frame, name: str, window: Window | None) -> NDArray[np.uint16]:
    """The frame through `window`, or the file's VOI LUT without one; white is high: [H, W, 1]. Raises PictureError."""
    with _damage_is_told(frame, name):
        stored, found = _stored(file, frame)
        values = _measured(stored, found, frame)
        if window is not None:
            grey = to_grey(values, window)
        else:
            shown, highest = _looked_up(values, found.VOILUTSequence[0], found)
            grey = to_grey(shown, Window(0, highest))
        return (WHITE - grey if frame.inverted else grey)[..., None]


def read_colours(file: IO[bytes], frame: Frame, name: str) -> NDArray[np.uint8]:
    """RGB of a frame in colour, whatever it is stored as: [H, W, 3]. Raises PictureError."""
    with _damage_is_told(frame, name):
        stored, found = _stored(file, frame)
        if stored.ndim == 2:
            from pydicom.pixels.processing import apply_color_lut

            bits = int(found.RedPaletteColorLookupTableDescriptor[2])
            stored = apply_color_lut(stored, found)[..., :3]
        else:
            bits = int(found.BitsStored)
        if stored.shape[2] != 3 or stored.dtype.kind != "u":
            raise PictureError(name, f"colours of {stored.shape[2]} channels of {stored.dtype}: expected RGB")
        if bits != 8:
            stored = np.rint(np.minimum(stored / (2.0**bits - 1), 1) * 255)
        colours: NDArray[np.uint8] = stored.astype(np.uint8)
        return colours


@contextmanager
def _damage_is_told(frame: Frame, name: str) -> Iterator[None]:
    """Whatever goes wrong becomes a PictureError that quotes nothing of the file, and refers to nothing that does."""
    from pydicom.uid import UID

    with quiet_pydicom():
        try:
            _check_syntax(frame, name)
            yield
        except PictureError:
            raise
        except Exception as error:  # pydicom raises whatever the damage leads it to
            reason = f"damaged or cut off ({type(error).__name__})"
            if isinstance(error, RuntimeError) and frame.syntax:  # of its decoders; as with JPEG Extended of 12 bits
                reason = f"{reason}, or {_needs_package(UID(frame.syntax).name)}"
            raise PictureError(name, reason) from None


def _check_syntax(frame: Frame, name: str) -> None:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    syntax = UID(frame.syntax)
    try:
        ready = not frame.syntax or get_decoder(syntax).is_available
    except NotImplementedError:
        known = syntax.name if syntax.name != frame.syntax else "an unknown transfer syntax"
        raise PictureError(name, f"stored as {known}, which is not supported: convert it") from None
    if not ready:
        raise PictureError(name, _needs_package(syntax.name))


def _needs_package(syntax: str) -> str:
    return f"compressed as {syntax}, which needs pylibjpeg: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"


def _stored(file: IO[bytes], frame: Frame) -> tuple[NDArray[Any], Dataset]:
    """What is stored, [H, W] or [H, W, C] (YBR turned to RGB, unused bits cleared), and the tags that say more."""
    from pydicom import dcmread
    from pydicom.dataset import Dataset
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if frame.of == 1 or frame.syntax in ("", DEFLATED):  # only of the others can single frames be sought
        found: Dataset = dcmread(file, force=True)
        implicit, little = found.original_encoding
        if not frame.syntax:
            plain = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            found.file_meta.TransferSyntaxUID = plain if little else ExplicitVRBigEndian
        pixels = pixel_array(found, index=frame.number)
    else:
        found = Dataset()
        pixels = pixel_array(file, ds_out=found, index=frame.number)  # type: ignore[arg-type]
    if pixels.shape[:2] != (frame.header.height, frame.header.width) or (pixels.ndim == 3) > frame.colour:
        raise ValueError("not of the size that is declared")
    return pixels, found


def _measured(stored: NDArray[Any], found: Dataset, frame: Frame) -> Values:
    """The modality LUT: PS3.3 C.11.1."""
    values = stored.astype(np.float64)
    if found.get("ModalityLUTSequence"):
        return _looked_up(values, found.ModalityLUTSequence[0], found)[0]
    return values * frame.slope + frame.intercept


def _looked_up(values: Values, table: Dataset, found: Dataset) -> tuple[Values, int]:
    """Values through a LUT (PS3.3 C.11.1.1 and C.11.2.1.1), and the highest that it can give.

    Not pydicom's: that keeps places in the type of the values, where those of a long table of 8 bits wrap around.
    """
    entries, first, bits = (int(number) for number in table.LUTDescriptor)
    data = table.LUTData
    if isinstance(data, bytes):
        packed = bits <= 8 and len(data) < 2 * (entries or 1 << 16)
        little = found.original_encoding[1] is not False
        levels = np.frombuffer(data, np.uint8 if packed else "<u2" if little else ">u2").astype(np.float64)
    else:
        levels = np.atleast_1d(np.asarray(data, np.float64))
    levels = levels[: entries or 1 << 16]
    places = np.clip(np.rint(values) - first, 0, len(levels) - 1).astype(np.int64)
    return levels[places], (1 << bits) - 1


def _padding(stored: NDArray[Any], found: Dataset) -> NDArray[np.bool_]:
    """Where stored values are padding: PS3.3 C.7.5.1.1.2."""
    value = found.get("PixelPaddingValue")
    if not isinstance(value, int) or stored.dtype.kind not in "iu":
        return np.zeros(stored.shape, np.bool_)
    limit = found.get("PixelPaddingRangeLimit")
    ends = [_as_stored(end, stored.dtype) for end in (value, limit if isinstance(limit, int) else value)]
    return (stored >= min(ends)) & (stored <= max(ends))


def _as_stored(value: int, dtype: np.dtype[Any]) -> int:
    """A number of 16 bits as the pixels' own type has it: files often declare a negative one as unsigned."""
    bits = 8 * dtype.itemsize
    value %= 1 << bits
    return value - (1 << bits) if dtype.kind == "i" and value >> (bits - 1) else value
