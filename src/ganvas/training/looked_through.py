"""What a discriminator looks through that sees by the fixed features of a trained network (projected GAN)."""

from __future__ import annotations

import torch
from torch import nn

from ganvas.data.store import Store
from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.features import learn_features
from ganvas.games.engine import Engine
from ganvas.model_folder import Config
from ganvas.networks.projected import SequentialMaps
from ganvas.networks.sizes import Size
from ganvas.networks.table import NETWORKS


def learned(config: Config, store: Store, engine: Engine, effort: float = 1.0) -> nn.Module | None:
    """The network that the judge trains on these pictures; None for a family that looks at the pictures themselves."""
    if not NETWORKS[config.network].looks_through:
        return None
    engine.on_main(lambda: str(learn_features(store, effort=effort)))  # the others find it saved
    return SequentialMaps.of_feature_net(learn_features(store, effort=effort).net)


def unlearned_maps(network: str, channels: int, resolution: Size) -> nn.Module | None:
    """The same before it has learned anything: to try or to count what it costs."""
    if not NETWORKS[network].looks_through:
        return None
    return SequentialMaps.of_feature_net(FeatureNet(channels, *resolution, 1, torch.Generator().manual_seed(0)))
