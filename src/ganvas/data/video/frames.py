"""Decoded frames -> pictures: upright, grey or RGB."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.video.container import reason_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.sidedata.sidedata import SideData
    from av.video.format import VideoFormat


def display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """[9] of the transformation that players apply, or None.

    For one frame of a video only: those it is asked of refer to themselves, and stay in memory for long.
    """
    for data in cast("Iterable[SideData]", frame.side_data):
        if data.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(data), np.int32)
    return None


def is_deep(form: VideoFormat) -> bool:
    """Whether values have more than 8 bits."""
    return max(component.bits for component in form.components) > 8


def _is_grey(form: VideoFormat) -> bool:
    return form.name.startswith(("gray", "mono", "ya"))


def keeps_depth(form: VideoFormat) -> bool:
    """Whether more than 8 bits are kept: of grey and RGB. Of YUV they are not: it is nearly always meant for HDR."""
    return is_deep(form) and (_is_grey(form) or form.is_rgb)


def header_of(frame: VideoFrame, matrix: NDArray[np.int32] | None) -> Header:
    """What `pixels_of` gives of such a frame."""
    width, height = frame.width, frame.height
    if matrix is not None and abs(matrix[1]) > abs(matrix[0]):
        width, height = height, width
    return Header(width, height, 1 if _is_grey(frame.format) else 3, 16 if keeps_depth(frame.format) else 8)


def pixels_of(frame: VideoFrame, matrix: NDArray[np.int32] | None, name: str) -> Pixels:
    """[H, W, 1] or [H, W, 3], upright, without transparency: players show none either. Raises PictureError."""
    import av

    names = ("gray", "gray16le") if _is_grey(frame.format) else ("rgb24", "rgb48le")
    try:
        pixels = frame.to_ndarray(format=names[keeps_depth(frame.format)], dst_color_range="JPEG", threads=1)
    except (av.FFmpegError, ValueError) as error:
        raise PictureError(
            name, f"its pixels, {frame.format.name}, cannot be converted ({reason_of(error)})"
        ) from error
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if matrix is not None:  # x' = ax + cy, y' = bx + dy; turns by other than quarters do not occur
        a, b, _, c, d = matrix[:5]
        lying = abs(b) > abs(a)
        pixels = pixels.swapaxes(0, 1) if lying else pixels
        across, down = (c, b) if lying else (a, d)
        pixels = pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
    return cast(Pixels, pixels.copy())  # the decoder may still need its own
