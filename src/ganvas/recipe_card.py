"""What one recipe is, for someone who chooses: paper, sizes, parameters, cost, when to take it."""

from __future__ import annotations

from collections.abc import Mapping

from ganvas.games.table import make_players
from ganvas.networks.options import known_options as known
from ganvas.networks.painter_table import PAINTERS
from ganvas.networks.sizes import Size
from ganvas.networks.table import NETWORKS
from ganvas.recipe_cost import recipe_cost
from ganvas.recipes import RECIPES, Recipe
from ganvas.settings import build_settings
from ganvas.tasks.table import TASKS

SHOWN: tuple[Size, ...] = ((32, 32), (64, 64), (128, 128))
COUNTED: Size = (64, 64)  # where the cost is told: every family draws it
LABELS = {"optional": "used where there are some", "needed": "needed", "unused": "not used"}


def recipe_card(recipe: Recipe) -> list[tuple[str, str]]:
    """Rows of name and words. Builds the networks and plays a few steps, to count."""
    rows = [("recipe", recipe.name), ("task", recipe.task), ("what", recipe.summary), ("paper", recipe.paper)]
    rows.append(("when", recipe.when))
    network = str(recipe.cells["network"])
    smallest, largest, own = _painter_rows(network) if network in PAINTERS else _family_rows(network)
    rows += own
    for size in SHOWN:
        if smallest <= min(size) and max(size) <= largest:
            counts = [f"{count / 1e6:.2f} M in {name}" for name, count in count_parameters(recipe, size)]
            words = ", ".join(counts).replace(" M in", " M parameters in", 1)
            rows.append((f"at {size[0]}x{size[1]} RGB", words))
    rows.append((f"cost at {COUNTED[0]}x{COUNTED[1]}", cost_words(recipe)))
    return rows


def _family_rows(network: str) -> tuple[int, int, list[tuple[str, str]]]:
    """The sides that a family can do, and the rows about it."""
    family = NETWORKS[network]
    rows = [
        ("sides", f"{family.smallest} to {family.largest} pixels, square or not"),
        ("labels", LABELS[family.labels]),
    ]
    return family.smallest, family.largest, rows + _own({**known(family.Generator), **known(family.Discriminator)})


def _painter_rows(network: str) -> tuple[int, int, list[tuple[str, str]]]:
    """The same of a family of painters."""
    family = PAINTERS[network]
    rows = [("sides", f"from {family.smallest} pixels, square or not"), ("labels", LABELS["unused"])]
    # A D of patches needs some of them.
    return max(32, family.smallest), family.largest, rows + _own(known(family.Painter))


def _own(options: Mapping[str, object]) -> list[tuple[str, str]]:
    words = ",".join(f"{name}={value}" for name, value in options.items())
    return [("its own", f"--network-options {words} (the defaults)")] if options else []


def cost_words(recipe: Recipe) -> str:
    """What a picture takes in training and in drawing, beside the recipe that is cheapest to train."""
    cost = recipe_cost(recipe, COUNTED)
    times = cost.training / recipe_cost(RECIPES["fast"], COUNTED).training
    beside = "" if recipe.name == "fast" else f", {times:.2g} times as much as `fast`"
    return f"{cost.training:.2g} GFLOP to train on a picture{beside}; {cost.drawing:.2g} to draw one"


def typed_cells(recipe: Recipe) -> list[tuple[str, str]]:
    """The row's settings as they would be typed."""
    typed = build_settings(dict(recipe.cells)).model_dump(mode="json")
    return [(f"--{key.replace('_', '-')}", str(typed[key])) for key in recipe.cells]


def count_parameters(recipe: Recipe, resolution: Size) -> list[tuple[str, int]]:
    """Trainable numbers of each player, for RGB pictures without labels (of two classes where they are needed)."""
    task = TASKS[recipe.task]
    settings, config = task.example(recipe, resolution)
    players = make_players(settings, config, task.unlearned_eyes(config, settings))
    return [(name, sum(p.numel() for p in player.parameters() if p.requires_grad)) for name, player in players.items()]
