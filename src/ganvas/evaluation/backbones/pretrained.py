"""Vision transformers by `transformers`, from the Hub at one commit or from a folder.

`transformers` builds the network and knows how its tensors are called; fetching, hashes and pictures are ours.
Weights are read as safetensors only, and no code of a repository is ever run.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from ganvas.data.download import OFFLINE_VARIABLE, is_offline
from ganvas.errors import GanvasError
from ganvas.evaluation.backbones.torch_file import Keep, read_torch_file
from ganvas.evaluation.backbones.weights import CONFIG, HUB, OTHERWISE, WEIGHTS, HubFile, check_hash, made_once
from ganvas.hashing import sha256_of
from ganvas.weights import save_weights

INSTALL = 'pip install "ganvas[features]"'


@dataclass(frozen=True)
class Pretrained:
    """A folder with config.json and model.safetensors, what the network in it is called, and its SHA-256."""

    folder: Path
    name: str
    sha256: str


def published(row: HubFile, keep: Keep = lambda name: True) -> Pretrained:
    """The files of that row, fetched if they are not here.

    keep: which tensors are wanted of a file of torch.save. Raises GanvasError if a file is not here and cannot be had,
    or is not the published one.
    """
    _transformers()  # before a gigabyte is fetched in vain
    if row.file.endswith(".safetensors"):
        weights = _hub_file(row, row.file)
        check_hash(weights, row.sha256, row.backbone)
        _hub_file(row, CONFIG)  # lies beside it then
        return Pretrained(weights.parent, row.backbone, row.sha256)

    def make(folder: Path) -> None:
        weights = _hub_file(row, row.file)
        check_hash(weights, row.sha256, row.backbone)
        shutil.copyfile(_hub_file(row, CONFIG), folder / CONFIG)
        save_weights(folder / WEIGHTS, read_torch_file(weights, keep))

    return Pretrained(made_once(row.backbone, row.sha256, make), row.backbone, row.sha256)


def in_folder(folder: Path, kind: str) -> Pretrained:
    """The user's own: called by its published name if it is one of the table, else "KIND from FOLDER".

    Raises GanvasError if a file is missing.
    """
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise GanvasError(f"{folder} has no {file}: give a folder with {CONFIG} and {WEIGHTS}, as the Hub has them")
    found = sha256_of(folder / WEIGHTS)
    known = [row.backbone for row in HUB.values() if row.sha256 == found]
    return Pretrained(folder, known[0] if known else f"{kind} from {folder.name}", found)


def load_pretrained(folder: Path, model: str) -> tuple[nn.Module, Any]:
    """The class `model` of transformers with the weights of a folder, in float32 and evaluation mode; its config.

    Raises GanvasError if a tensor is missing, or the folder holds another kind of network.
    """
    transformers = _transformers()
    with _quiet(transformers):
        try:
            net, info = getattr(transformers, model).from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise GanvasError(f"{folder} cannot be loaded as {model} ({reason}): give a folder of that kind") from error
    missing = sorted([*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])])
    if missing:
        raise GanvasError(f"{folder / WEIGHTS} lacks {missing[0]} of {model}: give the weights of that network")
    assert isinstance(net, nn.Module), "every model of transformers is one"
    return net.float().eval().requires_grad_(False), net.config


def _hub_file(row: HubFile, file: str) -> Path:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise GanvasError(f"{row.backbone} needs huggingface_hub, which is not installed: {INSTALL}") from error
    offline = is_offline() or bool(huggingface_hub.constants.HF_HUB_OFFLINE)
    try:
        found = huggingface_hub.hf_hub_download(row.repository, file, revision=row.revision, local_files_only=offline)
    except (huggingface_hub.errors.HfHubHTTPError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        why = f"HF_HUB_OFFLINE or {OFFLINE_VARIABLE} is set" if offline else reason
        raise GanvasError(
            f"{row.backbone} is not here and cannot be had ({why}): fetch {CONFIG} and {row.file} of {row.repository} "
            f"at revision {row.revision[:12]} while online, or give the folder of its safetensors as NAME:FOLDER; "
            f"{OTHERWISE}"
        ) from error
    return Path(found)


def _transformers() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise GanvasError(f"DINOv2 and CLIP need transformers, which is not installed: {INSTALL}") from error


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No bars and no reports on tensors that are there and not wanted; what is missing is an error of ours."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
