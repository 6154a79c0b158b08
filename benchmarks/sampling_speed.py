"""Pictures per second of `Model.sample` as a ratio to the bare generator's forward pass, in interleaved rounds.

    python benchmarks/sampling_speed.py --out benchmarks/results/sampling_speed.json

The bare generator is the network as trained (BatchNorm apart, contiguous), called on noise that is ready; ours draws
the noise of every seed, folds BatchNorm, uses channels_last and gives integers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganvas.devices import device_words
from ganvas.model import Model, ModelConfig
from ganvas.networks.table import build_generator
from ganvas.versions import versions

CASES = {"dcgan 64x64x3": ("dcgan", 64, 3, 100, 64), "fast 28x28x1": ("fast", 28, 1, 64, 32)}
PICTURES = 512


def pictures_per_s(draw: Callable[[], Any]) -> float:
    began = time.perf_counter()
    draw()
    return PICTURES / (time.perf_counter() - began)


def compare(name: str, batch: int, rounds: int) -> dict[str, Any]:
    network, side, channels, z_dim, width = CASES[name]
    shape = {"resolution": (side, side), "channels": channels, "z_dim": z_dim, "width": width}
    torch.manual_seed(0)
    G = build_generator(network, **shape, classes=0)  # type: ignore[arg-type]
    model = Model(G, ModelConfig(network=network, **shape))  # type: ignore[arg-type]
    z = torch.randn(batch, z_dim)

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(PICTURES // batch):
            G(z)

    def ours() -> None:
        model.sample(range(PICTURES), batch=batch)

    bare(), ours()
    pairs = [(pictures_per_s(ours), pictures_per_s(bare)) for _ in range(rounds)]
    row = {
        "case": f"{name}, batch {batch}",
        "ratio_median": round(statistics.median(a / b for a, b in pairs), 3),
        "ours_per_s": round(statistics.median(a for a, _ in pairs), 1),
        "bare_per_s": round(statistics.median(b for _, b in pairs), 1),
    }
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = [compare(name, batch, arguments.rounds) for name in CASES for batch in (1, 64)]
    if arguments.out:
        device = device_words(torch.device("cpu"))
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(
            json.dumps({"schema": 1, "device": device, "versions": versions(), "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
