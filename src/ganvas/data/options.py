"""How a source is to be read, where there is more than one way, and what is to be made of its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class SourceOptions:
    """What the user says about a source; what does not apply to it is left alone. None: decided by looking.

    labels_file: CSV or JSON lines with one row per picture. image_column, label_column: names of columns (of a
    table, a labels file) or of data sets (HDF5). pairs: A and B beside each other in one picture, or in folders A/
    and B/ under the same name. side: only A or only B of pairs. window: "auto", "file", "percentile" or
    CENTRE/WIDTH in the units of the source, for medical pictures. slices: "all", "middle", "every:N" or "filled"
    (those with enough in them). plane: how a volume is cut. frames_every: of a video, one frame in so many. stream:
    read shards as they are needed, instead of all of them first. keypoints: a file of points in the pictures, which
    become pairs with them; keypoint_sigma: how wide a point is drawn, as a share of the shorter side.
    """

    labels_file: Path | None = None
    image_column: str | None = None
    label_column: str | None = None
    pairs: Literal["side-by-side", "by-name"] | None = None
    side: Literal["A", "B"] | None = None
    window: str = "auto"
    slices: str = "filled"
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    frames_every: int | None = None
    stream: bool = False
    keypoints: Path | None = None
    keypoint_sigma: float = 0.02


@dataclass(frozen=True)
class StoreOptions:
    """What the user asks of a store; None leaves the choice to the survey.

    resolution: (height, width) in pixels. largest: the longest side chosen without it. channels: 1, 3 or 4 (with
    alpha). labels: True requires them, False drops them. matte: the RGB, 0 to 255, under transparent pixels.
    fit: what is done about another aspect, see `ganvas.data.fit`.
    """

    resolution: tuple[int, int] | None = None
    largest: int = 64
    channels: int | None = None
    labels: bool | None = None
    matte: tuple[int, int, int] = (255, 255, 255)
    fit: Literal["crop", "pad", "squash", "patch"] = "crop"


DEFAULT_OPTIONS = SourceOptions()
