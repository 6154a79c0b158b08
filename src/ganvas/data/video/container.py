"""A video file, opened: which containers are let in, and the stream of pictures in them.

FFmpeg reads the files through PyAV. It is given an opened file and told its format, found from the first bytes: so no
playlist or script is ever followed to other files or addresses, whatever a file is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from ganvas.data.decode import LARGEST_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")  # that begin MP4 and QuickTime files
LIMIT = f"the {LARGEST_PIXELS // 1_000_000}-megapixel limit"


class VideoError(Exception):
    """Why a video cannot be used, as the end of a sentence that begins with its name."""


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
def opened(file: IO[bytes]) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A container and its video. Raises VideoError."""
    import av

    head = file.read(189)
    file.seek(0)
    found = _format_of(head)
    if found is None:
        kind = "is empty" if not head else "does not begin as MP4, QuickTime, Matroska, WebM, AVI or MPEG files do"
        raise VideoError(f"{kind}: copy it again, or convert it, for example to MP4")

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
        raise VideoError(f"cannot be read ({reason_of(error)}): damaged or cut off; copy or make it again") from error
    with container:
        yield container, _video_of(container)


def _video_of(container: InputContainer) -> VideoStream:
    """The first video that is no cover picture, ready to be decoded. Raises VideoError."""
    from av.codec.context import ThreadType
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise VideoError("holds no video, only sound or a cover picture")
    stream, decoder = streams[0], streams[0].codec_context
    if not decoder:
        raise VideoError("is coded in a way that cannot be decoded here: convert it, for example to H.264")
    if decoder.width * decoder.height > LARGEST_PIXELS:
        raise VideoError(f"declares frames of {decoder.width}x{decoder.height} pixels, more than {LIMIT}")
    decoder.options = {"max_pixels": str(LARGEST_PIXELS)}
    # Several frames at a time would be faster, but then it is not known which one was damaged.
    decoder.thread_count, decoder.thread_type = 2, ThreadType.SLICE
    return stream


def reason_of(error: BaseException) -> str:
    """What an error says, without the name of the file."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
