"""Protocols that papers name: network, sample count, reference and truncation by one word."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ganvas.errors import UsageError


@dataclass(frozen=True)
class Preset:
    """One row of the table. metric: the number that carries the protocol's name. extras: asked for besides."""

    metric: str
    features: str
    samples: int
    reference: Literal["train", "held_out"]
    paper: str
    extras: tuple[str, ...] = ()


# The reference is the whole split, the generator is not truncated, the pictures come from its average.
PRESETS: Mapping[str, Preset] = {
    "fid50k_full": Preset(
        "frechet_distance", "inception", 50_000, "train", "Heusel et al., 2017; counts as in Karras et al., 2020"
    ),
    "kid50k_full": Preset(
        "kid", "inception", 50_000, "train", "Binkowski et al., 2018; counts as in Karras et al., 2020", ("kid",)
    ),
    "is50k": Preset(
        "inception_score", "inception", 50_000, "train", "Salimans et al., 2016, ten splits", ("inception_score",)
    ),
    "studiogan": Preset(
        "frechet_distance", "inception", 10_000, "held_out", "Kang et al., 2023: 10 000 against the test set"
    ),
    "clean-fid": Preset("frechet_distance", "inception-clean", 50_000, "train", "Parmar et al., 2022"),
    "dinov2-fd": Preset("frechet_distance", "dinov2", 50_000, "train", "Stein et al., 2023"),
}


def find_preset(name: str) -> Preset:
    """The row of that name (hyphen and underscore are equal); raises UsageError with the nearest name."""
    alike = {key.replace("_", "-"): key for key in PRESETS}
    known = name.strip().lower().replace("_", "-")
    if known in alike:
        return PRESETS[alike[known]]
    near = difflib.get_close_matches(known, alike, n=1)
    hint = f"did you mean '{alike[near[0]]}'? " if near else ""
    raise UsageError(f"there is no preset '{name}': {hint}There are {', '.join(PRESETS)}")
