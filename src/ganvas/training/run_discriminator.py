"""The discriminator of a run, as it stood when the run's model was best."""

from __future__ import annotations

from pathlib import Path

import torch

from ganvas.errors import GanvasError
from ganvas.games.table import discriminator_of
from ganvas.model import ModelConfig
from ganvas.networks.contract import Discriminator
from ganvas.training.checkpoint import load_best_checkpoint, restore_network
from ganvas.training.looked_through import unlearned_maps
from ganvas.training.plan import read_settings
from ganvas.training.run_folder import RunFolder, is_run


def load_discriminator(path: Path, config: ModelConfig, device: torch.device) -> tuple[Discriminator, int, list[str]]:
    """D of the run's best checkpoint (of the newest, where that is gone), for evaluation; the images it had seen; and
    what was wrong with checkpoints that were passed over.

    Raises GanvasError if `path` is no run folder, or one without a checkpoint that loads.
    """
    if not is_run(path):
        raise GanvasError(f"{path} is a model without its discriminator: give the run folder that it comes from")
    folder = RunFolder(path)
    checkpoint, problems = load_best_checkpoint(folder.checkpoints)
    if checkpoint is None:
        raise GanvasError(f"{folder.checkpoints} holds no checkpoint that loads, so no discriminator")
    _, settings = read_settings(folder.settings)
    # What D looks through is in the checkpoint too, with what it had learned.
    D = discriminator_of(settings, config, unlearned_maps(config.network, config.channels, config.resolution))
    try:
        restore_network("D", D, checkpoint.tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise GanvasError(f"the checkpoint of {path} does not fit its settings.yaml: {reason}") from None
    return D.to(device).eval().requires_grad_(False), int(checkpoint.counters["images"]), problems
