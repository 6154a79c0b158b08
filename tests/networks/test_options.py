"""What only one family knows is given by name, checked, and kept with the model."""

import pytest
import torch

import ganvas
from ganvas.errors import UsageError
from ganvas.networks.biggan import BigganDiscriminator, BigganGenerator
from ganvas.networks.options import known_options, read_options
from ganvas.networks.table import NETWORKS, build_discriminator, build_generator
from ganvas.settings import build_settings

BIGGAN = (BigganGenerator, BigganDiscriminator)
SHAPE = {"resolution": (16, 16), "channels": 1, "width": 8, "classes": 0}


def test_the_options_of_a_family_are_the_arguments_that_others_do_not_have():
    assert known_options(BigganGenerator) == {"shared_dim": 128, "attention": 64}
    assert known_options(NETWORKS["dcgan"].Generator) == {}


def test_each_player_gets_those_that_it_knows():
    words = ("attention=16", "shared-dim=4")
    assert read_options("biggan", words, BIGGAN, BigganGenerator) == {"attention": 16, "shared_dim": 4}
    assert read_options("biggan", words, BIGGAN, BigganDiscriminator) == {"attention": 16}


@pytest.mark.parametrize(
    ("network", "word", "message"),
    [
        (
            "biggan",
            "atention=16",
            r"atention=16: 'biggan' has no such option; its own are shared_dim=128, attention=64",
        ),
        ("dcgan", "attention=16", "attention=16: 'dcgan' has no such option; its own are none"),
        ("biggan", "attention=wide", "attention=wide: expected a whole number from 0 on, such as 64"),
        ("biggan", "attention", "attention: expected a whole number from 0 on, such as 64"),
        ("biggan", "attention=-1", "attention=-1: expected a whole number from 0 on"),
        ("stylegan2", "mixing=often", "mixing=often: expected a number from 0 on, such as 0.9"),
        ("stylegan2", "residual=2", "residual=2: expected true or false, such as True"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_could(network, word, message):
    with pytest.raises(UsageError, match=message):
        build_generator(network, z_dim=8, **SHAPE, options=(word,))


def test_an_option_changes_the_network_it_is_for():
    deep, flat = (build_generator("stylegan2", z_dim=8, **SHAPE, options=(f"mapping_layers={n}",)) for n in (8, 2))
    assert sum(p.numel() for p in deep.parameters()) > sum(p.numel() for p in flat.parameters())
    plain, skipped = (
        build_discriminator("stylegan2", norm="none", **SHAPE, options=(f"residual={word}",)) for word in ("no", "yes")
    )
    assert plain.state_dict().keys() != skipped.state_dict().keys()


def test_a_model_comes_back_with_its_options(bars_npz, tmp_path):
    settings = {"network": "stylegan2", "network_options": "mapping_layers=2", "d_norm": "none", "width": 8, "z_dim": 8}
    assert build_settings(settings).network_options == ("mapping_layers=2",)
    run = ganvas.train(
        bars_npz, out=tmp_path / "run", images=16, batch=8, judge_samples=64, quiet=True, resolution="16", **settings
    )
    model = ganvas.load(run.path)
    assert model.config.network_options == ("mapping_layers=2",)
    assert torch.from_numpy(model.sample(range(2))).shape == (2, 16, 16, 1)
