"""A gamma is suggested by published rules: it grows with the pixels and falls with the batch."""

import pytest

from ganvas.recipes import RECIPES
from ganvas.settings import build_settings
from ganvas.suggest import advice, r3gan_gamma, stylegan2_gamma, suggest_gamma


def settings_of(recipe, resolution, **cells):
    return build_settings({**RECIPES[recipe].cells, "resolution": resolution, **cells})


def suggested(recipe, resolution, pictures=60_000, **cells):
    return suggest_gamma(settings_of(recipe, resolution, **cells), RECIPES[recipe].cells, pictures)


def test_stylegan2s_rule_is_that_of_its_paper():
    assert stylegan2_gamma(1024, 1024, 32) == pytest.approx(6.5536)
    assert stylegan2_gamma(256, 256, 64) == pytest.approx(0.2048)


@pytest.mark.parametrize(("side", "published"), [(32, 0.05), (32, 0.5), (64, 2), (64, 1), (256, 150)])
def test_r3gans_published_gammas_are_met_within_a_factor_of_3_4(side, published):
    assert 1 / 3.4 < r3gan_gamma(side, side) / published < 3.4
    assert suggested("r3gan", side).gamma == r3gan_gamma(side, side)


def test_below_32_pixels_r3gans_gamma_falls_no_further():
    assert r3gan_gamma(16, 16) == r3gan_gamma(32, 32)


def test_four_times_the_pixels_ask_for_four_times_the_gamma_and_twice_the_batch_for_half():
    own = RECIPES["fast"].cells["r1_gamma"]
    assert suggested("fast", 32).gamma == pytest.approx(own)
    assert suggested("fast", 64).gamma == pytest.approx(4 * own)
    assert suggested("fast", "16x64").gamma == pytest.approx(own)
    assert suggested("fast", 16).gamma == pytest.approx(own), "not less below 32 pixels"
    assert suggested("fast", 32, batch=64).gamma == pytest.approx(own / 2)


def test_few_pictures_are_said_to_want_more_but_no_number_is_made_up_for_them():
    few, many = suggested("fast", 32, pictures=400), suggested("fast", 32)
    assert few.gamma == many.gamma
    assert "400 pictures are few" in few.why
    assert "few" not in many.why


def test_a_recipe_without_r1_gets_no_suggestion():
    assert suggested("wgan-gp", 32) is None
    assert suggested("fast", 32, r1_gamma=0.0) is None


def test_advice_is_given_only_where_the_gamma_is_far_from_the_suggestion():
    row = RECIPES["fast"].cells
    assert advice(settings_of("fast", 32), row, 60_000) == ""
    said = advice(settings_of("fast", 128), row, 60_000)
    assert said.startswith("gamma is 0.3; the suggestion for 128x128 pixels in batches of 32 is about 4.8")
    assert advice(settings_of("fast", 128, r1_gamma=4.0), row, 60_000) == ""
