"""Networks through torch.compile where it was asked for and works; as they are where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class MaybeCompiled:
    """A network as a function, compiled if `wanted`. Its weights stay its own, under their own names.

    If compiling fails, at the first call or at one with other shapes, the plain network goes on, and that is said once.
    """

    def __init__(self, network: nn.Module, wanted: bool, on_problem: Callable[[str], None]) -> None:
        self._network, self._on_problem = network, on_problem
        self._compiled: Callable[..., Any] | None = torch.compile(network) if wanted else None
        self.given_up = False

    def __call__(self, *inputs: Any) -> Any:
        """What the network makes of the inputs."""
        if self._compiled is not None:
            try:
                return self._compiled(*inputs)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                self.give_up(error)
        return self._network(*inputs)

    def give_up(self, error: Exception) -> bool:
        """Go on with the plain network from here on; whether that is a change.

        A compiled backward pass may fail where the plain one does not: one over two passes of a network that keeps
        something at each, such as spectral norms.
        """
        if self._compiled is None:
            return False
        self._compiled, self.given_up = None, True
        reason = str(error).strip().splitlines() or [type(error).__name__]
        name = type(self._network).__name__
        self._on_problem(f"{name} cannot be compiled and goes on as it is ({reason[0][:100]})")
        return True
