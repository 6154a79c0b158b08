"""What one recipe is, for someone who chooses: paper, sizes, parameters, cost, when to take it."""

from __future__ import annotations

from typing import Any

from ganvas.networks.options import known_options
from ganvas.networks.sizes import Size
from ganvas.networks.table import NETWORKS, build_discriminator, build_generator
from ganvas.recipe_cost import recipe_cost
from ganvas.recipes import RECIPES, Recipe
from ganvas.settings import build_settings
from ganvas.training.looked_through import unlearned_maps

SHOWN: tuple[Size, ...] = ((32, 32), (64, 64), (128, 128))
COUNTED: Size = (64, 64)  # where the cost is told: every family draws it
LABELS = {"optional": "used where there are some", "needed": "needed", "unused": "not used"}


def recipe_card(recipe: Recipe) -> list[tuple[str, str]]:
    """Rows of name and words. Builds the networks and plays a few steps, to count."""
    settings = build_settings(dict(recipe.cells))
    family = NETWORKS[settings.network]
    rows = [("recipe", recipe.name), ("what", recipe.summary), ("paper", recipe.paper), ("when", recipe.when)]
    rows.append(("sides", f"{family.smallest} to {family.largest} pixels, square or not"))
    rows.append(("labels", LABELS[family.labels]))
    own = {**known_options(family.Generator), **known_options(family.Discriminator)}
    if own:
        words = ",".join(f"{name}={value}" for name, value in own.items())
        rows.append(("its own", f"--network-options {words} (the defaults)"))
    for size in SHOWN:
        if family.smallest <= min(size) and max(size) <= family.largest:
            G, D = (f"{count / 1e6:.2f} M" for count in count_parameters(recipe, size))
            rows.append((f"at {size[0]}x{size[1]} RGB", f"{G} parameters in G, {D} in D"))
    rows.append((f"cost at {COUNTED[0]}x{COUNTED[1]}", cost_words(recipe)))
    return rows


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


def count_parameters(recipe: Recipe, resolution: Size) -> tuple[int, int]:
    """Trainable numbers in G and in D, for RGB pictures without labels (of two classes where they are needed)."""
    settings = build_settings(dict(recipe.cells))
    family = NETWORKS[settings.network]
    classes = 2 if family.labels == "needed" else 0
    shape: dict[str, Any] = {"resolution": resolution, "channels": 3, "width": settings.width, "classes": classes}
    shape |= {"max_width": settings.max_width, "options": settings.network_options}
    G = build_generator(settings.network, z_dim=settings.z_dim, **shape)
    features = unlearned_maps(settings.network, 3, resolution)
    shape["width"] = settings.d_width or settings.width
    D = build_discriminator(settings.network, norm=settings.d_norm, features=features, **shape)
    G_count, D_count = (sum(p.numel() for p in network.parameters() if p.requires_grad) for network in (G, D))
    return G_count, D_count
