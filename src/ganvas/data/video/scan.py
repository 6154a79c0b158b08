"""What opening learns of a video: the times of its frames, from all packets, and what the first frame is like."""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganvas.data.decode import Header
from ganvas.data.download import Progress
from ganvas.data.video.container import LIMIT, VideoError, opened, reason_of
from ganvas.data.video.frames import display_matrix, header_of, is_deep, keeps_depth

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream

FRAMES_A_SECOND = 2  # taken by default: neighbours are too alike to teach more
_STATES_NO_ORDER = ("h264", "hevc", "vvc", "vc1", "av1")  # in AVI, which has no presentation times
_MOST_OF = 0.9  # of its length a video has pictures, or they may be missing
_PACKETS_TO_TRY = 100  # for a first frame


@dataclass(frozen=True)
class Video:
    """What opening learns of one video. times: [F] int64, ascending, in units of the stream, or 0, 1, ... if counted.

    keys: [K, 2] int64, ascending, time and a place to seek to, of the frames that decoding can begin with; none if
    counted. matrix: how players turn it, or None. rate: frames a second, or None. remarks: what the user should know.
    """

    name: str
    path: Path
    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    header: Header
    matrix: NDArray[np.int32] | None
    rate: float | None
    remarks: tuple[str, ...]

    def step(self, every: int | None) -> int:
        """One frame in so many is used: as asked for, or about two a second."""
        return every or max(1, round((self.rate or 0) / FRAMES_A_SECOND))


def scan(name: str, path: Path, progress: Progress | None) -> Video:
    """The times of all frames, from the packets, and what the first frame is like. Raises VideoError."""
    import av

    times, keys, remarks = array("q"), array("q"), []
    ordered, latest, first, tried = True, None, None, 0
    try:
        with path.open("rb") as file, opened(file) as (container, stream):
            size = os.fstat(file.fileno()).st_size
            ordered = not (container.format.name == "avi" and stream.codec_context.name in _STATES_NO_ORDER)
            try:
                for packet in container.demux(stream):
                    if first is None and tried < _PACKETS_TO_TRY:
                        first, tried = _first_of(packet), tried + 1
                    if packet.size == 0 or packet.is_discard:
                        continue
                    ordered = ordered and packet.pts is not None
                    if packet.dts is not None:  # going back, a second recording begins, with times of its own
                        ordered, latest = ordered and (latest is None or packet.dts >= latest), packet.dts
                    time = packet.pts or 0
                    times.append(time)
                    if packet.is_keyframe:
                        keys.extend((time, time if packet.dts is None else min(time, packet.dts)))
                    if progress is not None and len(times) % 1000 == 0:
                        progress(path.name, packet.pos or 0, size)
            except (av.FFmpegError, OSError) as error:
                remarks.append(f"damaged after frame {len(times)} ({reason_of(error)}): what follows is left out")
            if not times:
                raise VideoError("holds no frames: it is damaged or cut off; copy or make it again")
            if first is None:
                why = f"none of its first {tried} frames can, or they are beyond {LIMIT}"
                raise VideoError(f"cannot be decoded: {why}; copy or make it again")
            if len(times) < stream.frames:
                remarks.append(f"{stream.frames} frames are declared but {len(times)} are there: is it cut off?")
            elif not stream.frames and container.duration and len(times) > 1 and stream.time_base:
                shown_s, declared_s = float((max(times) - min(times)) * stream.time_base), container.duration / 1e6
                if shown_s < _MOST_OF * declared_s - 1:
                    remarks.append(f"lasts {declared_s:.0f} s, its pictures only {shown_s:.0f} s: is it cut off?")
            aspect = stream.sample_aspect_ratio
            if aspect is not None and aspect not in (0, 1):
                remarks.append(f"pixels are {aspect.numerator}:{aspect.denominator}, not square: kept as they are")
            if is_deep(first.format) and not keeps_depth(first.format):
                remarks.append("colours of more than 8 bits are read as 8")
            if progress is not None:
                progress(path.name, size, size)
            ordered = ordered and len(keys) > 0
            found = np.array(times, np.int64)
            shown = np.unique(found)  # two fields of one frame share a time
            rate = float(stream.average_rate) if stream.average_rate else None
            if ordered and len(shown) > 1 and stream.time_base:
                rate = float((len(shown) - 1) / ((int(shown[-1]) - int(shown[0])) * stream.time_base))
            matrix = display_matrix(first)
            pairs = np.array(keys, np.int64).reshape(-1, 2)
            return Video(
                name,
                path,
                times=shown if ordered else np.arange(len(found)),
                keys=pairs[pairs[:, 0].argsort()] if ordered else pairs[:0],
                header=header_of(first, matrix),
                matrix=matrix,
                rate=rate,
                remarks=tuple(remarks),
            )
    except OSError as error:
        raise VideoError(f"cannot be read ({error.strerror or error})") from error


def _first_of(packet: Packet[VideoStream]) -> VideoFrame | None:
    import av

    try:
        return next(iter(packet.decode()), None)
    except av.FFmpegError:
        return None
