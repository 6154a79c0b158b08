"""Feature matching: G's pictures shall have the mean features of real ones in D's eyes (Salimans et al., 2016)."""

from __future__ import annotations

from torch import Tensor


def feature_matching_loss(real_features: Tensor, fake_features: Tensor) -> Tensor:
    """Squared length of the difference of mean features (section 3.1): [N, F], [M, F] -> a scalar.

    A loss of the batch, not of a picture: 0 once the means agree, however much the pictures differ. Compute the reals'
    features without gradient.
    """
    return (real_features.mean(dim=0) - fake_features.mean(dim=0)).square().sum()
