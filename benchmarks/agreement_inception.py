"""How far our Inception v3, with its resize, is from torch-fidelity's own, with the same random weights in both.

    python benchmarks/agreement_inception.py [--reference FOLDER] [--out FILE]

FOLDER: where torch-fidelity 0.4.0 lies (pip install --no-deps --target FOLDER torch-fidelity==0.4.0). Its network needs
no torchvision, so its files are imported past its front door, which does. Without it the rows say "not checked".
The weights go the user's way: written by torch.save in both forms, read by our inert reader, renamed, loaded strictly.
They are drawn so that a picture's features differ from another's; those of a trained network were not at hand.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import types
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganvas.evaluation.backbones.inception import Inception, inception_backbone, load_inception
from ganvas.evaluation.backbones.inception_names import PUBLISHED, from_published
from ganvas.evaluation.backbones.resize import resize_clean, resize_like_tensorflow_1
from ganvas.evaluation.backbones.torch_file import read_torch_file
from ganvas.versions import versions

SIZES = ((32, 32), (64, 48), (299, 299), (320, 400))  # height, width: enlarging, another aspect, neither, shrinking
NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Row:
    """One quantity in both: the largest difference anywhere, and that over the largest magnitude of the reference."""

    quantity: str
    reference: str
    pictures: str
    worst_difference: float | str
    relative: float | str
    magnitude: float | str


def random_weights() -> dict[str, Tensor]:
    """Every tensor of the published file by its name there: kernels that keep the variance, statistics that vary."""
    generator = torch.Generator().manual_seed(0)
    shapes = {name: value.shape for name, value in Inception().state_dict().items()}
    weights = {}
    for name, ours in PUBLISHED.items():
        shape = shapes[ours]
        if len(shape) > 1:
            value = torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
        elif name.endswith(("bn.weight", "running_var")):
            value = 0.5 + torch.rand(shape, generator=generator)
        else:
            value = 0.2 * torch.randn(shape, generator=generator)
        weights[name] = value
    return weights


def reference_modules(folder: Path | None) -> tuple[Any, Any, str] | None:
    """torch-fidelity's modules of the network and of the resize, and its version; None where there is none."""
    if folder is not None:
        sys.path.insert(0, str(folder))
    spec = importlib.util.find_spec("torch_fidelity")
    if spec is None or spec.submodule_search_locations is None:
        return None
    package = types.ModuleType("torch_fidelity")  # its __init__ would import torchvision
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["torch_fidelity"] = package
    network = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    resize = importlib.import_module("torch_fidelity.interpolate_compat_tensorflow")
    return network, resize, f"torch-fidelity {importlib.import_module('torch_fidelity.version').__version__}"


def compare(quantity: str, reference: str, pictures: str, ours: Tensor, theirs: Tensor) -> Row:
    """The row of two tensors of one shape."""
    assert ours.shape == theirs.shape, f"{quantity}: {list(ours.shape)} against {list(theirs.shape)}"
    worst, largest = float((ours - theirs).abs().max()), float(theirs.abs().max())
    return Row(quantity, reference, pictures, worst, worst / largest, largest)


def pictures_of(height: int, width: int, count: int = 3) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """[count, 3, height, width] uint8: coarse colour fields with fine noise, black and white among the values."""
    rng = np.random.default_rng(height * 1000 + width)
    coarse = rng.integers(0, 256, (count, 3, 4, 4)).repeat(-(-height // 4), 2).repeat(-(-width // 4), 3)
    noise = rng.integers(-60, 61, (count, 3, height, width))
    return np.clip(coarse[:, :, :height, :width] + noise, 0, 255).astype(np.uint8)


def compare_network(network: Any, resize: Any, name: str, weights: dict[str, Tensor]) -> list[Row]:
    """Resize, features and logits of the network as FID was defined, for each size of pictures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(weights, path, _use_new_zipfile_serialization=False)  # as old as the published file
        older = read_torch_file(path)
        torch.save(weights, path)
        newer = read_torch_file(path)
        theirs = network.FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased", "logits"], str(path))
    assert all(torch.equal(older[key], value) and torch.equal(newer[key], value) for key, value in weights.items())
    net = load_inception(from_published(older, "random weights"), "random weights")
    backbone = inception_backbone(net, "0" * 64, resize_like_tensorflow_1, torch.device("cpu"))
    rows = []
    for height, width in SIZES:
        images = pictures_of(height, width)
        x = torch.from_numpy(images).float()
        with torch.inference_mode():
            features, logits, biased = theirs(torch.from_numpy(images))
            their_resize = resize.interpolate_bilinear_2d_like_tensorflow1x(x, size=(299, 299), align_corners=False)
            our_features = backbone.extract(images)
            our_logits = net.logits(our_features)
        what = f"{len(images)} of {height}x{width}"
        our_resize = resize_like_tensorflow_1(torch.from_numpy(images), 299, 299)
        rows.append(compare("resize as TensorFlow 1", name, what, our_resize, their_resize))
        rows.append(compare("2048 features", name, what, our_features, features))
        rows.append(compare("1008 logits without bias", name, what, our_logits, logits))
        rows.append(compare("1008 logits with bias", name, what, our_logits + net.classifier.bias, biased))
        probabilities = backbone.probabilities_of(our_features)
        assert probabilities is not None, "this network has classes"
        rows.append(compare("class probabilities", name, what, probabilities, logits.softmax(1)))
    return rows


def compare_clean_resize(weights: dict[str, Tensor]) -> list[Row]:
    """clean-fid's resize is Pillow's, channel by channel in floating point, kept in [0, 255]: here, Pillow itself."""
    net = load_inception(from_published(weights, "random weights"), "random weights")
    backbone = inception_backbone(net, "0" * 64, resize_clean, torch.device("cpu"))
    rows = []
    name = f"Pillow {importlib.import_module('PIL').__version__}, mode F"
    for height, width in SIZES:
        images = pictures_of(height, width)
        theirs = np.empty((*images.shape[:2], 299, 299), np.float32)
        for place in np.ndindex(images.shape[:2]):
            channel = Image.fromarray(images[place].astype(np.float32))
            theirs[place] = np.asarray(channel.resize((299, 299), Image.Resampling.BICUBIC)).clip(0, 255)
        ours = resize_clean(torch.from_numpy(images), 299, 299)
        what = f"{len(images)} of {height}x{width}"
        rows.append(compare("resize as clean-fid", name, what, ours, torch.from_numpy(theirs)))
        with torch.inference_mode():
            features = net((torch.from_numpy(theirs) - 128) / 128)
        behind = f"the same network behind {name}"
        rows.append(compare("2048 features, clean-fid", behind, what, backbone.extract(images), features))
    return rows


def main() -> None:
    """Print one line for each row; with --out write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = reference_modules(arguments.reference)
    weights = random_weights()
    rows = compare_clean_resize(weights)
    if found is None:
        quantities = "resize as TensorFlow 1, 2048 features, 1008 logits"
        rows.append(Row(quantities, "torch-fidelity", "none", NOT_CHECKED, NOT_CHECKED, NOT_CHECKED))
    else:
        rows += compare_network(*found, weights)
    for row in rows:
        print(json.dumps(asdict(row)), flush=True)
    if arguments.out:
        facts = {
            "schema": 1,
            "command": "python benchmarks/agreement_inception.py --reference FOLDER --out FILE",
            "weights": "random, the same in both",
            "threads": torch.get_num_threads(),
            "versions": versions(),
            "rows": [asdict(row) for row in rows],
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
