"""Weights of others, read inertly and recognised by their names, written as a model folder of this package."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganvas.converting.architecture import Architecture, Translated
from ganvas.converting.super_resolution import MsrResNet, RrdbNet, SrvggNetCompact
from ganvas.converting.translators import ResnetGenerator, UnetGenerator
from ganvas.converting.weight_files import read_weight_file
from ganvas.degrading.chain import parse
from ganvas.errors import GanvasError, UsageError
from ganvas.hashing import sha256_of
from ganvas.model_folder import CONFIG, WEIGHTS, Origin, find_model_folder
from ganvas.picture_model import PictureConfig, PictureModel

ARCHITECTURES: tuple[Architecture, ...] = (
    RrdbNet(),
    MsrResNet(),
    SrvggNetCompact(),
    ResnetGenerator(),
    UnetGenerator(),
)


@dataclass(frozen=True)
class Converted:
    """What was written: the folder, the model in it, what it is in words, and what should be known of it."""

    folder: Path
    model: Any
    words: str
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        config = self.model.config.model_dump(mode="json")
        return {"schema": 1, "folder": str(self.folder), "words": self.words, "note": self.note, "config": config}


def convert(
    file: str | Path, to: str | Path, *, architecture: str | None = None, degrade: str | None = None
) -> Converted:
    """Write a weight file of a known architecture as the model folder `to`, which appears whole or not at all.

    file: .safetensors, or what torch.save wrote, which is read without running what it asks for; a model of Ganvas is
    copied as it is. architecture: one of the names known, instead of recognising it. degrade: of what enlarges or
    restores, what it repairs, in the words of --degrade [default: lowres by its scale]. Raises UsageError for a folder
    that is there and for words that do not fit, GanvasError for a file that cannot be used.
    """
    path, folder = Path(file).expanduser(), Path(to).expanduser()
    if folder.exists():
        raise UsageError(f"--to {folder} is there already: give a folder that is not")
    if path.is_dir() or (path.name == WEIGHTS and (path.parent / CONFIG).is_file()):
        return _copied(path if path.is_dir() else path.parent, folder, architecture or degrade)
    known = None if architecture is None else _named(architecture)
    tensors = read_weight_file(path)
    known = known or next((one for one in ARCHITECTURES if one.recognises(tensors)), None)
    if known is None:
        raise GanvasError(
            f"{path} is of no architecture known here ({', '.join(one.names[0] for one in ARCHITECTURES)}): its "
            f"tensors are {', '.join(sorted(tensors)[:4])}{' ...' if len(tensors) > 4 else ''}"
        )
    try:
        translated = known.translated(tensors)
    except GanvasError as error:
        raise GanvasError(f"{path} does not fit {known.names[0]}: {error}") from None
    origin = Origin(file=path.name, sha256=sha256_of(path), architecture=known.names[0])
    config = PictureConfig(**translated.config, origin=origin, weights="converted")
    if degrade is not None:
        config = _repairing(config, degrade)
    model = PictureModel(_built(config, translated, path), config)
    model.save(folder)
    return Converted(folder, model, translated.words, translated.note)


def _built(config: PictureConfig, translated: Translated, path: Path) -> torch.nn.Module:
    """The painter with the weights. Raises GanvasError if one has another shape."""
    painter = config.build()
    try:
        painter.load_state_dict(translated.weights, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).splitlines()[1:2]).strip() or str(error)
        raise GanvasError(f"{path} does not fit the network {translated.words}: {reason}") from None
    return painter


def _named(name: str) -> Architecture:
    names = {each: one for one in ARCHITECTURES for each in one.names}
    wanted = name.lower()
    if wanted in names:
        return names[wanted]
    near = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"--as {name}: {hint}Known are {', '.join(names)}")


def _repairing(config: PictureConfig, degrade: str) -> PictureConfig:
    if config.task != "restore":
        raise UsageError(f"--degrade {degrade}: this network translates and repairs nothing: leave it out")
    degradation = parse(degrade)
    if degradation.scale != config.scale or degradation.masked:
        raise UsageError(f"--degrade {degrade}: this network enlarges by {config.scale} and fills no holes")
    return config.model_copy(update={"degradation": degradation.words})


def _copied(source: Path, folder: Path, given: str | None) -> Converted:
    if given is not None:
        raise UsageError(f"{source} is a model of Ganvas already: leave out --as and --degrade")
    from ganvas.model import load

    model = load(find_model_folder(source), device="cpu")
    model.save(folder)
    return Converted(folder, model, "a model of Ganvas already, copied as it is")
