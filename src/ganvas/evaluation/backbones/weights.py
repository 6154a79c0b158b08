"""The published weights of feature networks: where they are, how they are known, and how they are kept.

Files are fetched once and checked by their SHA-256. Those of `torch.save` are never unpickled: an inert reader makes a
safetensors file of them, once, in the cache.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ganvas.data.cache import cache_folder, downloads_folder
from ganvas.data.download import Download, Progress, fetch
from ganvas.errors import GanvasError
from ganvas.evaluation.backbones.inception_names import from_published
from ganvas.evaluation.backbones.torch_file import read_torch_file
from ganvas.evaluation.backbones.vgg19 import from_torchvision
from ganvas.hashing import sha256_of
from ganvas.weights import load_weights, save_weights

CONFIG, WEIGHTS, RECORD = "config.json", "model.safetensors", "made-from.json"
OTHERWISE = "or use the data's own features (own), whose distances have other names"
_BY_DIGITS = (
    "its first eight digits are in the file's name; all of them: HyperGAN/HyperGAN on GitHub, docs/image-fid.md"
)


@dataclass(frozen=True)
class PublishedFile:
    """A file that lies at addresses of its own. `stated_at`: where the licence is."""

    backbone: str  # as it stands in passports
    download: Download
    licence: str
    stated_at: str

    @property
    def sha256(self) -> str:
        assert self.download.sha256 is not None, "weights are only taken by their hash"
        return self.download.sha256


@dataclass(frozen=True)
class HubFile:
    """A file of a repository of the Hugging Face Hub, at one commit."""

    backbone: str
    repository: str
    revision: str
    file: str
    size: int
    sha256: str
    licence: str
    stated_at: str


INCEPTION = PublishedFile(
    "inception-v3-fid",
    Download(
        "pt_inception-2015-12-05-6726825d.pth",
        (
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        ),
        95_628_359,
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        None,
        _BY_DIGITS,
    ),
    "Apache-2.0",
    "https://github.com/tensorflow/models/blob/master/LICENSE",
)

VGG19 = PublishedFile(
    "vgg19",
    Download(
        "vgg19-dcbb9e9d.pth",
        ("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",),
        574_673_361,
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        None,
        "its first eight digits are in the file's name; all of them stand alike in several public projects that use it",
    ),
    "BSD-3-Clause, as torchvision; trained on ImageNet",
    "https://github.com/pytorch/vision/blob/main/LICENSE",
)

_DINOV2_LICENCE = "https://github.com/facebookresearch/dinov2/blob/main/LICENSE"

HUB: dict[str, HubFile] = {
    "dinov2": HubFile(
        "dinov2-vit-l-14",
        "facebook/dinov2-large",
        "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
        "model.safetensors",
        1_217_522_888,
        "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23",
        "Apache-2.0",
        _DINOV2_LICENCE,
    ),
    "dinov2-base": HubFile(
        "dinov2-vit-b-14",
        "facebook/dinov2-base",
        "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
        "model.safetensors",
        346_345_912,
        "d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841",
        "Apache-2.0",
        _DINOV2_LICENCE,
    ),
    "clip": HubFile(
        "clip-vit-b-32",
        "openai/clip-vit-base-patch32",
        "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
        "pytorch_model.bin",  # at this commit there is no safetensors file
        605_247_071,
        "a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f",
        "MIT",
        "https://github.com/openai/CLIP/blob/main/LICENSE",
    ),
}


def inception_weights(
    file: Path | None = None, row: PublishedFile = INCEPTION, progress: Progress | None = None
) -> dict[str, Tensor]:
    """The weights of the FID network by our names, from `file`, the cache or the network, in this order of asking.

    Raises GanvasError if `file` is another file, or if the weights are not here and cannot be had: the message says
    which file to put where.
    """

    def read(path: Path) -> dict[str, Tensor]:
        return from_published(read_torch_file(path), str(path))

    return _published(row, file, read, OTHERWISE, progress)


def vgg19_weights(
    file: Path | None = None, row: PublishedFile = VGG19, progress: Progress | None = None
) -> dict[str, Tensor]:
    """The convolutions of VGG-19 by our names, as `inception_weights`. The layers behind them are not read."""

    def read(path: Path) -> dict[str, Tensor]:
        return from_torchvision(read_torch_file(path, lambda name: name.startswith("features.")), str(path))

    return _published(row, file, read, "or use --perceptual own, a network trained on the data", progress)


def _published(
    row: PublishedFile,
    file: Path | None,
    read: Callable[[Path], dict[str, Tensor]],
    otherwise: str,
    progress: Progress | None,
) -> dict[str, Tensor]:
    if file is not None:
        check_hash(file, row.sha256, row.backbone)

    def make(folder: Path) -> None:
        save_weights(folder / WEIGHTS, read(file or _fetch(row, otherwise, progress)))

    return load_weights(made_once(row.backbone, row.sha256, make) / WEIGHTS)


def _fetch(row: PublishedFile, otherwise: str, progress: Progress | None) -> Path:
    try:
        return fetch(row.backbone, [row.download], downloads_folder(row.backbone), progress)[0]
    except GanvasError as error:
        raise GanvasError(f"{error}; {otherwise}") from None


def check_hash(path: Path, sha256: str, what: str) -> None:
    """Raises GanvasError if `path` is not the file that was published as `what`."""
    if not path.is_file():
        raise GanvasError(f"there is no file {path}: give the published weights of {what}")
    found = sha256_of(path)
    if found != sha256:
        raise GanvasError(
            f"{path} is not the published file of {what}: its SHA-256 is {found[:12]}..., expected {sha256[:12]}...: "
            "delete it and fetch it again"
        )


def made_once(name: str, source: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache with model.safetensors, which `make` writes the first time.

    source: SHA-256 of what it is made from. A folder that is damaged, or of another source, is made again. Raises
    GanvasError if the cache cannot be written, and what `make` raises.
    """
    folder = cache_folder() / "backbones" / f"{name}-{source[:12]}"
    if _is_whole(folder, source):
        return folder
    partial: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        make(partial)
        record = {"source_sha256": source, "sha256": sha256_of(partial / WEIGHTS)}
        (partial / RECORD).write_text(json.dumps(record, indent=1), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        _move(partial, folder, source)
    except OSError as error:
        raise GanvasError(
            f"{folder} cannot be written ({error}): make room, or move the cache with GANVAS_CACHE"
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _move(partial: Path, folder: Path, source: str) -> None:
    try:
        os.replace(partial, folder)
    except OSError:
        if not _is_whole(folder, source):  # or else another process was faster
            raise


def _is_whole(folder: Path, source: str) -> bool:
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        return bool(record == {"source_sha256": source, "sha256": sha256_of(folder / WEIGHTS)})
    except (OSError, ValueError):
        return False
