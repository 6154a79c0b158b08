"""LeCam regularisation: D's logits stay near what it lately said of the other kind (Tseng et al., 2021).

With a Wasserstein loss that makes G minimise a LeCam divergence, which is bounded and stays useful where the training
pictures are few.
"""

from __future__ import annotations

import torch
from torch import Tensor


def lecam_penalty(real_logits: Tensor, fake_logits: Tensor, real_mean: Tensor, fake_mean: Tensor) -> Tensor:
    """(D(x) - fake_mean)^2 + (D(G(z)) - real_mean)^2 (eq. 5-7): twice [N] or [N, K], two scalars -> [N].

    The means are `running_mean`s of the reals' and of the fakes' logits and get no gradient. The paper weighs the
    penalty by 0.01 to 0.5 in D's loss. Of K logits it is the mean.
    """
    squares = (real_logits - fake_mean.detach()).square() + (fake_logits - real_mean.detach()).square()
    return squares.reshape(len(squares), -1).mean(dim=1)


@torch.no_grad()
def running_mean(mean: Tensor, logits: Tensor, decay: float = 0.99) -> Tensor:
    """decay * mean + (1 - decay) * the logits' mean: scalar, logits -> scalar. It begins at 0."""
    return torch.lerp(logits.mean().to(mean.dtype), mean, decay)
