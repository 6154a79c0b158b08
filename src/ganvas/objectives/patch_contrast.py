"""PatchNCE, the objective of CUT: each place of what was painted shall be most like the same place of the input.

Park et al. (2020, "Contrastive Learning for Unpaired Image-to-Image Translation", equations 3 and 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 0.07


def patch_contrast_loss(painted: Tensor, source: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Cross entropy of finding the input's vector of the same place among those of all places: -> [N].

    painted, source: [N, S, F], vectors of length 1 of the same S places of what was painted and of what it was painted
    from. The other places of the same picture are the wrong answers. log S if all vectors are alike. `source` gets no
    gradient: what was painted shall follow it, not the other way round.
    """
    similarity = torch.einsum("nsf,ntf->nst", painted.float(), source.detach().float()) / temperature  # [N, S, S]
    n, places, _ = similarity.shape
    right = torch.arange(places, device=similarity.device).expand(n, places)
    return F.cross_entropy(similarity.transpose(1, 2), right, reduction="none").mean(dim=1)


def multilayer_patch_contrast_loss(
    painted: Sequence[Tensor], source: Sequence[Tensor], temperature: float = TEMPERATURE
) -> Tensor:
    """The mean of `patch_contrast_loss` over layers: [N, S_i, F] each -> [N]. Raises ValueError without a layer.

    The mean, not equation 4's sum, so that the weight of 1 means the same for any number of layers.
    """
    if not painted:
        raise ValueError("there is nothing to compare: give the vectors of at least one layer")
    losses = [patch_contrast_loss(a, b, temperature) for a, b in zip(painted, source, strict=True)]
    return torch.stack(losses).mean(dim=0)
