"""Settings are checked when they are built; recipes are rows of them; other trainers' flags are understood."""

import pytest
import torch

from ganvas.errors import UsageError
from ganvas.model import ModelConfig
from ganvas.networks.table import check_size
from ganvas.recipes import RECIPES, choose_recipe, find_recipe
from ganvas.settings import TrainSettings, build_settings
from ganvas.training.state import TrainState
from ganvas.words import parse_seeds, translate


@pytest.mark.parametrize("name", RECIPES)
def test_every_row_of_the_table_is_a_valid_setting(name):
    settings = build_settings(dict(RECIPES[name].cells))
    assert all(getattr(settings, key) == value for key, value in RECIPES[name].cells.items())


def test_the_rows_are_what_their_papers_say():
    cell = {name: build_settings(dict(recipe.cells)) for name, recipe in RECIPES.items()}
    assert (cell["wgan"].clip, cell["wgan"].optimizer, cell["wgan"].g_lr, cell["wgan"].d_norm) == (
        0.01,
        "rmsprop",
        5e-5,
        "none",
    )
    assert (cell["wgan-gp"].gp_weight, cell["wgan-gp"].n_critic, cell["wgan-gp"].d_norm) == (10, 5, "none")
    assert (cell["lsgan"].objective, cell["hinge-sn"].d_norm) == ("least_squares", "spectral")
    assert (cell["dcgan-critic5"].n_critic, cell["mlp"].objective) == (5, "non_saturating")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"r1_gama": 1}, "there is no setting 'r1-gama': did you mean 'r1-gamma'?"),
        ({"batch": 1}, "--batch 1: input should be greater than or equal to 2"),
        ({"resolution": "3x"}, "--resolution '3x': '3x' is not a size"),
        ({"minutes": 1, "images": 1}, "give --minutes or --images, not both"),
        ({"r1_gamma": 1.0, "network": "dcgan"}, "needs a D without BatchNorm"),
        ({"turns": "simultaneous", "objective": "hinge", "d_norm": "none"}, "not hinge"),
        ({"turns": "simultaneous", "n_critic": 2, "d_norm": "none"}, "drop --n-critic"),
        ({"turns": "simultaneous", "network": "dcgan"}, "D without BatchNorm"),
        ({"augment": "colour,blur"}, "--augment"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(cells, message):
    with pytest.raises(UsageError) as refused:
        build_settings(cells)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_hyphens_and_underscores_are_equal_and_sizes_are_height_first():
    settings = build_settings({"z-dim": 5, "resolution": "48x64", "augment": "color,cutout"})
    assert (settings.z_dim, settings.resolution, settings.augment) == (5, (48, 64), ("colour", "cutout"))


def test_settings_come_back_from_what_they_are_saved_as():
    settings = build_settings({"resolution": "48x64", "augment": "colour", "images": 10})
    assert build_settings(settings.model_dump(mode="json")) == settings


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        TrainSettings().batch = 3


def test_a_misspelt_recipe_gets_the_nearest_name():
    assert find_recipe("WGAN_GP").name == "wgan-gp"
    with pytest.raises(UsageError, match="did you mean 'dcgan'"):
        find_recipe("dcgna")


@pytest.mark.parametrize(
    ("size", "pictures", "labelled", "device", "name"),
    [
        ((28, 28), 60_000, True, "cpu", "fast"),
        ((64, 64), 2_000, False, "cpu", "fast"),
        ((64, 64), 500, True, "cpu", "fast"),
        ((64, 64), 500, False, "cpu", "projected"),
        ((32, 32), 500, False, "cpu", "fast"),
        ((128, 128), 60_000, False, "cpu", "fast"),
        ((128, 128), 60_000, False, "cuda", "fastgan"),
        ((256, 256), 500, False, "cpu", "fastgan"),
        ((16, 6), 60_000, False, "cpu", "mlp"),
    ],
)
def test_the_choice_of_a_recipe_follows_what_was_measured_and_says_why(size, pictures, labelled, device, name):
    recipe, why = choose_recipe(size=size, pictures=pictures, labelled=labelled, device=device)
    assert recipe.name == name
    assert f"{pictures} {'labelled ' if labelled else ''}pictures of {size[0]}x{size[1]} pixels" in why


@pytest.mark.parametrize("side", [4, 7, 8, 41, 64, 65, 128, 129, 512])
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_recipe_that_is_chosen_can_do_the_size(side, device, labelled):
    recipe, _ = choose_recipe(size=(side, side), pictures=100, labelled=labelled, device=device)
    check_size(str(recipe.cells["network"]), (side, side))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (
            ["train", "--data", "x.zip", "--outdir=runs", "--cfg", "dcgan"],
            ["train", "x.zip", "--out=runs", "--recipe", "dcgan"],
        ),
        (
            ["train", "d", "--kimg", "25", "--cond=1", "--gamma=2"],
            ["train", "d", "--images", "25000", "--labels", "--r1-gamma=2"],
        ),
        (["train", "d", "--train_batch_size", "8"], ["train", "d", "--batch", "8"]),
        (["train", "d", "--learning_rate=1e-3"], ["train", "d", "--g-lr", "1e-3", "--d-lr", "1e-3"]),
        (["train", "d", "--mixed_precision=no"], ["train", "d", "--precision", "float32"]),
        (["train", "d", "--resume_from_checkpoint", "latest"], ["train", "d", "--resume"]),
        (["train", "a_b", "--out", "c_d"], ["train", "a_b", "--out", "c_d"]),
        (["evaluate", "a", "--data", "b"], ["evaluate", "a", "--data", "b"]),
    ],
)
def test_flags_of_other_trainers_are_understood(given, meant):
    assert translate(given) == meant


def test_flags_that_would_mean_something_else_are_refused():
    with pytest.raises(UsageError, match="expected no or"):
        translate(["train", "d", "--mixed-precision", "fp8"])
    with pytest.raises(UsageError, match="only `latest`"):
        translate(["train", "d", "--resume-from-checkpoint", "checkpoint-500"])


def test_seeds_are_numbers_and_ranges():
    assert parse_seeds("0-3,57") == [0, 1, 2, 3, 57]
    for wrong in ("", "5-3", "a", "1,,2", "-1"):
        with pytest.raises(UsageError, match="0-31,57"):
            parse_seeds(wrong)


def test_d_may_have_another_width_than_g():
    config = ModelConfig(network="dcgan", resolution=(16, 16), channels=1, z_dim=8, width=8)
    same, wide = (
        TrainState.create(build_settings({"width": 8, "z_dim": 8, **cells}), config, torch.device("cpu")).game
        for cells in ({}, {"d_width": 16})
    )
    first_layers = [next(game.D.parameters()).shape for game in (same, wide)]
    assert first_layers == [(8, 1, 4, 4), (16, 1, 4, 4)]
    assert [p.shape for p in same.G.parameters()] == [p.shape for p in wide.G.parameters()]
