"""Instance normalisation that is the same for all tiles of a picture.

It subtracts a mean and divides by a deviation that each layer takes over the whole picture. Taken over a tile instead,
they change from tile to tile, and with them tone and contrast: no blending hides that. So they are taken once, over
parts spread over the picture as if they were one, and kept for every tile (as Chen et al., 2022, do with a thumbnail;
parts at full size have the texture that a thumbnail has lost).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class SharedStatistics(TorchFunctionMode):
    """Within the block, instance normalisation uses the statistics of the whole batch, and keeps them by their order.

    After `keep()`, it uses those that were kept, in each block in the same order.
    """

    def __init__(self) -> None:
        super().__init__()
        self._layers: list[tuple[Tensor, Tensor]] = []
        self._is_kept, self._place = False, 0

    def keep(self) -> None:
        """Use from now on what was taken so far."""
        self._is_kept = True

    def __enter__(self) -> SharedStatistics:
        self._place = 0
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.instance_norm:
            return self._normalised(*args, **kwargs)
        return func(*args, **kwargs)

    def _normalised(
        self,
        x: Tensor,
        running_mean: Tensor | None = None,
        running_var: Tensor | None = None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        use_input_stats: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """[N, C, H, W] -> the same, as `torch.nn.functional.instance_norm`."""
        if not use_input_stats:
            assert running_mean is not None
            assert running_var is not None
            return F.batch_norm(x, running_mean, running_var, weight, bias, training=False, eps=eps)
        if not self._is_kept:
            var, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
            self._layers.append((mean, var))
        mean, var = self._layers[self._place]
        self._place += 1
        return F.batch_norm(x, mean, var, weight, bias, training=False, eps=eps)
