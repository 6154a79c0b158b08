"""Feature matching: G's pictures shall have the features of real ones in D's eyes, on average or picture by picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def feature_matching_loss(real_features: Tensor, fake_features: Tensor) -> Tensor:
    """Squared length of the difference of mean features (Salimans et al., 2016, section 3.1): [N, F], [M, F] -> scalar.

    A loss of the batch, not of a picture: 0 once the means agree, however much the pictures differ. Compute the reals'
    features without gradient.
    """
    return (real_features.mean(dim=0) - fake_features.mean(dim=0)).square().sum()


def layer_matching_loss(real_maps: Sequence[Tensor], fake_maps: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of D's maps for a picture and what was painted for it, summed over layers: -> [N].

    [N, F_i, h_i, w_i] each (pix2pixHD, Wang et al., 2018, equation 4). With D's of several scales the paper takes the
    mean over them: divide by their number. The reals' maps get no gradient. Raises ValueError without a layer.
    """
    if not real_maps:
        raise ValueError("there is nothing to match: give the maps of at least one layer")
    differences = [
        (fake - real.detach()).abs().flatten(1).mean(dim=1) for real, fake in zip(real_maps, fake_maps, strict=True)
    ]
    return torch.stack(differences).sum(dim=0)
