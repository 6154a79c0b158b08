"""Small games of pictures from pictures for tests: every kind, at 16 pixels."""

from __future__ import annotations

import torch

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.games.engine import Engine
from ganvas.games.noise import Draws
from ganvas.games.perceiving import Perceiver
from ganvas.picture_model import PictureConfig
from ganvas.settings import build_settings
from ganvas.training.state import TrainState

SIDE = 16
# Small steps: large ones make a rounding error visible within a few of them, as training is chaotic.
SMALL = {"width": 4, "batch": 4, "g_lr": 1e-4, "d_lr": 1e-4, "d_norm": "instance"}
PAIRS = {"task": "translate", "game": "paired", "network": "unet", "l1_weight": 10.0, "d_sees_input": True}
RESTORED = {"task": "restore", "game": "paired", "l1_weight": 1.0, "adversarial_weight": 0.0, "degrade": "noise:25"}
UNPAIRED = {"task": "unpaired", "network": "resnet", "network_options": ("blocks=1",), "objective": "least_squares"}

KINDS = {
    "pix2pix": PAIRS,
    "pix2pix, hinge, R1, augmented": {
        **PAIRS, "objective": "hinge", "r1_gamma": 1.0, "penalty_every": 2, "augment": "translation",
    },
    "pix2pix of classes": {
        **PAIRS, "class_conditional": True, "objective": "hinge", "r1_gamma": 1.0, "penalty_every": 2,
    },
    "features matched": {**PAIRS, "network": "resnet", "feature_matching_weight": 1.0, "objective": "least_squares"},
    "distortion": {**RESTORED, "network": "restore_unet"},
    "larger": {**RESTORED, "network": "srresnet", "network_options": ("blocks=1",), "degrade": "lowres:2"},
    "holes": {**RESTORED, "network": "fourier", "network_options": ("blocks=1",), "degrade": "holes:0.2"},
    "esrgan": {
        **RESTORED, "network": "srresnet", "network_options": ("blocks=1",), "degrade": "lowres:2",
        "objective": "relativistic_average", "adversarial_weight": 0.1, "perceptual_weight": 1.0,
    },
    "held to a network of others": {
        **RESTORED, "network": "restore_unet", "perceptual_weight": 1.0, "perceptual": "some.module:eyes",
    },
    "cyclegan": {**UNPAIRED, "game": "cycle", "cycle_weight": 10.0, "identity_weight": 5.0, "pool": 6},
    "cut": {
        **UNPAIRED, "game": "contrast", "contrast_weight": 1.0, "identity_weight": 1.0,
    },
}  # fmt: skip


def make_state(kind, engine=None, on_problem=print, **cells):
    """A fresh state of that kind of game, always the same."""
    settings = build_settings({**SMALL, **KINDS[kind], **cells})
    scale = 2 if settings.degrade == "lowres:2" else 1
    masked = settings.degrade == "holes:0.2"
    config = PictureConfig(
        task=settings.task, network=settings.network, width=settings.width, network_options=settings.network_options,
        resolution=(SIDE // scale, SIDE // scale), in_channels=3 + masked, out_channels=3, scale=scale, masked=masked,
        degradation=settings.degrade or "", direction="" if settings.degrade else "AtoB", both=settings.game == "cycle",
        class_names=("a", "b", "c") if settings.class_conditional else (),
    )  # fmt: skip
    eyes = None
    if settings.perceptual != "own":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            eyes = Perceiver(torch.nn.Conv2d(3, 8, 3, stride=2), (1.0,), settings.perceptual, "")
    elif settings.perceptual_weight:
        eyes = FeatureNet(3, SIDE, SIDE, 4, torch.Generator().manual_seed(0)).requires_grad_(False)
    state = TrainState.create(settings, config, engine or Engine(torch.device("cpu")), on_problem, eyes)
    generator = torch.Generator().manual_seed(1)
    with (
        torch.no_grad()
    ):  # layers that start at zero have gradients of rounding errors alone, which Adam makes steps of
        for parameter in state.game.G.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    state.G_ema.load_state_dict(state.game.G.state_dict())
    return state


def stored(state, step, n=4):
    """A batch as the store gives it: one picture each, or two behind each other."""
    channels = 3 if state.config.degradation else 6
    generator = torch.Generator().manual_seed(step)
    small = torch.rand(n, channels, 4, 4, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(small, size=(SIDE, SIDE), mode="bilinear")


def labels(state, step, n=4):
    """The classes of that batch, or None."""
    if not state.config.classes:
        return None
    return torch.randint(0, state.config.classes, (n,), generator=torch.Generator().manual_seed(step))


def play(state, steps, first=0):
    """So many steps, by one process, and their last stats."""
    rows = state.game.engine.rows(state.game.settings.batch)
    mine = slice(rows.start, rows.start + state.game.engine.share_of(state.game.settings.batch))
    for step in range(first, first + steps):
        known = labels(state, step)
        batch = stored(state, step)[mine], None if known is None else known[mine]
        stats = state.game.step([batch], Draws("cpu", (0, step), rows), 0.0)
        state.average(state.game.settings.batch)
    return stats


def seen(state):
    """What the players make of fixed pictures: weights whose gradient is only rounding may differ, this may not."""
    pictures = stored(state, 1000)
    config, game, found = state.config, state.game, {}
    generator = torch.Generator().manual_seed(2)
    given = torch.rand(4, config.in_channels, *config.resolution, generator=generator) * 2 - 1
    with torch.no_grad():
        for name, G in (("G", game.G), ("G_ema", state.G_ema)):
            for way, painter in G.items() if config.both else [("", G)]:
                found[f"{name}{way}"] = painter.eval()(given, labels(state, 1000))
                painter.train(name == "G")
        for name, D in game.D.items() if config.both else [("", game.D)]:
            if D is not None:
                images = pictures if game.settings.d_sees_input else pictures[:, :3]
                found[f"D{name}"] = D.eval()(images, labels(state, 1000))
                D.train()
    return found


def tensors(state):
    """Everything that a checkpoint holds."""
    return state.to_checkpoint().tensors
