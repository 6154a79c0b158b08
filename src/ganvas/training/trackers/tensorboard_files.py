"""TensorBoard: event files in RUN/tb, written by tensorboardX.

tensorboardX because it is one small package that never imports TensorFlow; `torch.utils.tensorboard` needs the whole
viewer with its server, and imports TensorFlow wherever that is installed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter  # type: ignore[import-untyped, unused-ignore]
from tensorboardX.proto.summary_pb2 import Summary  # type: ignore[import-untyped, unused-ignore]

from ganvas.training.trackers.contract import Opening, scalars
from ganvas.training.trackers.places import EVENTS, TENSORBOARD


class TensorBoard:
    """A Tracker. Points of a killed run after its checkpoint are hidden by TensorBoard's own purge mark."""

    settles_s = 0.0

    def __init__(self, opening: Opening) -> None:
        self.identity = TENSORBOARD
        folder = opening.run / TENSORBOARD
        resumed = opening.resume_images
        if not resumed:
            clear(folder)
        self._folder = folder
        self._writer = _writer(folder, resumed)
        table = {**scalars(opening.settings), **{f"run.{k}": v for k, v in scalars(opening.facts).items()}}
        if not resumed and table:
            rows = "\n".join(f"| {name} | {value} |" for name, value in table.items())
            self._writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", 0)

    def log(self, images: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, images)
        self._writer.flush()  # a kill must not take what a checkpoint will not draw again

    def picture(self, name: str, path: Path, images: int) -> None:
        png = path.read_bytes()
        if png[:8] != b"\x89PNG\r\n\x1a\n":
            raise ValueError(f"{path} is not a PNG file")
        width, height, _, kind = struct.unpack(">IIBB", png[16:26])
        channels = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[kind]
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png)
        self._writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), images)
        self._writer.flush()

    def go_back(self, images: int) -> bool:
        self._writer.close()
        if images == 0:
            clear(self._folder)
        self._writer = _writer(self._folder, images)
        return True

    def finish(self, ended: str) -> None:
        self._writer.close()


def _writer(folder: Path, after: int | None) -> SummaryWriter:
    """A further file; points of the files before it that lie after so many images are hidden by a mark in it."""
    part = len(list(folder.glob(EVENTS)))  # files are read in the order of their names: a second, then this
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None, filename_suffix=f".{part:04d}")


def clear(folder: Path) -> None:
    """Remove event files of an earlier run, and nothing else."""
    for path in folder.glob(EVENTS):
        path.unlink(missing_ok=True)
