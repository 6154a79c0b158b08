"""What one recipe is, for someone who chooses: paper, sizes, parameters, when to take it."""

from __future__ import annotations

from typing import Any

from ganvas.networks.options import known_options
from ganvas.networks.sizes import Size
from ganvas.networks.table import NETWORKS, build_discriminator, build_generator
from ganvas.recipes import Recipe
from ganvas.settings import build_settings
from ganvas.training.looked_through import unlearned_maps

SHOWN: tuple[Size, ...] = ((32, 32), (64, 64), (128, 128))
LABELS = {"optional": "used where there are some", "needed": "needed", "unused": "not used"}


def recipe_card(recipe: Recipe) -> list[tuple[str, str]]:
    """Rows of name and words. Builds the networks, to count their parameters."""
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
    return rows


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
