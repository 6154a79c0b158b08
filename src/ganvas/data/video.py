"""Videos as sources of pictures: one file, or a folder of them. Any frame can be had, and is exactly that frame.

A frame is known by its presentation time, not by a rate: opening lists the times of all packets without decoding them,
and the k-th of these times is frame k. To reach it, decoding begins at the last key frame that is not later. In the few
files that state no such times frames are counted from the front instead.

FFmpeg reads the files through PyAV. It is given an opened file and told its format, found from the first bytes: so no
playlist or script is ever followed to other files or addresses, whatever a file is named.
"""

from __future__ import annotations

import hashlib
import os
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import SourceDefaults
from ganvas.data.decode import LARGEST_PIXELS, Header, PictureError, Pixels
from ganvas.data.download import Progress
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.sidedata.sidedata import SideData
    from av.video.codeccontext import VideoCodecContext
    from av.video.format import VideoFormat
    from av.video.stream import VideoStream

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
FRAMES_A_SECOND = 2  # taken by default: neighbours are too alike to teach more

_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")  # that begin MP4 and QuickTime files
_STATES_NO_ORDER = ("h264", "hevc", "vvc", "vc1", "av1")  # in AVI, which has no presentation times
_MOST_OF = 0.9  # of its length a video has pictures, or they may be missing
_LIMIT = f"the {LARGEST_PIXELS // 1_000_000}-megapixel limit"
_PACKETS_TO_TRY = 100  # for a first frame
_WORTH_A_SEEK = 16  # frames; fewer are decoded sooner than a key frame is found
_END = (1 << 63) - 1  # later than any time


class _VideoError(Exception):
    """Why a video cannot be used, as the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class _Video:
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


class VideoSource(SourceDefaults):
    """Frames of videos, named "clip.mp4[000120]" by their place in the video. Those of one video are one group."""

    in_order = True

    def __init__(self, name: str, videos: Sequence[_Video], every: int | None, notes: tuple[str, ...]) -> None:
        self.name = name
        self._videos = videos
        self._steps = [video.step(every) for video in videos]
        counts = [len(range(0, len(v.times), step)) for v, step in zip(videos, self._steps, strict=True)]
        self._ends: NDArray[np.int64] = np.cumsum(counts)
        self._player: _Player | None = None
        self._lock = threading.Lock()
        self.names: Sequence[str] = [
            f"{video.name}[{frame:06d}]"
            for video, step in zip(videos, self._steps, strict=True)
            for frame in range(0, len(video.times), step)
        ]
        layout = labelling.read_layout(self.names)
        found = labelling.labels_from_folders(layout)
        self.labels: NDArray[np.int64] | None = found.labels
        self.class_names: tuple[str, ...] = found.class_names
        self.labels_note = found.note
        self.held_out: NDArray[np.bool_] = layout.held_out
        self.groups: NDArray[np.int64] | None = np.repeat(np.arange(len(videos), dtype=np.int64), counts)
        chosen = _sentence_on_choice(self._steps, every, len(self.names), sum(len(v.times) for v in videos))
        self.notes: tuple[str, ...] = (chosen, *notes, *_remarks(videos), *layout.notes)
        digest = hashlib.sha256(b"video")
        for video, step in zip(videos, self._steps, strict=True):
            status = video.path.stat()
            digest.update(b"%s\0%d\0%d\0%d\0" % (os.fsencode(video.name), status.st_size, status.st_mtime_ns, step))
        self.fingerprint = digest.hexdigest()

    def read(self, index: int) -> Pixels:
        """One frame, upright: [H, W, 3] or, of grey videos, [H, W, 1], uint8 or uint16. Raises PictureError."""
        place, frame = self._find(index)
        video = self._videos[place]
        with self._lock:  # there is one decoder, and it has a position
            try:
                if self._player is None or self._player.video is not video:
                    self.close()
                    self._player = _Player(video)
                decoded = self._player.frame(frame)
            except (_VideoError, OSError) as error:  # changed since it was opened
                self.close()
                raise PictureError(self.names[index], f"the video {error}") from error
            if decoded is None:
                raise PictureError(self.names[index], "cannot be decoded: the video is damaged there")
            return _pixels(decoded, video.matrix, self.names[index])

    def header(self, index: int) -> Header:
        """What the first frame of the same video is. Raises no error: nothing is read."""
        return self._videos[self._find(index)[0]].header

    def close(self) -> None:
        """Let go of the file that is open."""
        if self._player is not None:
            self._player.close()
            self._player = None

    def _find(self, index: int) -> tuple[int, int]:
        """Which video, and which of its frames."""
        if not 0 <= index < len(self.names):
            raise IndexError(index)
        place = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        return place, (index - before) * self._steps[place]


def is_video(path: Path) -> bool:
    """Whether a file is named as videos are."""
    return path.suffix.lower() in SUFFIXES


def open_video(name: str, path: Path, options: SourceOptions, progress: Progress | None = None) -> VideoSource:
    """One video, or all those in a folder and its sub-folders, as pictures: one frame in `options.frames_every`.

    Without that number about 2 frames a second are taken. Opening reads through every file, but decodes one frame of
    each; `progress` is called with the file, bytes done and bytes in all. Raises UsageError for a number below 1,
    GanvasError if there is no video that can be read.
    """
    every = options.frames_every
    if every is not None and every < 1:
        raise UsageError(f"frames-every {every} cannot be: 1 takes every frame, 2 every other one, and so on")
    _require_av()
    if not path.is_dir():
        try:
            return VideoSource(name, [_scan(path.name, path, progress)], every, ())
        except _VideoError as error:
            raise GanvasError(f"{name} {error}") from error
    videos, refused = [], []
    for relative in _videos_in(path):
        try:
            videos.append(_scan(relative, path / relative, progress))
        except _VideoError as error:
            refused.append(f"{relative} {error}")
    if not videos:
        found = f"none of its {len(refused)} videos can be used ({refused[0]})" if refused else "it holds no videos"
        raise GanvasError(f"{name}: {found}: give a folder with {', '.join(SUFFIXES)} files")
    more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    return VideoSource(name, videos, every, (f"left out: {refused[0]}{more}",) if refused else ())


def _require_av() -> None:
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise GanvasError('reading videos needs av, which is not installed: pip install "ganvas[data]"') from error


def _videos_in(folder: Path) -> list[str]:
    """Relative paths in natural order, without hidden files."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if is_video(path) and path.is_file())
    return labelling.natural_sorted(path.as_posix() for path in found if not any(p.startswith(".") for p in path.parts))


def _sentence_on_choice(steps: Sequence[int], every: int | None, used: int, count: int) -> str:
    least, most = min(steps), max(steps)
    one_in = f"1 frame in {least}" if least == most else f"1 frame in {least} to {most}"
    if most == 1:
        one_in = "every frame"
    because = "" if every is not None else ", about 2 a second (frames-every chooses another number)"
    return f"{one_in} is used{because}: {used} of {count}"


def _remarks(videos: Sequence[_Video]) -> list[str]:
    """Each remark once, with the first video it is about and the number of others."""
    about: dict[str, list[str]] = {}
    for video in videos:
        for remark in video.remarks:
            about.setdefault(remark, []).append(video.name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {remark}"
        for remark, names in about.items()
    ]


def _format_of(head: bytes) -> str | None:
    """FFmpeg's name of the container that begins with `head`, of the few that are let in."""
    if head[4:8] in _BOXES:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:11] == b"AVI":
        return "avi"
    if head.startswith(b"\0\0\1\xba"):
        return "mpeg"
    if len(head) > 188 and head[0] == head[188] == 0x47:
        return "mpegts"
    return None


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A container and its video. Raises _VideoError."""
    import av

    head = file.read(189)
    file.seek(0)
    found = _format_of(head)
    if found is None:
        kind = "is empty" if not head else "does not begin as MP4, QuickTime, Matroska, WebM, AVI or MPEG files do"
        raise _VideoError(f"{kind}: copy it again, or convert it, for example to MP4")

    def nothing_else(url: str, _flags: int, _options: dict[str, str]) -> IO[bytes]:
        raise PermissionError(f"it refers to {url}")

    try:
        container = av.open(
            file,
            "r",
            format=found,
            options={"max_pixels": str(LARGEST_PIXELS)},
            metadata_errors="replace",
            buffer_size=1 << 17,
            io_open=nothing_else,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _VideoError(f"cannot be read ({_reason(error)}): damaged or cut off; copy or make it again") from error
    with container:
        yield container, _video_of(container)


def _video_of(container: InputContainer) -> VideoStream:
    """The first video that is no cover picture, ready to be decoded. Raises _VideoError."""
    from av.codec.context import ThreadType
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise _VideoError("holds no video, only sound or a cover picture")
    stream, decoder = streams[0], streams[0].codec_context
    if not decoder:
        raise _VideoError("is coded in a way that cannot be decoded here: convert it, for example to H.264")
    if decoder.width * decoder.height > LARGEST_PIXELS:
        raise _VideoError(f"declares frames of {decoder.width}x{decoder.height} pixels, more than {_LIMIT}")
    decoder.options = {"max_pixels": str(LARGEST_PIXELS)}
    # Several frames at a time would be faster, but then it is not known which one was damaged.
    decoder.thread_count, decoder.thread_type = 2, ThreadType.SLICE
    return stream


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """[9] of the transformation that players apply, or None.

    For one frame of a video only: those it is asked of refer to themselves, and stay in memory for long.
    """
    for data in cast("Iterable[SideData]", frame.side_data):
        if data.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(data), np.int32)
    return None


def _scan(name: str, path: Path, progress: Progress | None) -> _Video:
    """The times of all frames, from the packets, and what the first frame is like. Raises _VideoError."""
    import av

    times, keys, remarks = array("q"), array("q"), []
    ordered, latest, first, tried = True, None, None, 0
    try:
        with path.open("rb") as file, _opened(file) as (container, stream):
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
                remarks.append(f"damaged after frame {len(times)} ({_reason(error)}): what follows is left out")
            if not times:
                raise _VideoError("holds no frames: it is damaged or cut off; copy or make it again")
            if first is None:
                why = f"none of its first {tried} frames can, or they are beyond {_LIMIT}"
                raise _VideoError(f"cannot be decoded: {why}; copy or make it again")
            if len(times) < stream.frames:
                remarks.append(f"{stream.frames} frames are declared but {len(times)} are there: is it cut off?")
            elif not stream.frames and container.duration and len(times) > 1 and stream.time_base:
                shown_s, declared_s = float((max(times) - min(times)) * stream.time_base), container.duration / 1e6
                if shown_s < _MOST_OF * declared_s - 1:
                    remarks.append(f"lasts {declared_s:.0f} s, its pictures only {shown_s:.0f} s: is it cut off?")
            aspect = stream.sample_aspect_ratio
            if aspect is not None and aspect not in (0, 1):
                remarks.append(f"pixels are {aspect.numerator}:{aspect.denominator}, not square: kept as they are")
            if _is_deep(first.format) and not _keeps_depth(first.format):
                remarks.append("colours of more than 8 bits are read as 8")
            if progress is not None:
                progress(path.name, size, size)
            ordered = ordered and len(keys) > 0
            found = np.array(times, np.int64)
            shown = np.unique(found)  # two fields of one frame share a time
            rate = float(stream.average_rate) if stream.average_rate else None
            if ordered and len(shown) > 1 and stream.time_base:
                rate = float((len(shown) - 1) / ((int(shown[-1]) - int(shown[0])) * stream.time_base))
            matrix = _display_matrix(first)
            pairs = np.array(keys, np.int64).reshape(-1, 2)
            return _Video(
                name,
                path,
                times=shown if ordered else np.arange(len(found)),
                keys=pairs[pairs[:, 0].argsort()] if ordered else pairs[:0],
                header=_header(first, matrix),
                matrix=matrix,
                rate=rate,
                remarks=tuple(remarks),
            )
    except OSError as error:
        raise _VideoError(f"cannot be read ({error.strerror or error})") from error


def _first_of(packet: Packet[VideoStream]) -> VideoFrame | None:
    import av

    try:
        return next(iter(packet.decode()), None)
    except av.FFmpegError:
        return None


class _Player:
    """One opened video. It decodes forward from where it stands, and goes back to a key frame where it must."""

    def __init__(self, video: _Video) -> None:
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
        self._container, self._stream = self._open.enter_context(_opened(file))
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


def _is_deep(form: VideoFormat) -> bool:
    return max(component.bits for component in form.components) > 8


def _is_grey(form: VideoFormat) -> bool:
    return form.name.startswith(("gray", "mono", "ya"))


def _keeps_depth(form: VideoFormat) -> bool:
    """Whether more than 8 bits are kept: of grey and RGB. Of YUV they are not: it is nearly always meant for HDR."""
    return _is_deep(form) and (_is_grey(form) or form.is_rgb)


def _header(frame: VideoFrame, matrix: NDArray[np.int32] | None) -> Header:
    width, height = frame.width, frame.height
    if matrix is not None and abs(matrix[1]) > abs(matrix[0]):
        width, height = height, width
    return Header(width, height, 1 if _is_grey(frame.format) else 3, 16 if _keeps_depth(frame.format) else 8)


def _pixels(frame: VideoFrame, matrix: NDArray[np.int32] | None, name: str) -> Pixels:
    """[H, W, 1] or [H, W, 3], upright, without transparency: players show none either. Raises PictureError."""
    import av

    names = ("gray", "gray16le") if _is_grey(frame.format) else ("rgb24", "rgb48le")
    try:
        pixels = frame.to_ndarray(format=names[_keeps_depth(frame.format)], dst_color_range="JPEG", threads=1)
    except (av.FFmpegError, ValueError) as error:
        raise PictureError(name, f"its pixels, {frame.format.name}, cannot be converted ({_reason(error)})") from error
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if matrix is not None:  # x' = ax + cy, y' = bx + dy; turns by other than quarters do not occur
        a, b, _, c, d = matrix[:5]
        lying = abs(b) > abs(a)
        pixels = pixels.swapaxes(0, 1) if lying else pixels
        across, down = (c, b) if lying else (a, d)
        pixels = pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
    return cast(Pixels, pixels.copy())  # the decoder may still need its own
