"""The recipes that paint pictures from pictures, as rows of the table in `recipes`. Imports no torch."""

from __future__ import annotations

from ganvas.recipe import Recipe

_PAIRS = {
    "task": "translate",
    "game": "paired",
    "objective": "least_squares",
    "d_norm": "instance",
    "d_sees_input": True,
    "g_lr": 2e-4,
    "d_lr": 2e-4,
    "beta1": 0.5,
    "lr_decay_from": 0.5,
    "ema_half_life": 1_000,
}

PICTURE_RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "pix2pix",
        "a U-Net paints B from A; a D of patches sees both; L1 keeps it near the target",
        "Isola et al., 2017 (theirs: --width 64 --batch 1 --objective non_saturating --g-lr 2e-4 --d-lr 2e-4)",
        "the default of --task translate: pairs of pictures that lie on each other",
        {
            **_PAIRS,
            "network": "unet",
            "objective": "non_saturating",
            "width": 32,
            "batch": 4,
            "l1_weight": 100.0,
            "g_lr": 5e-4,
        },
    ),
    Recipe(
        "pix2pixhd",
        "a residual painter, two Ds of patches at two sizes, their features matched instead of an L1",
        "Wang et al., 2018 (theirs: --width 64 --batch 1 --d-scales 3)",
        "pairs from 64 pixels on, label maps above all (--one-hot)",
        {
            **_PAIRS,
            "network": "pix2pixhd",
            "width": 32,
            "max_width": 256,
            "batch": 4,
            "d_scales": 2,
            "feature_matching_weight": 10.0,
        },
    ),
)
