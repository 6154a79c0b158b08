"""The generators of a run besides its model: the average as it is now, and G itself."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from ganvas.errors import GanvasError, UsageError
from ganvas.hashing import sha256_of_tensors
from ganvas.model import Model, load_generator
from ganvas.picture_model import PictureModel
from ganvas.training.checkpoint import load_newest_checkpoint, restore_network
from ganvas.training.run_folder import RunFolder, is_run

Weights = Literal["best", "last", "raw"]
WORDS = {"last": "averaged, of the last moment", "raw": "not averaged"}


def load_from_run(path: Path, weights: Weights, device: str = "auto") -> Model:
    """The generator of a run by another moment: `last` is the average of the newest checkpoint, `raw` G itself there.

    Raises UsageError if `path` is no run folder, GanvasError if it has no checkpoint that loads.
    """
    return at_moment(load_generator(path, device), path, weights)


AnyModel = TypeVar("AnyModel", Model, PictureModel)


def at_moment(model: AnyModel, path: Path, weights: Weights) -> AnyModel:
    """The model of a run with the weights of another moment; see `load_from_run`."""
    if weights == "best":
        return model
    if not is_run(path):
        raise UsageError(f"--weights {weights} needs a run folder with its checkpoints; {path} holds one model only")
    checkpoint, problems = load_newest_checkpoint(RunFolder(path).checkpoints)
    if checkpoint is None:
        raise GanvasError("; ".join(problems) or f"{path} has no checkpoint: only --weights best can be drawn")
    restore_network("G_ema" if weights == "last" else "G", model.G, checkpoint.tensors)
    own = {
        "images_seen": int(checkpoint.counters["images"]),
        "weights": WORDS[weights],
        "weights_sha256": sha256_of_tensors(model.G.state_dict()),  # not those of model/, so not their hash
    }
    held: AnyModel = model.config.model_copy(update=own).holding(model.G, model.device)
    return held
