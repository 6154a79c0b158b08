"""PNG files written from top to bottom as rows come, with 8 or 16 bits (ISO/IEC 15948).

Pillow needs the whole picture in memory and has no colour of 16 bits.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ganvas.applying.reading import Facts
from ganvas.images import Integers

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # grey, grey and alpha, RGB, RGBA
_LEVEL = 4  # of zlib, made for filtered rows: photographs are as small as at 6, in half the time
_PIECE = 1 << 20  # bytes of an IDAT chunk


def write_png(
    file: IO[bytes],
    rows: Iterator[Integers],
    height: int,
    width: int,
    channels: int,
    bits: int,
    facts: Facts,
    texts: Mapping[str, str],
) -> None:
    """Write `rows` ([some, width, channels] uint8 or uint16 each, `height` in all) as one PNG."""
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, _COLOUR_TYPES[channels], 0, 0, 0))
    if facts.icc and facts.icc_channels == (1 if channels < 3 else 3):
        _chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(facts.icc))
    if facts.dpi is not None:
        per_metre = [round(value / 0.0254) for value in facts.dpi]
        _chunk(file, b"pHYs", struct.pack(">IIB", *per_metre, 1))
    if facts.exif:
        _chunk(file, b"eXIf", facts.exif)
    for key, value in texts.items():
        _chunk(file, b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + value.encode())
    pixel = channels * bits // 8
    above = np.zeros(width * pixel, np.uint8)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_FILTERED)
    pending, written = bytearray(), 0
    for some in rows:
        if some.shape[1:] != (width, channels) or some.dtype.itemsize * 8 != bits:
            raise ValueError(
                f"rows are {some.shape[1:]} {some.dtype}, the picture is {width}x{channels} of {bits} bits"
            )
        lines = np.ascontiguousarray(some.astype(">u2") if bits == 16 else some).view(np.uint8).reshape(len(some), -1)
        pending += deflate.compress(filtered(lines, above, pixel).tobytes())
        above, written = lines[-1].copy(), written + len(some)
        if len(pending) > _PIECE:
            _chunk(file, b"IDAT", bytes(pending))
            pending.clear()
    if written != height:
        raise ValueError(f"{written} rows came for a picture of {height}")
    _chunk(file, b"IDAT", bytes(pending) + deflate.flush())
    _chunk(file, b"IEND", b"")


def filtered(lines: NDArray[np.uint8], above: NDArray[np.uint8], pixel: int) -> NDArray[np.uint8]:
    """[rows, bytes] -> [rows, 1 + bytes]: of filters 0, 1, 2 and 4 the one with the least sum of differences, by row.

    above: the row before the first. pixel: bytes of one pixel.
    """
    up = np.concatenate([above[None], lines[:-1]])
    left, corner = np.zeros_like(lines), np.zeros_like(lines)
    left[:, pixel:], corner[:, pixel:] = lines[:, :-pixel], up[:, :-pixel]
    each = {0: lines, 1: lines - left, 2: lines - up, 4: lines - _paeth(left, up, corner)}
    costs = np.stack([np.abs(one.view(np.int8).astype(np.int16)).sum(axis=1) for one in each.values()])
    best = costs.argmin(axis=0)
    result = np.empty((len(lines), 1 + lines.shape[1]), np.uint8)
    for place, (kind, one) in enumerate(each.items()):
        chosen = best == place
        result[chosen, 0], result[chosen, 1:] = kind, one[chosen]
    return result


def _paeth(left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of the three neighbours, the one that is nearest to left + up - corner."""
    a, b, c = (one.astype(np.int16) for one in (left, up, corner))
    far_a, far_b, far_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((far_a <= far_b) & (far_a <= far_c), left, np.where(far_b <= far_c, up, corner))


def _chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
