"""A model draws the same picture for a seed in any company, and a damaged one is refused."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import ganvas
from ganvas.errors import GanvasError, UsageError
from ganvas.model import Model, ModelConfig, fold_batch_norm
from ganvas.networks.table import NETWORKS, build_generator

CLASSES = {name: {"unused": 0, "needed": 3, "optional": 3}[family.labels] for name, family in NETWORKS.items()}


def make_model(network="dcgan", classes=0, bits=8, shares=()):
    torch.manual_seed(0)
    shape = {"resolution": (16, 16), "channels": 3, "z_dim": 16, "width": 8}
    G = build_generator(network, **shape, classes=classes)
    for norm in (m for m in G.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    names = tuple(f"kind {i}" for i in range(classes))
    shares = shares or tuple(1 / classes for _ in names)
    return Model(G, ModelConfig(network=network, **shape, bits=bits, class_names=names, class_shares=shares))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_seeds_picture_is_the_same_at_any_batch_size_within_one_grey_level(network):
    model = make_model(network, classes=CLASSES[network])
    together = model.sample(range(10), batch=10)
    alone = model.sample(range(10), batch=1)
    assert np.abs(together.astype(int) - alone.astype(int)).max() <= 1
    assert np.abs(model.sample([7])[0].astype(int) - together[7].astype(int)).max() <= 1
    drawn = model.draw(model.noise([0, 1]), torch.zeros(2, dtype=torch.int64) if CLASSES[network] else None)
    assert not torch.equal(drawn[0], drawn[1])


def test_pictures_are_integers_with_channels_last():
    assert (make_model().sample([0]).dtype, make_model().sample([0, 1]).shape) == (np.uint8, (2, 16, 16, 3))
    assert make_model(bits=16).sample([0]).dtype == np.uint16


@pytest.mark.parametrize("network", NETWORKS)
def test_folding_batch_norm_changes_nothing_but_speed(network):
    G = make_model(network, CLASSES[network]).G
    z, labels = torch.randn(4, 16), torch.arange(4) % 3 if CLASSES[network] else None
    folded = fold_batch_norm(G)
    torch.testing.assert_close(folded(z, labels), G(z, labels), rtol=1e-4, atol=1e-5)
    if network.startswith("dcgan"):
        count = [sum(isinstance(m, nn.BatchNorm2d) for m in n.modules()) for n in (G, folded)]
        assert count[1] < count[0]


def test_labels_are_drawn_by_the_seed_from_the_shares():
    model = make_model(classes=3, shares=(0.7, 0.0, 0.3))
    labels = model.labels_for(range(2000))
    shares = np.bincount(labels, minlength=3) / 2000
    assert shares == pytest.approx([0.7, 0.0, 0.3], abs=0.04)
    assert model.labels_for([1234])[0] == labels[1234]
    assert make_model().labels_for([0]) is None


def test_a_class_is_given_by_name_or_number():
    model = make_model(classes=3)
    assert np.array_equal(model.sample([5], class_name="kind 2"), model.sample([5], class_name=2))
    with pytest.raises(UsageError, match="knows 3 classes: kind 0, kind 1, kind 2"):
        model.sample([5], class_name="seven")
    with pytest.raises(UsageError, match="unconditional"):
        make_model().sample([5], class_name="7")


def test_truncation_narrows_the_spread():
    model = make_model()
    spread = [model.sample(range(50), trunc=psi).astype(float).std(axis=0).mean() for psi in (1.0, 0.5, 0.0)]
    assert spread[0] > spread[1] > spread[2] == 0


def test_bad_seeds_are_refused():
    for seeds, message in (([], "no seeds"), ([-1], "0 to 2"), ([2**63], "0 to 2")):
        with pytest.raises(UsageError, match=message):
            make_model().sample(seeds)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_saved_model_comes_back_and_holds_no_pickle(network, tmp_path):
    model = make_model(network, classes=CLASSES[network])
    model.save(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["config.json", "model.safetensors"]
    back = ganvas.load(tmp_path / "m")
    assert np.array_equal(back.sample(range(4)), model.sample(range(4)))
    assert back.hash == model.hash != ""
    assert back.config == model.config
    model.save(tmp_path / "m")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("damage", ["flip", "cut", "config", "other network", "missing", "not json"])
def test_a_damaged_model_is_refused_in_one_line(damage, tmp_path):
    make_model().save(tmp_path / "m")
    weights, config = tmp_path / "m" / "model.safetensors", tmp_path / "m" / "config.json"
    if damage in ("flip", "cut"):
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data if damage == "flip" else data[:-10])
    elif damage == "config":
        config.write_text(json.dumps({**json.loads(config.read_text()), "z_dim": "many"}))
    elif damage == "other network":
        config.write_text(json.dumps({**json.loads(config.read_text()), "network": "mlp"}))
    elif damage == "missing":
        weights.unlink()
    else:
        config.write_text("{")
    with pytest.raises(GanvasError) as refused:
        ganvas.load(tmp_path / "m")
    assert "\n" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_path_without_a_model_says_what_was_expected(tmp_path):
    with pytest.raises(GanvasError, match="there is no folder"):
        ganvas.load(tmp_path / "nowhere")
    with pytest.raises(GanvasError, match=r"expected config\.json and model\.safetensors"):
        ganvas.load(tmp_path)


def test_a_model_shows_itself_in_a_notebook():
    assert make_model()._repr_png_().startswith(b"\x89PNG")
    assert "unconditional" in repr(make_model())


def test_the_names_of_the_package_are_functions_also_after_their_first_use():
    import importlib

    import ganvas

    for name in ("train", "evaluate", "check", "prepare", "sweep", "load", "open_source", "write_report"):
        getattr(ganvas, name)
        for module in ("ganvas.evaluating", "ganvas.sweeps.sweep", "ganvas.data.prepare", "ganvas.report"):
            importlib.import_module(module)
        assert callable(getattr(ganvas, name)), name
