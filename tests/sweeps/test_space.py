"""What may be searched over, as it is typed."""

import pytest

from ganvas.errors import UsageError
from ganvas.recipes import RECIPES
from ganvas.settings import TrainSettings, build_settings
from ganvas.sweeps.space import SEARCHABLE, Choice, Range, default_space, read_searches, read_space


def test_words_become_ranges_and_choices_of_the_settings_own_types():
    words = ["g-lr=1e-4..1e-2:log", "--batch=16,32,64", "width=16..64", "mirror=true,false"]
    assert read_space(read_searches(words)) == {
        "g_lr": Range(1e-4, 1e-2, log=True),
        "batch": Choice((16, 32, 64)),
        "width": Range(16, 64, whole=True),
        "mirror": Choice((True, False)),
    }


def test_values_with_commas_are_parted_by_bars_and_hyphens_are_underscores():
    space = read_space({"augment": "none|colour,cutout", "objective": "hinge,least-squares"})
    assert space["augment"] == Choice(("none", "colour,cutout"))
    assert space["objective"] == Choice(("hinge", "least_squares"))


@pytest.mark.parametrize("domain", ["0.0001..0.01:log", "16|32", "none|colour,cutout", "true|false", "16..64"])
def test_a_domain_reads_back_from_its_own_text(domain):
    names = {"0.0001..0.01:log": "g_lr", "none|colour,cutout": "augment", "true|false": "mirror"}
    name = names.get(domain, "batch")
    assert str(read_space({name: domain})[name]) == domain


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("g-lr", r"--search g-lr: expected NAME=VALUES, like g-lr=1e-4..1e-2:log"),
        ("g-rl=1e-4..1e-2", r"there is no such setting. did you mean 'g-lr'\?"),
        ("seed=1,2,3", r"trials that differ in it cannot be compared; give --seed for all of them"),
        ("resolution=16,32", r"cannot be compared"),
        ("g-lr=", r"no values; give a range like 1..10 or a choice like 1,2,4"),
        ("g-lr=1e-2..1e-4", r"a range goes from the lower to the higher number, and 0.01 is not below 0.0001"),
        ("g-lr=1e-4..", r"g-lr=1e-4..: '': input should be a valid number"),
        ("g-lr=1e-4..2", r"'2': input should be less than or equal to 1"),
        ("g-lr=1e-4..1e-2:ln", r"after the colon only 'log' is known"),
        ("r1-gamma=0..10:log", r"a range in ratios begins above 0: give a small number like 0.01"),
        ("objective=hinge..wasserstein", r"objective is not a number, so it has no range: give a choice"),
        ("batch=32", r"one value is nothing to search over: give --batch 32 instead"),
        ("batch=32,32", r"a value stands there twice"),
        ("batch=32,many", r"'many': input should be a valid integer"),
        ("batch=1,32", r"'1': input should be greater than or equal to 2"),
    ],
)
def test_words_that_cannot_be_searched_say_what_to_type(word, message):
    with pytest.raises(UsageError, match=message):
        read_space(read_searches([word]))


def test_a_name_twice_is_refused():
    with pytest.raises(UsageError, match=r"batch is already searched over 16,32: give it once"):
        read_searches(["batch=16,32", "batch=64,128"])


def test_what_can_be_searched_is_a_setting():
    assert set(SEARCHABLE) <= set(TrainSettings.model_fields)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_default_space_holds_the_recipe_and_the_settings_accept_its_corners(recipe):
    cells = RECIPES[recipe].cells
    space, base = default_space(cells, {}), build_settings(dict(cells))
    for end in (0, -1):
        corner = {n: (d.values if isinstance(d, Choice) else (d.low, d.high))[end] for n, d in space.items()}
        build_settings({**cells, **corner})
    for name in ("g_lr", "d_lr", "batch"):
        assert getattr(base, name) in space[name]
    # Not under BatchNorm in D, nor beside another penalty or clipped weights.
    assert ("r1_gamma" in space) == (recipe not in ("dcgan", "lsgan", "wgan", "wgan-gp"))
    assert ("beta1" in space) == (recipe != "wgan")


def test_what_the_user_fixes_is_not_varied():
    assert set(default_space(RECIPES["fast"].cells, {"batch": 16, "d_lr": 0.001})) == {"g_lr", "beta1", "r1_gamma"}
