"""The games by name: who plays in each, and the game itself from its players."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from ganvas.errors import UsageError
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.games.contract import Game
from ganvas.games.contrast import ContrastGame
from ganvas.games.cycle import CycleGame
from ganvas.games.engine import Engine
from ganvas.games.generation import GenerationGame
from ganvas.games.paired import PairedGame, Perceive
from ganvas.games.pairing import pairing_of
from ganvas.games.perceiving import Perceiver, distance_seen_by
from ganvas.model import ModelConfig
from ganvas.model_folder import Config
from ganvas.networks.contract import Discriminator, Encoding, Generator
from ganvas.networks.painter_table import build_patch_discriminator
from ganvas.networks.patch_heads import PatchHeads
from ganvas.networks.table import build_discriminator
from ganvas.picture_model import PictureConfig
from ganvas.settings import TrainSettings

Players = dict[str, nn.Module]


@dataclass(frozen=True)
class GameKind:
    """players: fresh ones from settings, what G makes, and what D looks through. game: from players and the rest."""

    players: Callable[[TrainSettings, Config, nn.Module | None], Players]
    game: Callable[[Mapping[str, nn.Module], Table], Game]


@dataclass(frozen=True)
class Table:
    """What a game is played with besides its players."""

    settings: TrainSettings
    config: Config
    engine: Engine
    on_problem: Callable[[str], None]
    features: nn.Module | None  # a network that has learned to see these pictures, where the game looks through one


def make_players(settings: TrainSettings, config: Config, features: nn.Module | None) -> Players:
    """The networks of the game that the settings name, with fresh weights from torch's random state."""
    return GAMES[settings.game].players(settings, config, features)


def make_game(players: Mapping[str, nn.Module], table: Table) -> Game:
    """The game that the settings name."""
    return GAMES[table.settings.game].game(players, table)


def _generators(settings: TrainSettings, config: Config, features: nn.Module | None) -> Players:
    assert isinstance(config, ModelConfig), "generation draws with a ModelConfig"
    return {"G": config.build(), "D": discriminator_of(settings, config, features)}


def discriminator_of(settings: TrainSettings, config: ModelConfig, features: nn.Module | None) -> Discriminator:
    """A fresh D beside a generator, with weights from torch's random state. features: what it looks through."""
    return build_discriminator(
        config.network,
        resolution=config.resolution,
        channels=config.channels,
        width=settings.d_width or config.width,
        max_width=config.max_width,
        classes=config.classes,
        options=config.network_options,
        norm=settings.d_norm,
        features=features,
    )


def _generation(players: Mapping[str, nn.Module], table: Table) -> Game:
    G, D = players["G"], players["D"]
    assert isinstance(G, Generator)
    assert isinstance(D, Discriminator)
    return GenerationGame(G, D, table.settings, table.engine, table.on_problem)


def _painter(settings: TrainSettings, config: Config, features: nn.Module | None) -> Players:
    assert isinstance(config, PictureConfig), "a painter is built from a PictureConfig"
    G, more = config.build(), Players()
    if settings.adversarial_weight:
        seen = config.out_channels + settings.d_sees_input * (len(config.palette) or config.in_channels)
        more["D"] = _patches(settings, config, seen)
    return {"G": G, **more}


def _paired(players: Mapping[str, nn.Module], table: Table) -> Game:
    config = table.config
    assert isinstance(config, PictureConfig)
    perceive: Perceive | None = None
    if isinstance(table.features, Perceiver):
        perceive = table.features
    elif table.features is not None:
        assert isinstance(table.features, FeatureNet)
        perceive = partial(distance_seen_by, table.features)
    return PairedGame(players, pairing_of(config), table.settings, table.engine, table.on_problem, perceive)


def _two_ways(settings: TrainSettings, config: Config, features: nn.Module | None) -> Players:
    assert isinstance(config, PictureConfig)
    G = config.build()
    D = nn.ModuleDict({side: _patches(settings, config, config.out_channels) for side in ("A", "B")})
    return {"G": G, "D": D}


def _cycle(players: Mapping[str, nn.Module], table: Table) -> Game:
    config = table.config
    assert isinstance(config, PictureConfig)
    shape = (config.in_channels, *config.resolution)
    return CycleGame(players, shape, table.settings, table.engine, table.on_problem)


def _one_way(settings: TrainSettings, config: Config, features: nn.Module | None) -> Players:
    assert isinstance(config, PictureConfig)
    G = config.build()
    if not isinstance(G, Encoding):
        raise UsageError(f"--network {config.network} has no inner maps to compare: give --network resnet for CUT")
    with torch.no_grad():
        maps = G.encode(torch.zeros(1, config.in_channels, *config.resolution))
    heads = PatchHeads([one.shape[1] for one in maps])
    return {"G": G, "heads": heads, "D": _patches(settings, config, config.out_channels)}


def _contrast(players: Mapping[str, nn.Module], table: Table) -> Game:
    config = table.config
    assert isinstance(config, PictureConfig)
    backwards = config.direction == "BtoA"
    return ContrastGame(
        players, config.in_channels, table.settings, table.engine, table.on_problem, backwards=backwards
    )


def _patches(settings: TrainSettings, config: PictureConfig, channels: int) -> Discriminator:
    """A discriminator of patches for what the config paints."""
    height, width = (config.scale * side for side in config.resolution)
    return build_patch_discriminator(
        resolution=(height, width),
        channels=channels,
        width=settings.d_width or settings.width,
        classes=config.classes,
        norm=settings.d_norm,  # type: ignore[arg-type]
        scales=settings.d_scales,
    )


GAMES: dict[str, GameKind] = {
    "generation": GameKind(_generators, _generation),
    "paired": GameKind(_painter, _paired),
    "cycle": GameKind(_two_ways, _cycle),
    "contrast": GameKind(_one_way, _contrast),
}
