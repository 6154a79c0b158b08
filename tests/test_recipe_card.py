"""What `ganvas recipes NAME` tells of a recipe."""

import pytest
import torch

from ganvas.model import ModelConfig
from ganvas.recipe_card import recipe_card, typed_cells
from ganvas.recipe_cost import recipe_cost
from ganvas.recipes import RECIPES, Recipe
from ganvas.settings import build_settings
from ganvas.training.state import TrainState


def row_with(**cells):
    return Recipe("tried", "", "", "", {"network": "mlp", "width": 4, "z_dim": 2, "d_norm": "none", **cells})


def test_drawing_a_picture_costs_two_operations_a_weight_of_the_matrices():
    cost = recipe_cost(row_with(), (4, 4))
    config = ModelConfig(
        network="mlp",
        resolution=(4, 4),
        channels=3,
        bits=8,
        z_dim=2,
        width=4,
        max_width=None,
        network_options=(),
        class_names=(),
        class_shares=(),
        recipe="tried",
        source="",
    )
    state = TrainState.create(build_settings(dict(row_with().cells)), config, torch.device("cpu"))
    matrices = [p.numel() for p in state.game.G.parameters() if p.ndim == 2]
    assert cost.drawing == pytest.approx(2 * sum(matrices) / 1e9)


def test_a_lazy_penalty_costs_its_share_of_the_steps():
    plain, always = (recipe_cost(row_with(r1_gamma=g), (4, 4)).training for g in (0.0, 1.0))
    lazy = recipe_cost(row_with(r1_gamma=1.0, penalty_every=8), (4, 4)).training
    assert plain < lazy < always
    assert lazy - plain == pytest.approx((always - plain) / 8)


def test_what_belongs_to_a_step_weighs_less_in_a_larger_batch():
    held = {"orthogonal_weight": 1e-4}
    extra = [
        recipe_cost(row_with(batch=b, **held), (4, 4)).training - recipe_cost(row_with(batch=b), (4, 4)).training
        for b in (8, 16)
    ]
    assert extra[0] == pytest.approx(2 * extra[1], rel=1e-6)
    assert extra[0] > 0


def test_the_card_tells_sizes_parameters_and_cost():
    card = dict(recipe_card(RECIPES["acgan"]))
    assert card["labels"] == "needed"
    assert "parameters in G" in card["at 64x64 RGB"]
    assert "GFLOP to train on a picture" in card["cost at 64x64"]
    assert "times as much as `fast`" in card["cost at 64x64"]


def test_settings_are_shown_as_they_are_typed():
    assert dict(typed_cells(RECIPES["stylegan2"]))["--network-options"] == "mapping_layers=2"
    assert dict(typed_cells(RECIPES["fastgan"]))["--augment"] == "translation"
