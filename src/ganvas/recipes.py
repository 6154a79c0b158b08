"""The named recipes as one table: what is not in a row is the default of `TrainSettings`. Imports no torch."""

from __future__ import annotations

from ganvas.errors import UsageError
from ganvas.picture_recipes import PICTURE_RECIPES
from ganvas.recipe import Recipe

__all__ = ["RECIPES", "Recipe", "choose_recipe", "find_recipe"]

SMALL_SIDE = 40  # pixels: up to there `fast` is ahead with few pictures too
FEW = 1_000  # pictures
LARGEST_SMALL, LARGEST_ON_GPU = 128, 64  # sides up to which the small networks are chosen

_DCGAN = {
    "network": "dcgan",
    "g_lr": 2e-4,
    "d_lr": 2e-4,
    "beta1": 0.5,
    "batch": 64,
    "z_dim": 100,
    "width": 64,
}

_RESIDUAL = {
    "network": "sngan",
    "objective": "hinge",
    "d_norm": "spectral",
    "z_dim": 128,
    "width": 32,
    "max_width": 256,
    "batch": 32,
    "g_lr": 5e-4,
    "d_lr": 1e-3,
    "beta1": 0.0,
    "beta2": 0.9,
}
_NAMED = {
    "d_norm": "none",
    "r1_gamma": 1.0,
    "penalty_every": 4,
    "z_dim": 64,
    "width": 24,
    "max_width": 192,
    "batch": 32,
    "g_lr": 1e-3,
    "d_lr": 1e-3,
    "beta1": 0.5,
    "beta2": 0.99,
    "lr_decay_from": 0.5,
    "lr_final": 0.04,
}
_STYLEGAN = {
    "d_norm": "none",
    "penalty_every": 16,
    "z_dim": 128,
    "width": 16,
    "beta1": 0.0,
    "beta2": 0.99,
}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "fast",
            "small networks, label-aware, both turns from one pass: good pictures in minutes on two cores",
            "non-saturating (Goodfellow et al., 2014), R1 every 4th step (Mescheder et al., 2018), projection "
            "(Miyato and Koyama, 2018), simultaneous turns",
            "the default up to 64 pixels, without a GPU up to 128; best with labels, or with a thousand pictures",
            {
                "network": "fast",
                "z_dim": 32,
                "width": 32,
                "d_norm": "none",
                "batch": 32,
                "r1_gamma": 0.3,
                "penalty_every": 4,
                "turns": "simultaneous",
                "g_lr": 1.5e-3,
                "d_lr": 1.5e-3,
                "beta1": 0.0,
                "beta2": 0.99,
                "lr_decay_from": 0.5,
                "lr_final": 0.02,
                "ema_half_life": 15_000,
            },
        ),
        Recipe(
            "mlp",
            "dense layers only: the first GAN, in seconds (--objective minimax gives the formula of the paper)",
            "Goodfellow et al., 2014",
            "to understand a GAN; pictures up to about 32 pixels",
            {"network": "mlp", "width": 256, "d_norm": "none", "batch": 64, "g_lr": 2e-4, "d_lr": 2e-4},
        ),
        Recipe(
            "dcgan",
            "4x4 convolutions and BatchNorm: the textbook GAN",
            "Radford et al., 2016",
            "a known baseline; above 32 pixels fastgan learns far more from as many images",
            _DCGAN,
        ),
        Recipe(
            "dcgan5",
            "dense start and 5x5 convolutions, no norm in D",
            "Radford et al., 2016, figure 1",
            "small pictures of one kind, without tuning",
            {**_DCGAN, "network": "dcgan5", "d_norm": "none", "g_lr": 1e-4, "d_lr": 1e-4},
        ),
        Recipe(
            "dcgan-critic5",
            "dcgan5 with five D turns per G turn",
            "Radford et al., 2016; turns as in Arjovsky et al., 2017",
            "when D is too weak to guide G",
            {**_DCGAN, "network": "dcgan5", "d_norm": "none", "g_lr": 1e-4, "d_lr": 1e-4, "n_critic": 5},
        ),
        Recipe(
            "lsgan",
            "dcgan with the least-squares objective",
            "Mao et al., 2017",
            "steadier gradients than the sigmoid's where D is sure",
            {**_DCGAN, "objective": "least_squares"},
        ),
        Recipe(
            "wgan",
            "Wasserstein critic with clipped weights, five turns, RMSprop",
            "Arjovsky et al., 2017, algorithm 1",
            "to compare with the paper; wgan-gp learns faster",
            {
                **_DCGAN,
                "objective": "wasserstein",
                "d_norm": "none",
                "n_critic": 5,
                "clip": 0.01,
                "optimizer": "rmsprop",
                "g_lr": 5e-5,
                "d_lr": 5e-5,
            },
        ),
        Recipe(
            "wgan-gp",
            "Wasserstein critic with a gradient penalty, five turns, no BatchNorm in D",
            "Gulrajani et al., 2017, algorithm 1",
            "slow but steady: D cannot run away from G",
            {
                **_DCGAN,
                "objective": "wasserstein",
                "d_norm": "none",
                "n_critic": 5,
                "gp_weight": 10.0,
                "g_lr": 1e-4,
                "d_lr": 1e-4,
                "beta1": 0.0,
                "beta2": 0.9,
            },
        ),
        Recipe(
            "hinge-sn",
            "hinge objective with spectral normalisation in D",
            "Miyato et al., 2018",
            "a steady D without a penalty; colour pictures",
            {**_DCGAN, "objective": "hinge", "d_norm": "spectral", "beta1": 0.0, "beta2": 0.9},
        ),
        Recipe(
            "sngan",
            "residual networks, spectral normalisation of every layer of D, hinge objective",
            "Miyato et al., 2018; labels as in Miyato and Koyama, 2018 (theirs: --n-critic 5 --g-lr 2e-4 --d-lr 2e-4)",
            "a steady D for colour pictures with or without labels; the base of sagan and biggan",
            _RESIDUAL,
        ),
        Recipe(
            "sagan",
            "sngan with self-attention, spectral normalisation in G too, a faster D",
            "Zhang et al., 2019 (theirs: --g-lr 1e-4 --d-lr 4e-4 --batch 256)",
            "pictures whose far parts must fit together",
            {**_RESIDUAL, "network": "sagan"},
        ),
        Recipe(
            "biggan",
            "residual networks, class embedding shared by all layers, z cut into a piece for each, orthogonal G",
            "Brock et al., 2019 (theirs: --n-critic 2 --g-lr 5e-5 --d-lr 2e-4 --batch 2048 --width 96 "
            "--max-width 1536)",
            "many classes; large batches through --micro-batch; --trunc trades variety for fidelity",
            {
                **_RESIDUAL,
                "network": "biggan",
                "z_dim": 120,
                "beta2": 0.99,
                "orthogonal_weight": 1e-4,
                "standing_batches": 16,
            },
        ),
        Recipe(
            "progressive",
            "small pictures first, a stage at a time, each faded in; equalised learning rate, pixel norm",
            "Karras et al., 2018 (theirs at 1024 pixels: --objective wasserstein --gp-weight 10 --r1-gamma 0 "
            "--penalty-every 1 --max-width 512 --z-dim 512 --g-lr 1e-3 --d-lr 1e-3 --lr-decay-from 1)",
            "to compare with the paper; stylegan2 came after it",
            {
                "network": "progressive",
                "r1_gamma": 0.3,
                "penalty_every": 4,
                "d_norm": "none",
                "z_dim": 128,
                "width": 16,
                "max_width": 128,
                "batch": 16,
                "g_lr": 5e-3,
                "d_lr": 5e-3,
                "beta1": 0.0,
                "beta2": 0.99,
                "lr_decay_from": 0.6,
                "lr_final": 0.1,
            },
        ),
        Recipe(
            "stylegan2",
            "mapping to w, modulated convolutions, noise, mixed styles, R1 and path length now and then",
            "Karras et al., 2020, configuration F (theirs at 256 pixels: --width 64 --max-width 512 --z-dim 512 "
            "--batch 64 --network-options mapping_layers=8 --g-lr 2.5e-3 --d-lr 2.5e-3 --r1-gamma 1)",
            "the generator to edit: w is smooth; on a GPU, from some hundred pictures on with --ada; on a CPU faces of "
            "32 pixels take it ten minutes",
            {
                **_STYLEGAN,
                "network": "stylegan2",
                "network_options": ("mapping_layers=2",),
                "max_width": 128,
                "r1_gamma": 0.1,
                "path_length_weight": 2.0,
                "batch": 8,
                "g_lr": 1e-2,
                "d_lr": 5e-3,
            },
        ),
        Recipe(
            "stylegan3",
            "layers without aliasing: what moves, moves with its texture",
            "Karras et al., 2021, configuration T (theirs at 256 pixels: --width 64 --max-width 512 --z-dim 512 "
            "--batch 32 --g-lr 2.5e-3 --d-lr 2e-3 --r1-gamma 2)",
            "pictures that will be moved or filmed; several times the cost of stylegan2",
            {
                **_STYLEGAN,
                "network": "stylegan3",
                "max_width": 64,
                "r1_gamma": 0.3,
                "batch": 16,
                "g_lr": 5e-3,
                "d_lr": 5e-3,
            },
        ),
        Recipe(
            "fastgan",
            "skip-layer excitation in G, a D that also decodes what it saw",
            "Liu et al., 2021 (theirs at 256 pixels: --batch 8 --width 32 --d-width 16 --max-width 1024 --z-dim 256 "
            "--g-lr 2e-4 --d-lr 2e-4 --beta1 0.5 --beta2 0.999 --lr-decay-from 1 --augment colour,translation)",
            "a hundred to a few thousand pictures, any size; where they are few --augment colour,translation, which "
            "learns more slowly",
            {
                "network": "fastgan",
                "objective": "hinge",
                "d_norm": "spectral",
                "reconstruct_weight": 1.0,
                "augment": ("translation",),
                "z_dim": 128,
                "width": 16,
                "max_width": 256,
                "batch": 16,
                "g_lr": 1e-3,
                "d_lr": 1e-3,
                "beta1": 0.0,
                "beta2": 0.99,
                "lr_decay_from": 0.5,
                "lr_final": 0.05,
            },
        ),
        Recipe(
            "r3gan",
            "a real must beat its fake, R1 and R2 at every step, no normalisation, no tricks",
            "Huang et al., 2024 (theirs for CIFAR-10: --width 768 --max-width 768 --batch 512)",
            "the steadiest game; needs time or a GPU; --r1-gamma and --r2-gamma decide",
            {
                "network": "r3gan",
                "objective": "relativistic",
                "d_norm": "none",
                "r1_gamma": 0.5,
                "r2_gamma": 0.5,
                "z_dim": 64,
                "width": 16,
                "max_width": 128,
                "batch": 32,
                "g_lr": 2e-3,
                "d_lr": 2e-3,
                "beta1": 0.0,
                "beta2": 0.9,
                "beta2_final": 0.99,
                "burn_in": 1.0,
                "lr_final": 0.1,
                "gamma_final": 0.1,
                "ema_half_life": 5_000,
            },
        ),
        Recipe(
            "projected",
            "D looks through the network that the judge trained on these pictures",
            "Sauer et al., 2021 (theirs looks through a network trained on ImageNet: --batch 64 --z-dim 256 "
            "--g-lr 2e-4 --d-lr 2e-4 --lr-decay-from 1 --augment colour,translation,cutout)",
            "quick first shapes; the judge's distances flatter it, so look at the sheet",
            {
                "network": "projected",
                "objective": "hinge",
                "d_norm": "spectral",
                "augment": ("translation",),
                "z_dim": 128,
                "width": 8,
                "max_width": 128,
                "batch": 16,
                "g_lr": 1e-3,
                "d_lr": 1e-3,
                "beta1": 0.0,
                "beta2": 0.99,
                "lr_decay_from": 0.5,
                "lr_final": 0.05,
            },
        ),
        Recipe(
            "transformer",
            "G of windowed and grid attention between doublings, a convolutional D with R1",
            "after Jiang et al., 2021, Zhang et al., 2022 and Lee et al., 2022 (larger: --width 64 --max-width 512)",
            "to study attention in G; convolutions learn faster on a CPU",
            {
                "network": "transformer",
                "d_norm": "none",
                "r1_gamma": 1.0,
                "penalty_every": 4,
                "z_dim": 64,
                "width": 16,
                "max_width": 128,
                "batch": 16,
                "g_lr": 1e-3,
                "d_lr": 1e-3,
                "beta1": 0.0,
                "beta2": 0.99,
                "lr_decay_from": 0.5,
                "lr_final": 0.05,
            },
        ),
        Recipe(
            "infogan",
            "codes in the noise that D must find again: kinds of pictures without a label",
            "Chen et al., 2016",
            "to find classes and directions in pictures that nobody labelled",
            {**_NAMED, "network": "infogan", "info_weight": 1.0, "r1_gamma": 0.3, "batch": 64},
        ),
        Recipe(
            "acgan",
            "D also names the class, and G must be recognised",
            "Odena et al., 2017",
            "few, clear classes; with many, projection (sngan, biggan) keeps more variety",
            {**_NAMED, "network": "acgan", "class_weight": 1.0},
        ),
        *PICTURE_RECIPES,
    )
}


def find_recipe(name: str) -> Recipe:
    """The row of that name (hyphen and underscore are equal); raises UsageError with the nearest name."""
    import difflib

    known = name.strip().lower().replace("_", "-")
    if known in RECIPES:
        return RECIPES[known]
    near = difflib.get_close_matches(known, RECIPES, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise UsageError(f"there is no recipe '{name}': {hint}Known are {', '.join(RECIPES)}")


def choose_recipe(*, size: tuple[int, int], pictures: int, labelled: bool, device: str) -> tuple[Recipe, str]:
    """The recipe for pictures of (height, width) when the user names none, and why in words.

    It follows what was measured on small real sets (docs/recipes.md): `fast` where there are labels or many pictures or
    they are small, `projected` for few larger ones without labels, `fastgan` for what the small networks cannot draw.
    """
    place = {"cuda": "a GPU", "cpu": "this CPU"}.get(device, device)
    data = f"{pictures} {'labelled ' if labelled else ''}pictures of {size[0]}x{size[1]} pixels on {place}"
    if min(size) < 8:
        return RECIPES["mlp"], f"{data}: too small for convolutions that halve them"
    if max(size) > (LARGEST_ON_GPU if device == "cuda" else LARGEST_SMALL):
        return RECIPES["fastgan"], f"{data}: of the families for large pictures it learns most from an image"
    if not labelled and pictures < FEW and max(size) > SMALL_SIDE:
        return RECIPES["projected"], f"{data}: so few learn most through features of a network that has seen them all"
    return RECIPES["fast"], f"{data}: small networks learn most per minute"
