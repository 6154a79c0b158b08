"""Top-k training: G learns from those of its pictures only that D takes for the most real (Sinha et al., 2020).

The gradient that D gives on a bad picture often leads away from the good ones; late in a run it is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor


def top_k_share(progress: float, until: float = 0.5, final: float = 0.5) -> float:
    """Which share of a batch G learns from: 1 at the start, smaller by equal factors up to `until`, then `final`.

    progress: of the run, in [0, 1]. The paper multiplies by 0.99 every so often, down to a half of the batch.
    """
    return float(final ** min(1.0, progress / until))


def top_k_weights(fake_logits: Tensor, share: float) -> Tensor:
    """Weights of G's losses, so that their mean is that of the best pictures alone: [N] or [N, K] -> [N].

    0 for a picture outside the best `share` (at least one is in), equal numbers of mean 1 over all for the others. What
    is as good as the last one is in as well, so nothing depends on the order of equals. K logits count by their mean.
    """
    quality = fake_logits.detach().float().reshape(len(fake_logits), -1).mean(dim=1)
    k = max(1, round(share * len(quality)))
    chosen = (quality >= torch.topk(quality, k).values[-1]).float()
    return chosen / chosen.mean()
