"""The backbones that have a name, for command line, API and studio; behind this table they are objects."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ganvas.errors import UsageError
from ganvas.evaluation.backbones.clip import clip, of_pictures
from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.backbones.dinov2 import dinov2
from ganvas.evaluation.backbones.inception import Resize, inception_backbone, load_inception
from ganvas.evaluation.backbones.pretrained import in_folder, published
from ganvas.evaluation.backbones.resize import resize_clean, resize_like_tensorflow_1
from ganvas.evaluation.backbones.user_module import backbone_of_function
from ganvas.evaluation.backbones.weights import HUB, INCEPTION, inception_weights
from ganvas.evaluation.features import learn_features

if TYPE_CHECKING:
    from ganvas.data.store import Store

OWN = "own"


def find_backbone(name: str, *, store: Store | None = None, device: torch.device | str = "cpu") -> Backbone:
    """The backbone of a name; names behind a colon say where its weights lie.

    | name | backbone |
    |---|---|
    | own | a small network trained on the pictures of `store` |
    | inception, inception:FILE | Inception v3 with the FID weights, resized as FID was defined |
    | inception-clean, inception-clean:FILE | the same behind clean-fid's resize |
    | dinov2, dinov2-base, dinov2:FOLDER | DINOv2 ViT-L/14 (of the papers), ViT-B/14, one of a folder |
    | clip, clip:FOLDER | CLIP ViT-B/32, one of a folder |
    | package.module:function | what that function returns: an nn.Module or a Backbone |

    Raises UsageError for another name, and for `own` without a store; GanvasError if weights are not here and cannot
    be had.
    """
    device = torch.device(device)
    known, colon, place = name.partition(":")
    if known == OWN and not colon:
        if store is None:
            raise UsageError("the features `own` are learned from pictures: say which, or choose others")
        return learn_features(store, device=device)
    if known in _NAMED:
        if colon and not place:
            raise UsageError(f"{name}: behind the colon the weights of {known} are expected, a file or folder")
        return _NAMED[known](Path(place).expanduser() if place else None, device)
    if colon:
        return backbone_of_function(name, device)
    near = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there are no features {name!r}: {hint}There are {', '.join(NAMES)}, and package.module:function")


def _inception(resize: Resize) -> Callable[[Path | None, torch.device], Backbone]:
    def make(file: Path | None, device: torch.device) -> Backbone:
        net = load_inception(inception_weights(file), INCEPTION.backbone)
        return inception_backbone(net, INCEPTION.sha256, resize, device)

    return make


def _dinov2(row: str) -> Callable[[Path | None, torch.device], Backbone]:
    def make(folder: Path | None, device: torch.device) -> Backbone:
        return dinov2(in_folder(folder, "dinov2") if folder else published(HUB[row]), device)

    return make


def _clip(folder: Path | None, device: torch.device) -> Backbone:
    return clip(in_folder(folder, "clip") if folder else published(HUB["clip"], of_pictures), device)


_NAMED: dict[str, Callable[[Path | None, torch.device], Backbone]] = {
    "inception": _inception(resize_like_tensorflow_1),
    "inception-clean": _inception(resize_clean),
    "dinov2": _dinov2("dinov2"),
    "dinov2-base": _dinov2("dinov2-base"),
    "clip": _clip,
}
NAMES = (OWN, *_NAMED)
