"""Any frame of a video, by its number: decoded from the last key frame that is not later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data.video.container import opened
from ganvas.data.video.scan import Video

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

_WORTH_A_SEEK = 16  # frames; fewer are decoded sooner than a key frame is found
_END = (1 << 63) - 1  # later than any time


class Player:
    """One opened video. It decodes forward from where it stands, and goes back to a key frame where it must."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self._open = ExitStack()
        self._before = self._time = -_END  # of the last two frames
        self._frame: VideoFrame | None = None  # the last one
        self._restart()

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()

    def frame(self, number: int) -> VideoFrame | None:
        """The frame of that number, or None if it cannot be decoded."""
        target = int(self.video.times[number])
        key = self._key_before(target)
        if target <= self._before or (key is not None and self._frames_to(key[0]) > _WORTH_A_SEEK):
            self._go_to(key)
        while self._time < target:
            self._before = self._time
            self._time, self._frame = next(self._frames, (_END, None))
        return self._frame if self._time == target else None

    def _frames_to(self, time: int) -> int:
        """How many frames lie between the last one and that time."""
        start, end = np.searchsorted(self.video.times, (self._time, time))
        return int(end - start)

    def _key_before(self, time: int) -> tuple[int, int] | None:
        """Time of the last key frame that is not later, and a place to seek to; None: the beginning."""
        keys = self.video.keys
        place = int(np.searchsorted(keys[:, 0], time, side="right")) - 1
        return (int(keys[place, 0]), int(keys[place, 1])) if place >= 0 else None

    def _restart(self) -> None:
        """Stand before the first frame."""
        self._open.close()
        file = self._open.enter_context(self.video.path.open("rb"))
        self._container, self._stream = self._open.enter_context(opened(file))
        self._stand_before(self._container.demux(self._stream), -_END)

    def _go_to(self, key: tuple[int, int] | None) -> None:
        """Stand before a key frame."""
        import av

        if key is None:
            self._restart()
            return
        time, place = key
        packets = None
        with suppress(av.FFmpegError, OSError):
            self._container.seek(place, stream=self._stream)
            packets = _beginning_at(time, self._container.demux(self._stream))
        if packets is None:  # seeking failed, or led behind it: formats without an index only guess
            self._restart()
            packets = _beginning_at(time, self._container.demux(self._stream), give_up=False)
        self._stand_before(packets or iter(()), time)

    def _stand_before(self, packets: Iterator[Packet[VideoStream]], time: int) -> None:
        """`packets` begin with the key frame of that time: only what is earlier needs going back."""
        self._frames = self._decoded(packets)
        self._before = self._time = time - 1
        self._frame = None

    def _decoded(self, packets: Iterator[Packet[VideoStream]]) -> Iterator[tuple[int, VideoFrame | None]]:
        """Frames with their times; None from damage on up to the next key frame, as all between would be smeared."""
        import av

        decoder, number, damaged, smeared = self._stream.codec_context, 0, False, False
        counted = not len(self.video.keys)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if damaged and not packet.is_keyframe:
                    continue
                frames, damaged = packet.decode(), False
            except (av.FFmpegError, OSError):
                frames, damaged = _rest_of(decoder), True
            for frame in frames:
                smeared = frame.is_corrupt or (smeared and not frame.key_frame)
                time = number if counted else frame.pts
                number += 1
                if time is not None:
                    yield time, None if smeared else frame


def _beginning_at(
    time: int, packets: Iterator[Packet[VideoStream]], give_up: bool = True
) -> Iterator[Packet[VideoStream]] | None:
    """`packets` from the key frame of that time on, or None if it does not come."""
    import av

    with suppress(av.FFmpegError, OSError):
        for packet in packets:
            if packet.is_keyframe and packet.pts == time:
                # What comes later but is shown earlier needs frames before the key frame: it could not be decoded.
                return chain((packet,), (later for later in packets if later.pts is None or later.pts > time))
            if give_up and packet.dts is not None and packet.dts > time:
                return None
    return None


def _rest_of(decoder: VideoCodecContext) -> list[VideoFrame]:
    """What a decoder that met damage still holds; then it is as new."""
    import av

    try:
        return decoder.decode(None)
    except av.FFmpegError:
        return []
    finally:
        decoder.flush_buffers()
