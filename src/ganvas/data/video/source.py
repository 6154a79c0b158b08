"""Videos as sources of pictures: one file, or a folder of them. Any frame can be had, and is exactly that frame.

A frame is known by its presentation time, not by a rate: opening lists the times of all packets without decoding them,
and the k-th of these times is frame k. To reach it, decoding begins at the last key frame that is not later. In the few
files that state no such times frames are counted from the front instead.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import SourceDefaults
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.download import Progress
from ganvas.data.options import SourceOptions
from ganvas.data.video.container import VideoError
from ganvas.data.video.frames import pixels_of
from ganvas.data.video.player import Player
from ganvas.data.video.scan import Video, scan
from ganvas.errors import GanvasError, UsageError

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


class VideoSource(SourceDefaults):
    """Frames of videos, named "clip.mp4[000120]" by their place in the video. Those of one video are one group."""

    in_order = True

    def __init__(self, name: str, videos: Sequence[Video], every: int | None, notes: tuple[str, ...]) -> None:
        self.name = name
        self._videos = videos
        self._steps = [video.step(every) for video in videos]
        counts = [len(range(0, len(v.times), step)) for v, step in zip(videos, self._steps, strict=True)]
        self._ends: NDArray[np.int64] = np.cumsum(counts)
        self._player: Player | None = None
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
                    self._player = Player(video)
                decoded = self._player.frame(frame)
            except (VideoError, OSError) as error:  # changed since it was opened
                self.close()
                raise PictureError(self.names[index], f"the video {error}") from error
            if decoded is None:
                raise PictureError(self.names[index], "cannot be decoded: the video is damaged there")
            return pixels_of(decoded, video.matrix, self.names[index])

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
            return VideoSource(name, [scan(path.name, path, progress)], every, ())
        except VideoError as error:
            raise GanvasError(f"{name} {error}") from error
    videos, refused = [], []
    for relative in _videos_in(path):
        try:
            videos.append(scan(relative, path / relative, progress))
        except VideoError as error:
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


def _remarks(videos: Sequence[Video]) -> list[str]:
    """Each remark once, with the first video it is about and the number of others."""
    about: dict[str, list[str]] = {}
    for video in videos:
        for remark in video.remarks:
            about.setdefault(remark, []).append(video.name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {remark}"
        for remark, names in about.items()
    ]
