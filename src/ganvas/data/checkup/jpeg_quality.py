"""How strongly a JPEG was compressed, from its quantisation tables, and which other files lost something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# ITU-T T.81, table K.1: what libjpeg scales for the brightness of a picture, in reading order.
_LUMINANCE = np.array(
    (
        (16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        (14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        (18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        (49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    )
).reshape(64)
_QUALITIES = np.arange(1, 101)
_SCALES = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
_TABLES = ((_LUMINANCE * _SCALES[:, None] + 50) // 100).clip(1, 255)  # [100, 64]: libjpeg's table of each quality
_COD = b"\xff\x52"  # the JPEG 2000 marker before the coding style


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """The quality, 1 to 100, whose libjpeg table is nearest to the first of `tables`; None without one of 64 values.

    Exact for what libjpeg wrote; other programs have tables of their own, for which it is the nearest equal.
    """
    if not tables:
        return None
    table = np.asarray(tables[min(tables)])
    if table.shape != (64,):
        return None
    distance = np.abs(np.log(_TABLES) - np.log(table.clip(1))).sum(axis=1)  # ratios are what counts
    return int(_QUALITIES[distance.argmin()])


def webp_is_lossy(data: bytes) -> bool | None:
    """Whether the first picture of a WebP file is of the lossy kind; None if that cannot be told."""
    position = 12  # after "RIFF", the length and "WEBP"
    while position + 8 <= len(data):
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8 "
        # A frame of an animation holds chunks of its own after 16 bytes.
        position += 8 + (16 if kind == b"ANMF" else length + length % 2)
    return None


def jpeg2000_is_lossy(data: bytes) -> bool | None:
    """Whether a JPEG 2000 file uses the wavelet that loses something; None if that cannot be told."""
    position = data.find(_COD)
    if position < 0 or position + 14 > len(data):
        return None
    return data[position + 13] == 0  # 0: the irreversible 9-7 wavelet, 1: the reversible 5-3
