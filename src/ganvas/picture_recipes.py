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
    "judge_samples": 500,
}

_UNPAIRED = {
    "task": "unpaired",
    "network": "resnet",
    "objective": "hinge",
    "d_norm": "spectral",
    "width": 16,
    "batch": 4,
    "g_lr": 5e-4,
    "d_lr": 5e-4,
    "beta1": 0.5,
    "lr_decay_from": 0.5,
    "ema_half_life": 1_000,
    "judge_samples": 500,
}

_THEIRS = "theirs: --width 64 --batch 1 --g-lr 2e-4 --d-lr 2e-4 --objective least_squares --d-norm instance"

_RESTORED = {
    "task": "restore",
    "game": "paired",
    "adversarial_weight": 0.0,
    "l1_weight": 1.0,
    "width": 32,
    "batch": 8,
    "g_lr": 1e-3,
    "beta1": 0.9,
    "beta2": 0.99,
    "lr_decay_from": 0.3,
    "lr_final": 0.02,
    "ema_half_life": 1_000,
    "judge_samples": 500,
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
    Recipe(
        "cyclegan",
        "two residual painters that undo each other and begin by changing nothing, a D of patches for each side",
        f"Zhu et al., 2017 ({_THEIRS} --cycle-weight 10 --identity-weight 5 --network-options add=false)",
        "the default of --task unpaired: two sets of pictures that do not belong together, both ways",
        {
            **_UNPAIRED,
            "game": "cycle",
            "network_options": ("blocks=3", "add=true", "antialias=true"),
            # As strong as published they hold a painter that begins with its input there.
            "cycle_weight": 1.0,
            "identity_weight": 0.5,
        },
    ),
    Recipe(
        "cut",
        "one residual painter that begins by changing nothing, whose patches must tell where they come from",
        f"Park et al., 2020 ({_THEIRS} --network-options antialias=true)",
        "two sets of pictures, one way (--direction), where what is shown where shall stay; the default with --style",
        {
            **_UNPAIRED,
            "game": "contrast",
            "network_options": ("blocks=5", "add=true", "antialias=true"),
            "contrast_weight": 1.0,
            "identity_weight": 1.0,
        },
    ),
    Recipe(
        "srresnet",
        "residual blocks and sub-pixels add what bicubic enlargement lacks; no D",
        "Ledig et al., 2017, without BatchNorm as Lim et al., 2017 (theirs: --width 64 --batch 16 --g-lr 1e-4)",
        "the default of --task restore for lowres and blind: enlarging, true to the pixel; the first stage of esrgan",
        {**_RESTORED, "network": "srresnet", "network_options": ("blocks=8",), "mirror": True},
    ),
    Recipe(
        "unet-restore",
        "a U-Net without normalisation paints what is to be added; no D",
        "Ronneberger et al., 2015; residual as Zhang et al., 2017; blocks after Chen et al., 2022",
        "the default of --task restore for blur, noise, JPEG and lost colour",
        {**_RESTORED, "network": "restore_unet", "mirror": True},
    ),
    Recipe(
        "inpaint",
        "Fourier convolutions, which see the whole picture at once, add to a smooth filling of the holes; no D",
        "Suvorov et al., 2022 (theirs: smooth=false, blocks=9); their second half is --recipe esrgan --init-from RUN",
        "the default of --task restore for holes",
        {**_RESTORED, "network": "fourier", "width": 16, "network_options": ("blocks=4", "smooth=true")},
    ),
    Recipe(
        "esrgan",
        "a restoration that goes on with a D of patches and a perceptual distance: sharper, less true to the pixel",
        "Wang et al., 2018 (theirs: --network rrdb in both stages, --g-lr 1e-4 --d-lr 1e-4 --batch 16)",
        "after a run of srresnet, unet-restore or inpaint, given as --init-from RUN",
        {
            **_RESTORED,
            "network": "srresnet",
            "objective": "relativistic_average",
            "d_norm": "spectral",
            "adversarial_weight": 5e-3,
            "perceptual_weight": 1.0,
            "l1_weight": 1e-2,
            "g_lr": 2e-4,
            "d_lr": 2e-4,
            "mirror": True,
        },
    ),
)
