"""Networks through torch.compile where it was asked for and works; as they are where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def maybe_compiled(network: nn.Module, wanted: bool, on_problem: Callable[[str], None]) -> Callable[..., Any]:
    """The network as a function, compiled if `wanted`. Its weights stay its own, under their own names.

    If compiling fails, at the first call or at one with other shapes, the plain network goes on, and that is said once.
    """
    if not wanted:
        return network
    compiled: Callable[..., Any] | None = torch.compile(network)

    def call(*inputs: Any) -> Any:
        nonlocal compiled
        if compiled is not None:
            try:
                return compiled(*inputs)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                reason = str(error).strip().splitlines() or [type(error).__name__]
                on_problem(f"{type(network).__name__} cannot be compiled and goes on as it is ({reason[0][:100]})")
                compiled = None
        return network(*inputs)

    return call
