"""BatchNorm over the parts of a batch that several processes hold (what SyncBatchNorm does, on any device).

The parts have the same size, so the statistics of the whole batch follow from those of the parts: one exchange of
2 C numbers on the way forward, one on the way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

DIMS, SHAPE = (0, 2, 3), (1, -1, 1, 1)


class JointBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm with the mean and variance of all processes' parts together, and gradients to match, on any device."""

    together = True  # False while one process looks at its networks by itself: see `alone`

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same. N must be that of the other processes."""
        if not (self.training and JointBatchNorm2d.together):
            return super().forward(x)
        result, mean, variance = _Joint.apply(x.float(), self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            count = x.numel() // x.shape[1] * torch.distributed.get_world_size()
            self.num_batches_tracked += 1
            momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
        wide: Tensor = result
        return wide.to(x.dtype)


@contextmanager
def alone() -> Iterator[None]:
    """Within the block networks can be run by one process that the others do not wait for."""
    JointBatchNorm2d.together = False
    try:
        yield
    finally:
        JointBatchNorm2d.together = True


def joint(layer: nn.BatchNorm2d) -> JointBatchNorm2d:
    """The layer as it is, but for seeing the parts of all processes."""
    result = JointBatchNorm2d(layer.num_features, layer.eps, layer.momentum or 0.1, layer.affine)
    result.to(next(iter(layer.state_dict().values())).device)
    result.load_state_dict(layer.state_dict())
    return result


class _Joint(torch.autograd.Function):
    """x [N, C, H, W], scale [C] or None, shift [C] or None, eps -> normalised x, mean [C], variance [C]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor | None, shift: Tensor | None, eps: float) -> tuple[Tensor, ...]:
        variance, mean = torch.var_mean(x, DIMS, correction=0)
        own = torch.cat([mean, variance])
        parts = [torch.empty_like(own) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, own)
        means, variances = torch.stack(parts).chunk(2, dim=1)  # [processes, C] each
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        ctx.save_for_backward(x, scale, shift, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=eps), mean, variance

    @staticmethod
    @once_differentiable  # settings refuse penalties on the gradient of a network with BatchNorm
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient = gradients[0]
        x, scale, shift, mean, variance = ctx.saved_tensors
        inverse = torch.rsqrt(variance + ctx.eps)
        # With the statistics held fixed; what comes back through them is the same for all pictures of all parts.
        of_x, of_scale, of_shift = torch.ops.aten.native_batch_norm_backward(
            gradient, x, scale, mean, variance, mean, inverse, False, ctx.eps, [True, True, True]
        )
        if ctx.needs_input_grad[0]:
            sums = torch.cat([of_scale, of_shift])
            torch.distributed.all_reduce(sums)
            through_variance, through_mean = sums.div_(
                x.numel() / x.shape[1] * torch.distributed.get_world_size()
            ).chunk(2)
            steep = inverse if scale is None else inverse * scale
            slope = steep * inverse * through_variance
            of_x.addcmul_(x, slope.view(SHAPE), value=-1).add_((slope * mean - steep * through_mean).view(SHAPE))
        return of_x, None if scale is None else of_scale, None if shift is None else of_shift, None
