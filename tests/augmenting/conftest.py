"""One small set of real pictures, and what was learned from them, for all."""

from __future__ import annotations

import pytest
import torch
from made_up_generators import bar_store, features_of

from ganvas.data.store import Store
from ganvas.evaluation.features import Features


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """90, 60 and 40 training pictures of three classes; 30 of each held out."""
    return bar_store(tmp_path_factory.mktemp("bars"))


@pytest.fixture(scope="session")
def features(store: Store) -> Features:
    torch.set_num_threads(1)
    return features_of(store)
