"""What applying needs of a trained network that takes pictures, and what is asked of it before any work."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from ganvas.errors import UsageError

KINDS = {1: "grey", 3: "RGB", 4: "RGBA"}  # of pictures, by their channels


class PaintsConfig(Protocol):
    """What a network takes and gives. See `Paints`."""

    @property
    def in_channels(self) -> int:
        """Channels of its input; for holes one more than the picture has: the mask."""

    @property
    def out_channels(self) -> int:
        """Channels of what it paints."""

    @property
    def scale(self) -> int:
        """Pixels of the output for one of the input, along each side."""

    @property
    def multiple(self) -> int:
        """Height and width of its input are multiples of it."""

    @property
    def reach(self) -> int:
        """Pixels of the input on each side that one of the output depends on; -1: the whole picture."""

    @property
    def masked(self) -> bool:
        """Whether it fills holes: the last channel of its input is then a mask, 1 in the hole and 0 elsewhere."""

    @property
    def direction(self) -> str:
        """AtoB or BtoA of a translation; "" where there is only one."""

    @property
    def keypoints(self) -> tuple[str, ...]:
        """The points that it draws from, one channel each; () for a network that takes pictures."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes it was trained with; () for none."""


class Paints(Protocol):
    """A trained network that takes pictures, ready to paint."""

    @property
    def config(self) -> PaintsConfig:
        """What it takes and gives."""

    @property
    def hash(self) -> str:
        """SHA-256 of its weights."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def paint(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """[N, in_channels, H, W] about [-1, 1] -> [N, out_channels, scale * H, scale * W] about [-1, 1]."""


def picture_channels(config: PaintsConfig) -> int:
    """Channels of the pictures it takes, without a mask."""
    return config.in_channels - config.masked


def check_chain(models: Sequence[Paints]) -> None:
    """Refuse networks that do not take pictures, or not what the one before gives. Raises UsageError."""
    for number, model in enumerate(models, 1):
        config, which = model.config, f"model {number} of {len(models)}" if len(models) > 1 else "this model"
        if config.keypoints and number > 1:
            raise UsageError(f"{which} draws from points, not from pictures: it can only be the first")
        taken = () if config.keypoints else ((picture_channels(config), "takes"),)
        for channels, does in (*taken, (config.out_channels, "paints")):
            if channels not in KINDS:
                raise UsageError(
                    f"{which} {does} {channels} channels, as of label maps: only pictures with 1, 3 or 4 channels can "
                    "be read from files and written to them; call model.paint with tensors instead"
                )
        if config.masked and config.scale != 1:
            raise UsageError(f"{which} fills holes and enlarges by {config.scale}: only one of both can be applied")
    for number, (before, after) in enumerate(pairwise(models), 1):
        given, wanted = before.config.out_channels, picture_channels(after.config)
        if given != wanted and (given, wanted) != (1, 3):
            raise UsageError(
                f"model {number + 1} takes {KINDS[wanted]} pictures, model {number} before it paints {KINDS[given]} "
                "ones: give models that fit each other"
            )


def check_mask(models: Sequence[Paints], given: bool) -> None:
    """Refuse a mask that nobody needs and holes without a mask. Raises UsageError."""
    filling = sum(model.config.masked for model in models)
    if filling and not given:
        raise UsageError("this model fills holes: give --mask FILE or FOLDER, white where the hole is")
    if given and not filling:
        raise UsageError("--mask: this model fills no holes; leave it out, or give a model trained with holes")
    if filling > 1:
        raise UsageError("two of the models fill holes, and there is one mask: apply them in two calls")


def class_indices(models: Sequence[Paints], name: str | None) -> list[int | None]:
    """The number of the class for each model, None for those without classes. Raises UsageError."""
    if name is not None and not any(model.config.class_names for model in models):
        raise UsageError(f"--class {name}: this model was trained without classes. Leave it out")
    return [_class_index(model.config.class_names, name) if model.config.class_names else None for model in models]


def _class_index(names: tuple[str, ...], name: str | None) -> int:
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    if name is None:
        raise UsageError(f"this model paints {len(names)} classes: give --class NAME, one of {shown}")
    if name in names:
        return names.index(name)
    if name.isdigit() and int(name) < len(names):
        return int(name)
    raise UsageError(f"--class {name}: this model knows {len(names)} classes: {shown}")
