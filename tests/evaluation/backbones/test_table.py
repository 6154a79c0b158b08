"""Backbones by name, as the command line asks for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from bars import bar_store

from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation import features as features_module
from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.backbones.table import NAMES, find_backbone

MODULE = """
from torch import nn
from ganvas.evaluation.backbones.user_module import module_backbone

def plain():
    return nn.AdaptiveAvgPool2d(1)

def ready():
    return module_backbone(nn.Identity(), name="mine", size=3)

def nothing():
    return 7

value = 3
"""


@pytest.fixture
def my_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module `my_features` in the current folder."""
    (tmp_path / "my_features.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("my_features", None)


def test_own_is_the_network_trained_on_the_store_s_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(features_module, "default_pictures", lambda *given, **more: 500)  # not the usual ten seconds
    store = bar_store(tmp_path, train=60)
    features = find_backbone("own", store=store)
    assert isinstance(features, Backbone)
    assert features.features == 128
    assert len(features.hash) == 12
    assert features.resize
    assert features.value_range
    images = store.train.images[:6]
    probabilities = features.probabilities(images, rows=torch.arange(2).numpy())
    assert probabilities is not None
    assert len(probabilities) == 2
    torch.testing.assert_close(probabilities, features.probabilities_of(features.extract(images))[:2])
    with pytest.raises(UsageError, match="`own` are learned from pictures: say which"):
        find_backbone("own")


@pytest.mark.usefixtures("my_features")
def test_a_function_in_the_current_folder_gives_a_backbone():
    plain = find_backbone("my_features:plain")
    assert (plain.name, plain.features) == ("my_features:plain", 3)
    assert "224x224" in plain.resize
    assert find_backbone("my_features:ready").name == "mine"


@pytest.mark.usefixtures("my_features")
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("my_features:nothing", "returned int, expected an nn.Module or what module_backbone"),
        ("my_features:value", "my_features has no function 'value'"),
        ("my_features:missing", "my_features has no function 'missing'"),
        ("no_such_module:f", "no_such_module:f cannot be imported"),
    ],
)
def test_a_function_that_is_not_there_or_gives_no_network_is_a_usage_error(place, says):
    with pytest.raises(UsageError, match=says):
        find_backbone(place)


@pytest.mark.parametrize(
    ("given", "near"), [("inceptoin", "inception"), ("DINO", "dinov2"), ("inception_clean", "inception-clean")]
)
def test_another_name_gets_the_nearest_one(given, near):
    with pytest.raises(UsageError, match=f"did you mean {near}\\? There are own, inception, .*package.module:function"):
        find_backbone(given)


def test_a_colon_wants_a_place_behind_it():
    with pytest.raises(UsageError, match="behind the colon the weights of inception are expected"):
        find_backbone("inception:")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "own"])
def test_without_weights_it_is_said_what_to_fetch_and_that_own_features_are_there(name, tmp_path, monkeypatch):
    if not name.startswith("inception"):
        pytest.importorskip("transformers")
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    with pytest.raises(GanvasError, match=r"(?s)is not here and cannot be .*the data's own features \(own\)") as error:
        find_backbone(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_without_transformers_it_is_said_what_to_install_before_anything_is_fetched(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        GanvasError, match=r'need transformers, which is not installed: pip install "ganvas\[features\]"'
    ):
        find_backbone(name)
