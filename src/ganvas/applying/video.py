"""A video through the network, frame by frame: sound, rate and times as they were, and whether the result flickers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.applying.chain import Chain
from ganvas.applying.inputs import Job
from ganvas.applying.painting import Mask, Show, gathered
from ganvas.applying.reading import Facts, Read, check_mask, for_model
from ganvas.data.decode import PictureError
from ganvas.data.video.container import VideoError, opened, reason_of
from ganvas.data.video.frames import display_matrix, is_deep, pixels_of
from ganvas.images import Integers

if TYPE_CHECKING:
    from av import VideoFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

_IN_MP4 = frozenset(("aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus"))  # sound that players expect there
_ENCODERS = (("libx264", {"crf": "17", "preset": "medium"}), ("mpeg4", {"qscale": "2"}))


@dataclass(frozen=True)
class Filmed:
    """What became of one video. flicker: of the output, less that of the input, in grey levels of 255."""

    frames: int
    codec: str
    sound: str
    change_before: float
    change_after: float
    notes: tuple[str, ...]

    @property
    def flicker(self) -> float:
        return self.change_after - self.change_before

    def to_json(self) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "codec": self.codec,
            "sound": self.sound or None,
            "change_between_frames": {"input": round(self.change_before, 3), "output": round(self.change_after, 3)},
            "flicker": round(self.flicker, 3),
        }

    def words(self) -> str:
        """One line."""
        sound = f"sound kept ({self.sound})" if self.sound else "no sound"
        return (
            f"{self.frames} frames, {self.codec}, {sound}; neighbouring frames differ by {self.change_after:.2f} grey "
            f"levels, in the input by {self.change_before:.2f}: flicker {self.flicker:+.2f}"
        )


def suffix_for(path: Path, name: str) -> str:
    """ ".mp4", or ".mkv" where MP4 cannot hold the sound as it is. Raises PictureError."""
    try:
        with path.open("rb") as file, opened(file) as (container, _):
            return ".mp4" if all(s.codec_context.name in _IN_MP4 for s in _sounds(container)) else ".mkv"
    except VideoError as error:
        raise PictureError(name, str(error)) from error


def film(chain: Chain, job: Job, target: Path, suffix: str, mask: Mask | None, show: Show) -> Filmed:
    """Paint every frame of a video into `target`, a container of that suffix. Raises PictureError, and OSError."""
    import av

    kind = {".mp4": "mp4", ".mkv": "matroska"}[suffix]
    try:
        with job.source.open("rb") as file, opened(file) as (container, stream):
            base = stream.time_base or Fraction(1, 1000)
            keeps_base = kind == "mp4" and base.numerator == 1
            options = {"video_track_timescale": str(base.denominator)} if keeps_base else {}
            with av.open(str(target), "w", format=kind, options=options) as out:
                return _Filming(chain, job, mask, container, stream, out).run(show)
    except VideoError as error:
        raise PictureError(job.name, str(error)) from error
    except av.FFmpegError as error:
        raise PictureError(job.name, f"cannot be read to its end, or not written ({reason_of(error)})") from error


class _Filming:
    """One video on its way."""

    def __init__(
        self,
        chain: Chain,
        job: Job,
        mask: Mask | None,
        container: InputContainer,
        stream: VideoStream,
        out: OutputContainer,
    ) -> None:
        self._chain, self._name, self._mask, self._mask_name = chain, job.name, mask, str(job.mask)
        self._container, self._stream, self._out = container, stream, out
        codec, options = _encoder()
        rate = stream.average_rate or Fraction(25)
        # MPEG-4 counts time in at most 65535 parts of a second.
        base = stream.time_base or 1 / rate
        self._base = base if codec != "mpeg4" else 1 / rate.limit_denominator(1001)
        self._encoder = cast("VideoStream", out.add_stream(codec, rate=rate, options=options))
        self._sounds = {s.index: out.add_stream_from_template(s) for s in _sounds(container)}
        self._frames, self._is_open = 0, False
        self._matrix: NDArray[np.int32] | None = None
        self._notes: list[str] = []
        self._last: tuple[Integers, Integers] | None = None
        self._changes = [0.0, 0.0]

    def run(self, show: Show) -> Filmed:
        """Every packet in its turn: sound is passed on, frames are decoded, painted and encoded."""
        waiting: list[Any] = []  # sound before the first frame: until then nothing can be written
        for packet in self._container.demux([self._stream, *_sounds(self._container)]):
            if packet.stream.index in self._sounds:
                if packet.dts is not None:
                    packet.stream = self._sounds[packet.stream.index]
                    waiting.append(packet)
            else:
                for frame in cast("list[VideoFrame]", packet.decode()):
                    self._add(frame)
                    show(self._frames, max(self._stream.frames, self._frames))
            if self._is_open:
                self._out.mux(waiting)
                waiting = []
        if not self._is_open:
            raise VideoError("holds no frames that can be decoded: copy or make it again")
        self._out.mux(self._encoder.encode(None))
        sound = ", ".join(s.codec_context.name for s in _sounds(self._container))
        before, after = (change / max(1, self._frames - 1) for change in self._changes)
        return Filmed(self._frames, self._encoder.codec_context.name, sound, before, after, tuple(self._notes))

    def _add(self, frame: VideoFrame) -> None:
        """Paint and encode one frame, at its own time."""
        if frame.is_corrupt:
            raise VideoError(f"is damaged at frame {self._frames}: copy or make it again")
        if not self._frames:
            self._matrix = display_matrix(frame)
            if is_deep(frame.format):
                self._notes.append("colours of more than 8 bits are read as 8")
        pixels = pixels_of(frame, self._matrix, self._name)
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
        colour = for_model(Read(pixels, None, Facts(), ""), self._chain.models[0], self._name).colour
        if self._mask is not None and not self._frames:
            check_mask(self._mask, colour.shape[0], colour.shape[1], self._mask_name, self._name)
        rows = self._chain.rows(colour, 8, self._mask)
        painted = gathered(rows, colour.shape[0] * self._chain.scale)
        self._note_change(pixels, painted)
        new = self._encoded(painted[..., :3], frame)
        if not self._is_open:
            self._open(new, frame)
        self._out.mux(self._encoder.encode(new))
        self._frames += 1

    def _encoded(self, painted: Integers, frame: VideoFrame) -> VideoFrame:
        """[H, W, 1 or 3] as a frame of even sides at the time of the old one, by the same matrix of colours."""
        import av

        height, width = painted.shape[:2]
        pixels = np.pad(painted, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.uint8)
        pixels = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
        new = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=_matrix_of(frame.colorspace), dst_color_range="MPEG"
        )
        rate = self._stream.average_rate or Fraction(25)
        time = frame.pts * frame.time_base if frame.pts is not None and frame.time_base else self._frames / rate
        new.pts, new.time_base = round(time / self._base), self._base
        return new

    def _open(self, first: VideoFrame, source: VideoFrame) -> None:
        """Tell the encoder what frames will be like."""
        context = self._encoder.codec_context
        context.width, context.height, context.pix_fmt = first.width, first.height, "yuv420p"
        context.time_base = self._base
        context.colorspace, context.color_range = source.colorspace, first.color_range
        old = self._stream.codec_context
        context.color_primaries, context.color_trc = old.color_primaries, old.color_trc
        if old.sample_aspect_ratio:
            context.sample_aspect_ratio = old.sample_aspect_ratio
        sides = [source.height * self._chain.scale, source.width * self._chain.scale]
        if any(side % 2 for side in sides):
            self._notes.append("its last row or column is repeated: coded frames have even sides")
        self._is_open = True

    def _note_change(self, before: Integers, after: Integers) -> None:
        if self._last is not None:
            for place, (old, new) in enumerate(zip(self._last, (before, after), strict=True)):
                self._changes[place] += float(np.abs(new.astype(np.int16) - old).mean())
        self._last = (before, after)


def _sounds(container: InputContainer) -> list[AudioStream]:
    """Its sound, as far as it can be told what it is."""
    return [stream for stream in container.streams.audio if stream.codec_context]


def _encoder() -> tuple[str, dict[str, str]]:
    """H.264 where this build of PyAV can write it, else MPEG-4."""
    import av

    return next((codec, options) for codec, options in _ENCODERS if codec in av.codecs_available)


def _matrix_of(colorspace: int) -> int:
    """FFmpeg's number of a matrix between RGB and YUV; where a video does not say, as it was decoded: BT.601."""
    return colorspace if colorspace in (1, 4, 7, 9) else 5
