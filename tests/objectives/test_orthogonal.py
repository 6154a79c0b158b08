"""Orthogonal regularisation against numbers that can be worked out by hand."""

import torch
from torch import nn

from ganvas.networks.spectral import normalise_spectrally
from ganvas.objectives.orthogonal import orthogonal_regularisation


def dense(*filters):
    layer = nn.Linear(len(filters[0]), len(filters))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(filters))
    return layer


def test_it_is_the_squared_product_of_every_two_filters():
    layer = dense([1.0, 2.0], [3.0, -1.0], [0.0, 2.0])
    # Products: 1 * 3 - 2 = 1, 2 * 2 = 4, -1 * 2 = -2; each pair counts twice.
    assert orthogonal_regularisation(layer).item() == 2 * (1 + 16 + 4)


def test_orthogonal_filters_cost_nothing_whatever_their_length():
    assert orthogonal_regularisation(dense([3.0, 4.0], [-40.0, 30.0])).item() == 0


def test_all_convolutions_and_dense_layers_count_but_embeddings_and_norms_do_not():
    torch.manual_seed(0)
    layers = [nn.Linear(3, 4), nn.Conv2d(2, 3, 3), nn.ConvTranspose2d(3, 2, 4)]
    total = sum(orthogonal_regularisation(nn.Sequential(layer)) for layer in layers)
    network = nn.Sequential(*layers, nn.Embedding(5, 6), nn.BatchNorm2d(3))
    torch.testing.assert_close(orthogonal_regularisation(network), total)


def test_the_filters_of_a_transposed_convolution_are_its_outputs():
    layer = nn.ConvTranspose2d(3, 2, 4)
    filters = layer.weight.detach().transpose(0, 1).flatten(1)
    torch.testing.assert_close(orthogonal_regularisation(layer).detach(), 2 * (filters[0] @ filters[1]).square())


def test_its_gradient_is_four_times_the_products_off_the_diagonal():
    """d/dW ||W W^T * (1 - I)||^2 = 4 (W W^T * (1 - I)) W, with a filter a row."""
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    orthogonal_regularisation(layer).backward()
    W = layer.weight.detach()
    torch.testing.assert_close(layer.weight.grad, 4 * (W @ W.t() * (1 - torch.eye(3))) @ W)


def test_under_a_spectral_norm_it_is_the_learned_weight_that_counts():
    layer = dense([1.0, 2.0], [3.0, -1.0])
    network = nn.Sequential(layer)
    normalise_spectrally(network, nn.Linear)
    assert orthogonal_regularisation(network).item() == 2
