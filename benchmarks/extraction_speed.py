"""What reading, colours and resizing cost in front of a feature network: extraction against the bare network.

    python benchmarks/extraction_speed.py [--sizes 32 256 1024] [--pictures 16] [--batch 8] [--rounds 3] [--out FILE]

Random weights, which cost as much as trained ones. The bare network gets the same pictures as a tensor that is ready in
memory, in the same batches. Both take turns in one process; the ratio is that of the least CPU times. The networks are
Inception v3 behind both resizes and, where transformers is installed, DINOv2 ViT-B/14.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ganvas.evaluation.backbones.inception import Inception, Resize, inception_backbone, load_inception
from ganvas.evaluation.backbones.network import NetworkBackbone
from ganvas.evaluation.backbones.resize import resize_clean, resize_like_tensorflow_1
from ganvas.versions import versions

Images = NDArray[np.uint8]


def inception(resize: Resize) -> NetworkBackbone:
    """With random kernels and plain statistics."""
    weights = {
        name: torch.randn(value.shape) / value[0].numel() ** 0.5 if value.ndim > 1 else torch.ones(value.shape)
        for name, value in Inception().state_dict().items()
    }
    return inception_backbone(load_inception(weights, "random weights"), "0" * 64, resize, torch.device("cpu"))


def dinov2_base() -> NetworkBackbone:
    """ViT-B/14: the smallest DINOv2 that has a name, so that what stands before it weighs most."""
    from transformers import Dinov2Config, Dinov2Model

    from ganvas.evaluation.backbones.dinov2 import dinov2
    from ganvas.evaluation.backbones.pretrained import in_folder

    with tempfile.TemporaryDirectory() as folder:
        Dinov2Model(Dinov2Config(image_size=518, patch_size=14)).save_pretrained(folder)
        return dinov2(in_folder(Path(folder), "dinov2"), torch.device("cpu"))


def seconds(work: Callable[[], object]) -> float:
    """Seconds of CPU that it took, over all threads: what else the machine does shows less in them."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(backbone: NetworkBackbone, images: Images, batch: int, rounds: int) -> dict[str, float]:
    """CPU times of both and their ratio; and of what stands before the network by itself, which noise blurs less."""

    def prepare() -> list[torch.Tensor]:
        return [backbone.prepare(torch.from_numpy(images[i : i + batch].copy())) for i in range(0, len(images), batch)]

    ready = prepare()

    @torch.inference_mode()
    def bare() -> None:
        for x in ready:
            backbone.net(x)

    bare()
    extraction, network, before = [], [], []
    for _ in range(rounds):
        before.append(seconds(prepare))
        network.append(seconds(bare))
        extraction.append(seconds(lambda: backbone.extract(images, batch)))
    return {
        "network_cpu_s": round(min(network), 3),
        "extraction_cpu_s": round(min(extraction), 3),
        "ratio": round(min(extraction) / min(network), 3),
        "preparing_cpu_s": round(min(before), 4),
        "preparing_over_network": round(min(before) / min(network), 4),
    }


def main() -> None:
    """Print one line for each network and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 256, 1024])
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    networks = {
        "inception": lambda: inception(resize_like_tensorflow_1),
        "inception-clean": lambda: inception(resize_clean),
    }
    if importlib.util.find_spec("transformers") is not None:
        networks["dinov2-base"] = dinov2_base
    rows: list[dict[str, str | int | float]] = []
    for name, make in networks.items():
        backbone = make()
        for size in arguments.sizes:
            images = np.random.default_rng(0).integers(0, 256, (arguments.pictures, 3, size, size), np.uint8)
            measured = compare(backbone, images, arguments.batch, arguments.rounds)
            rows.append({"network": name, "size": size, "pictures": arguments.pictures, **measured})
            print(json.dumps(rows[-1]), flush=True)
    if arguments.out:
        facts = {"schema": 1, "threads": torch.get_num_threads(), "batch": arguments.batch, "versions": versions()}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
