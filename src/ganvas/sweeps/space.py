"""What a sweep may vary: `g-lr=1e-4..1e-2:log` or `batch=16,32,64`, read into ranges and choices. Imports no torch."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from ganvas.errors import UsageError
from ganvas.settings import TrainSettings, build_settings

# Settings of networks, game and optimisers. Not those of the pictures, the seed or the judge: with these, trials would
# differ in what is measured or in luck, and the best would not be the best.
SEARCHABLE = (
    *("batch", "augment", "mirror", "precision", "network", "z_dim", "width", "d_width", "d_norm", "objective"),
    "turns",
    *("n_critic", "r1_gamma", "r2_gamma", "gp_weight", "penalty_every", "clip", "optimizer", "g_lr", "d_lr"),
    *("beta1", "beta2", "lr_decay_from", "lr_final", "burn_in", "gamma_final", "beta2_final", "ema_half_life"),
    *("max_width", "ada", "ada_p", "ada_target", "ada_images", "apa", "top_k", "dragan_weight", "lecam_weight"),
    *("consistency_weight", "feature_matching_weight", "orthogonal_weight", "path_length_weight"),
    *("class_weight", "info_weight", "reconstruct_weight", "adversarial_weight", "l1_weight", "perceptual_weight"),
    *("cycle_weight", "identity_weight", "contrast_weight", "d_scales", "pool"),
)

Value = bool | int | float | str


@dataclass(frozen=True)
class Range:
    """Every number from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False  # as likely between 0.001 and 0.01 as between 0.01 and 0.1
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.low}..{self.high}{':log' if self.log else ''}"

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]

    def __str__(self) -> str:
        return "|".join(map(_text, self.values))

    def __contains__(self, value: object) -> bool:
        return value in self.values


Space = dict[str, Range | Choice]


def read_searches(words: Sequence[str]) -> dict[str, str]:
    """The words of `--search NAME=VALUES`, by setting. Raises UsageError for a word without `=`, or a name twice."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, domain = word.partition("=")
        if not equals:
            raise UsageError(f"--search {word}: expected NAME=VALUES, like g-lr=1e-4..1e-2:log or batch=16,32,64")
        key = name.strip().lstrip("-").replace("-", "_")
        if key in found:
            raise UsageError(f"--search {word}: {_flag(key)} is already searched over {found[key]}: give it once")
        found[key] = domain.strip()
    return found


def read_space(searches: Mapping[str, str]) -> Space:
    """Ranges and choices by setting. `A..B` is a range, `A..B:log` one in ratios, `A,B,C` a choice, and so is `A|B`
    where values hold commas. Raises UsageError with what is wrong in which word.
    """
    space = {name.replace("-", "_"): _read_domain(name.replace("-", "_"), text) for name, text in searches.items()}
    if not space:
        raise UsageError("there is nothing to search over: give --search NAME=VALUES")
    return space


def default_space(cells: Mapping[str, Any], fixed: Mapping[str, Any]) -> Space:
    """What is worth varying around a recipe: learning rates, batch, Adam's beta1 and the R1 penalty.

    `cells`: of the recipe; `fixed`: the user's own words, which are left as they are. What the recipe's other settings
    would refuse is left out: no penalty under BatchNorm, no beta1 without Adam.
    """
    base = build_settings({**cells, **fixed})
    space: Space = {"g_lr": _around(base.g_lr, 5, most=1.0), "d_lr": _around(base.d_lr, 5, most=1.0)}
    space["batch"] = Choice(tuple(sorted({max(2, base.batch // 2), base.batch, base.batch * 2})))
    if base.optimizer == "adam":
        space["beta1"] = Choice(tuple(sorted({0.0, 0.5, base.beta1})))
    if base.r1_gamma > 0:
        space["r1_gamma"] = _around(base.r1_gamma, 10, most=10_000.0)
    elif not (base.gp_weight or base.clip) and _accepted({**cells, **fixed, "r1_gamma": 1.0}):
        space["r1_gamma"] = Range(0.01, 10.0, log=True)
    return {name: domain for name, domain in space.items() if name not in fixed}


def _around(centre: float, factor: float, *, most: float) -> Range:
    """In ratios, with ends of three digits."""
    return Range(float(f"{centre / factor:.3g}"), float(f"{min(centre * factor, most):.3g}"), log=True)


def _accepted(cells: Mapping[str, Any]) -> bool:
    try:
        build_settings(dict(cells))
    except UsageError:
        return False
    return True


def _read_domain(name: str, text: str) -> Range | Choice:
    if name not in SEARCHABLE:
        raise UsageError(_why_not(name))
    if not text:
        raise UsageError(f"--search {_flag(name)}=: no values; give a range like 1..10 or a choice like 1,2,4")
    return _read_range(name, text) if ".." in text else _read_choice(name, text)


def _read_range(name: str, text: str) -> Range:
    word = f"--search {_flag(name)}={text}"
    ends, colon, scale = text.partition(":")
    if colon and scale.strip() != "log":
        raise UsageError(f"{word}: after the colon only 'log' is known, as in 1e-4..1e-2:log")
    low, high = (_read_value(name, part, word) for part in ends.split("..", 1))
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int | float):
            raise UsageError(f"{word}: {_flag(name)} is not a number, so it has no range: give a choice like A,B")
    assert not isinstance(low, str)
    assert not isinstance(high, str)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"{word}: a range goes from the lower to the higher number, and {low:g} is not below {high:g}")
    if colon and low <= 0:
        raise UsageError(f"{word}: a range in ratios begins above 0: give a small number like {high / 1000:g}")
    return Range(low, high, log=bool(colon), whole=isinstance(low, int) and isinstance(high, int))


def _read_choice(name: str, text: str) -> Choice:
    word = f"--search {_flag(name)}={text}"
    parts = [part.strip() for part in text.split("|" if "|" in text else ",")]
    values = tuple(_read_value(name, part, word) for part in parts)
    if len(set(values)) != len(values):
        raise UsageError(f"{word}: a value stands there twice")
    if len(values) == 1:
        raise UsageError(
            f"{word}: one value is nothing to search over: give --{_flag(name)} {text} instead, or several values"
        )
    return Choice(values)


def _read_value(name: str, text: str, word: str) -> Value:
    text = text.strip()
    try:
        value = _adapter(name).validate_python(text)
    except ValidationError as error:
        try:
            value = _adapter(name).validate_python(text.replace("-", "_"))  # least-squares
        except ValidationError:
            message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise UsageError(f"{word}: {text!r}: {message[0].lower()}{message[1:]}") from None
    return value if isinstance(value, bool | int | float | str) else text


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    """One setting by itself: its type and range, without the rules that tie it to others."""
    field = TrainSettings.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)


def _why_not(name: str) -> str:
    if name in TrainSettings.model_fields:
        return (
            f"--search {_flag(name)}: trials that differ in it cannot be compared; "
            f"give --{_flag(name)} for all of them. Searched can be {', '.join(map(_flag, SEARCHABLE))}"
        )
    near = difflib.get_close_matches(name, SEARCHABLE, n=1)
    hint = f"did you mean '{_flag(near[0])}'? " if near else ""
    return f"--search {_flag(name)}: there is no such setting. {hint}Known are {', '.join(map(_flag, SEARCHABLE))}"


def _flag(name: str) -> str:
    return name.replace("_", "-")


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
