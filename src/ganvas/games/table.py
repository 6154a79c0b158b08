"""The games by name: who plays in each, and the game itself from its players."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from ganvas.games.contract import Game
from ganvas.games.engine import Engine
from ganvas.games.generation import GenerationGame
from ganvas.model import ModelConfig
from ganvas.model_folder import Config
from ganvas.networks.contract import Discriminator, Generator
from ganvas.networks.table import build_discriminator
from ganvas.settings import TrainSettings

Players = dict[str, nn.Module]


@dataclass(frozen=True)
class GameKind:
    """players: fresh ones from settings, what G makes, and what D looks through. game: from players and the rest."""

    players: Callable[[TrainSettings, Config, nn.Module | None], Players]
    game: Callable[[Mapping[str, nn.Module], TrainSettings, Config, Engine, Callable[[str], None]], Game]


def make_players(settings: TrainSettings, config: Config, features: nn.Module | None) -> Players:
    """The networks of the game that the settings name, with fresh weights from torch's random state."""
    return GAMES[settings.game].players(settings, config, features)


def make_game(
    players: Mapping[str, nn.Module],
    settings: TrainSettings,
    config: Config,
    engine: Engine,
    on_problem: Callable[[str], None],
) -> Game:
    """The game that the settings name."""
    return GAMES[settings.game].game(players, settings, config, engine, on_problem)


def _generators(settings: TrainSettings, config: Config, features: nn.Module | None) -> Players:
    assert isinstance(config, ModelConfig), "generation draws with a ModelConfig"
    G = config.build()
    D = build_discriminator(
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
    return {"G": G, "D": D}


def _generation(
    players: Mapping[str, nn.Module],
    settings: TrainSettings,
    config: Config,
    engine: Engine,
    on_problem: Callable[[str], None],
) -> Game:
    G, D = players["G"], players["D"]
    assert isinstance(G, Generator)
    assert isinstance(D, Discriminator)
    return GenerationGame(G, D, settings, engine, on_problem)


GAMES: dict[str, GameKind] = {"generation": GameKind(_generators, _generation)}
