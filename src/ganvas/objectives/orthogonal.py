"""Orthogonal regularisation: a penalty on G's weights, not on pictures, so that pictures bear truncated noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized


def orthogonal_regularisation(network: nn.Module) -> Tensor:
    """Squared products of unlike filters, ||W^T W * (1 - I)||_F^2, summed over layers: [] (Brock et al., 2019, eq. 3).

    W has a layer's filters as columns. Their lengths stay free; 0 means that each filter is orthogonal to each other
    one of its layer. Convolutions and dense layers count, embeddings and norms do not. Under a spectral norm it takes
    the weight that is learned, before it is divided. The paper adds 1e-4 times this to G's loss.
    """
    total = torch.zeros((), device=next(network.parameters()).device)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            filters = _filters(layer).float()
            products = filters @ filters.t()
            total = total + products.square().sum() - products.diagonal().square().sum()
    return total


def _filters(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> Tensor:
    """The learned weight, one filter a row: [outputs, the rest]."""
    weight = layer.get_parameter("parametrizations.weight.original" if is_parametrized(layer, "weight") else "weight")
    return weight.transpose(0, 1).flatten(1) if isinstance(layer, nn.ConvTranspose2d) else weight.flatten(1)
