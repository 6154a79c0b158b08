"""Self-attention between all places of a map (SAGAN, Zhang et al., 2019, section 3) and where in a network it stands.

Each place looks at every other one: beta_ji, how much place j takes from place i, is the softmax over i of
<f(x_i), g(x_j)> (eq. 1, with no division by a root), and what it takes is o_j = v(sum_i beta_ji h(x_i)) (eq. 2). The
layer gives gamma o + x (eq. 3) with gamma 0 at the start: a network first learns from near places, then from far ones.
f, g, h and v are 1x1 convolutions without biases.

The products are written out, as the fused kernels have no second derivative, which penalties on gradients need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.sizes import Size

SQUEEZE = 8  # features per feature of f and g (Zhang et al., 2019, section 3)


class SelfAttention(nn.Module):
    """[N, C, H, W] -> [N, C, H, W].

    values: the features of h, C / 8 in the paper's text; Brock et al. (2019) take C / 2. pooled: f and h are seen
    through 2x2 max pooling, which makes the table of all pairs four times smaller.
    """

    def __init__(self, features: int, values: int, pooled: bool = False) -> None:
        super().__init__()
        narrow = max(features // SQUEEZE, 1)
        self.f = nn.Conv2d(features, narrow, 1, bias=False)
        self.g = nn.Conv2d(features, narrow, 1, bias=False)
        self.h = nn.Conv2d(features, values, 1, bias=False)
        self.v = nn.Conv2d(values, features, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))
        self.pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        seen_f, seen_h = self.f(x), self.h(x)
        if self.pooled:
            seen_f, seen_h = F.max_pool2d(seen_f, 2, ceil_mode=True), F.max_pool2d(seen_h, 2, ceil_mode=True)
        keys, values = seen_f.flatten(2), seen_h.flatten(2).transpose(1, 2)  # [N, C / 8, seen], [N, seen, values]
        questions = self.g(x).flatten(2).transpose(1, 2)  # [N, places, C / 8]
        shares = torch.bmm(questions, keys).softmax(dim=2)  # [N, places, seen]; each row sums to 1
        taken = torch.bmm(shares.to(values.dtype), values).transpose(1, 2)  # [N, values, places]
        result: Tensor = x + self.gamma.to(x.dtype) * self.v(taken.view(len(x), -1, *x.shape[2:]))
        return result


def attention_stage(sizes: Sequence[Size], resolution: Size, side: int) -> int | None:
    """Which of the maps of a network attention stands at: the largest with no more places than side x side.

    Never one of the picture's own size; the smallest where all have more places. None for side 0: no attention.
    """
    if not side:
        return None
    smaller = [size for size in sizes if size != resolution] or list(sizes)
    fitting = [size for size in smaller if math.prod(size) <= side**2] or [min(smaller, key=math.prod)]
    return list(sizes).index(max(fitting, key=math.prod))
