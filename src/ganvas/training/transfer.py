"""Beginning from what another run has learned: its weights, and a discriminator whose first layers stand still."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError, UsageError
from ganvas.model import find_model_folder, load
from ganvas.training.checkpoint import load_newest_checkpoint, network_tensors
from ganvas.training.run_folder import RunFolder, is_run
from ganvas.training.state import TrainState


def begin_from(state: TrainState, path: Path) -> str:
    """Give G, the average and, where it is known, D the weights of a run or a model; what was done, in words.

    A run folder gives all three from its newest checkpoint; a model folder gives G and the average alone. Counters and
    optimisers start anew. Raises GanvasError if there is nothing there or its networks have other shapes.
    """
    if is_run(path):
        checkpoint, _ = load_newest_checkpoint(RunFolder(path).checkpoints)
        if checkpoint is not None:
            images, known = int(checkpoint.counters["images"]), {key.split(".")[0] for key in checkpoint.tensors}
            begun = {name: network for name, network in state.game.players.items() if name in known or name == "G"}
            for name, network in {**begun, "G_ema": state.G_ema}.items():
                _copy(network, name, checkpoint.tensors, path)
            new = "".join(f"; {name} is new" for name in state.game.players if name not in begun)
            begin = f"{' and '.join(begun)} begin{'s' * (len(begun) == 1)}"
            return f"{begin} with the weights of {path} at {images:,} images{new}"
    model = load(find_model_folder(path), device="cpu")
    for network in (state.game.G, state.G_ema):
        _copy(network, "G", network_tensors("G", model.G), path)
    new = "" if state.game.D is None else "; D is new and needs a while to catch up"
    return f"G begins with the weights of {path}{new}"


def freeze_first_layers(D: nn.Module, count: int) -> list[str]:
    """Let the first `count` layers of D that have weights stand still (FreezeD: Mo et al., 2020); their names.

    Raises UsageError if no layer would be left to train.
    """
    layers = [(n, m) for n, m in D.named_modules() if any(True for _ in m.parameters(recurse=False))]
    if count >= len(layers):
        raise UsageError(f"--freeze-d {count} leaves nothing to train: D has {len(layers)} layers with weights")
    for _, layer in layers[:count]:
        layer.requires_grad_(False)
    return [name for name, _ in layers[:count]]


@torch.no_grad()
def _copy(network: nn.Module, name: str, tensors: dict[str, Tensor], path: Path) -> None:
    own = network_tensors(name, network)
    unlike = [key for key in own if key not in tensors or tensors[key].shape != own[key].shape]
    if unlike or len(own) != sum(key.startswith(f"{name}.") for key in tensors):
        key = unlike[0] if unlike else "?"
        theirs, ours = (list(of[key].shape) if key in of else "missing" for of in (tensors, own))
        raise GanvasError(
            f"--init-from {path}: its {name} is another network ({key} is {theirs}, here {ours}): use the same recipe, "
            "width, size, channels and classes"
        )
    network.load_state_dict({key.removeprefix(f"{name}."): tensors[key] for key in own})
