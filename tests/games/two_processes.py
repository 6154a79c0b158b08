"""Twenty steps of a small game, alone or as one of several processes; the main one writes the weights."""

import sys

import torch

torch.set_num_threads(1)

from ganvas.games.engine import open_engine  # noqa: E402
from ganvas.games.noise import Draws  # noqa: E402
from ganvas.model import ModelConfig  # noqa: E402
from ganvas.settings import build_settings  # noqa: E402
from ganvas.training.state import TrainState  # noqa: E402

SIDES = {"mlp": 8, "fast": 8, "dcgan": 16}


def main(network: str, path: str) -> None:
    engine, side = open_engine("cpu"), SIDES[network]
    cells = {"network": network, "z_dim": 8, "width": 8, "batch": 8, "optimizer": "rmsprop", "g_lr": 1e-4, "d_lr": 1e-4}
    if network == "mlp":
        cells |= {"d_norm": "none"}
    if network == "fast":  # a penalty, labels, augmentation and BatchNorm in G
        cells |= {"d_norm": "none", "r1_gamma": 1.0, "penalty_every": 2, "augment": "colour,translation,cutout"}
    settings = build_settings(cells)
    classes = ("0", "1") if network == "fast" else ()
    config = ModelConfig(
        network=network, resolution=(side, side), channels=1, bits=8, z_dim=8, width=8,
        class_names=classes, class_shares=(0.5, 0.5) if classes else (), recipe="", source="",
    )  # fmt: skip
    state = TrainState.create(settings, config, engine)
    rows = engine.rows(8)
    mine = slice(rows.start, rows.start + engine.share_of(8))
    for step in range(20):
        whole = torch.rand(8, 1, side, side, generator=torch.Generator().manual_seed(step)) * 2 - 1
        labels = torch.arange(8)[mine] % 2 if classes else None
        state.game.step([(whole[mine], labels)], Draws("cpu", (0, step), rows), 0.0)
        state.average(8)
    if engine.is_main:
        networks = {"G": state.game.G, "D": state.game.D, "G_ema": state.G_ema}
        torch.save({f"{n}.{k}": v for n, network in networks.items() for k, v in network.state_dict().items()}, path)
    engine.wait()


main(*sys.argv[1:])
