"""What only one family knows, such as where biggan attends: keyword arguments of its networks, by name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from ganvas.errors import UsageError

SHARED = {
    *("self", "resolution", "channels", "z_dim", "width", "max_width", "classes", "norm", "features"),
    *("in_channels", "out_channels", "scale", "scales"),
}

Value = int | float | bool


def known_options(constructor: type[nn.Module]) -> dict[str, Value]:
    """The arguments that a network has beyond those of all, with their defaults."""
    parameters = inspect.signature(constructor).parameters
    return {name: p.default for name, p in parameters.items() if name not in SHARED and p.default is not p.empty}


def read_options(
    network: str, words: Sequence[str], players: Sequence[type[nn.Module]], of: type[nn.Module]
) -> dict[str, Any]:
    """The arguments for one of the `players` from words such as "attention=32"; those of the other are left out.

    Raises UsageError for a word that neither knows and for a value of another type than the default's.
    """
    known = {name: default for player in players for name, default in known_options(player).items()}
    found: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        name = name.strip().replace("-", "_")
        if name not in known:
            there = ", ".join(f"{k}={v}" for k, v in known.items()) or "none"
            raise UsageError(f"--network-options {word}: '{network}' has no such option; its own are {there}")
        found[name] = _value(word, text.strip(), known[name])
    return {name: value for name, value in found.items() if name in known_options(of)}


def _value(word: str, text: str, default: Value) -> Value:
    kind = type(default)
    if kind is bool and text.lower() in ("true", "false", "yes", "no"):
        return text.lower() in ("true", "yes")
    try:
        number = float(text) if kind is float else int(text)
    except ValueError:
        number = -1
    if kind is bool or number < 0 or number > 1_000_000:
        expected = {bool: "true or false", int: "a whole number from 0 on", float: "a number from 0 on"}[kind]
        raise UsageError(f"--network-options {word}: expected {expected}, such as {default}")
    return number
