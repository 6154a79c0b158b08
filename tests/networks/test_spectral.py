"""Spectral norm: a largest singular value of 1, in training, in evaluation and in an average."""

import copy

import pytest
import torch
from torch import nn

from ganvas.networks.spectral import SpectralNorm, normalise_spectrally
from ganvas.training.ema import ema_update


def largest(weight):
    return torch.linalg.matrix_norm(weight.detach().flatten(1), ord=2).item()


def test_the_norm_of_a_diagonal_matrix_is_its_largest_entry():
    weight = torch.diag(torch.tensor([3.0, 1.0, 0.5]))
    normed = SpectralNorm(weight)(weight)
    torch.testing.assert_close(normed, weight / 3)


@pytest.mark.parametrize("layer", [nn.Linear(6, 4), nn.Conv2d(3, 5, 3), nn.Embedding(7, 3)])
def test_a_layer_has_norm_one_after_some_steps_and_keeps_it_in_evaluation(layer):
    torch.manual_seed(0)
    network = nn.Sequential(layer)
    normalise_spectrally(network, nn.Linear, nn.Conv2d, nn.Embedding)
    for _ in range(50):
        _ = layer.weight  # each use is a step
    assert largest(layer.weight) == pytest.approx(1, abs=1e-3)
    network.eval()
    assert largest(layer.weight) == pytest.approx(1, abs=1e-3)


def test_other_kinds_of_layers_are_left_alone():
    network = nn.Sequential(nn.Linear(3, 3), nn.Embedding(3, 3))
    normalise_spectrally(network, nn.Linear)
    assert hasattr(network[0], "parametrizations")
    assert not hasattr(network[1], "parametrizations")


def test_evaluation_changes_nothing():
    layer = nn.Linear(3, 3)
    normalise_spectrally(layer, nn.Linear)
    layer.eval()
    before = copy.deepcopy(layer.state_dict())
    assert torch.equal(layer.weight, layer.weight)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_the_gradient_leaves_out_what_would_only_lengthen_the_weight():
    """eq. 11 and 12: for f(W) = <A, W / |W|> the gradient is orthogonal to W's direction of growth."""
    torch.manual_seed(0)
    weight = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    norm = SpectralNorm(weight)
    for _ in range(200):
        norm(weight)
    (torch.randn(4, 4, dtype=torch.float64) * norm(weight)).sum().backward()
    assert (weight.grad * weight).sum().item() == pytest.approx(0, abs=1e-9)


def test_an_average_is_as_strong_as_what_it_averages():
    """The case that averaged singular vectors get wrong: the strongest direction turns while the average follows."""
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([2.0, 0.1])))
    normalise_spectrally(layer, nn.Linear)
    average = copy.deepcopy(layer)
    for step in range(200):
        angle = torch.tensor(3.0 * step / 200)
        turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
        with torch.no_grad():
            layer.parametrizations.weight.original.copy_(turn @ torch.diag(torch.tensor([2.0, 0.1])))
        _ = layer.weight
        ema_update(average, layer, 0.99)
    average.eval()
    assert average.parametrizations.weight[0].u.norm() < 0.8, "the vectors did turn"
    # A mean of matrices of norm 1 has a norm of at most 1.
    assert 0.5 < largest(average.weight) <= 1.001


def test_the_norm_is_exact_under_autocast():
    torch.manual_seed(0)
    layer = nn.Linear(8, 8)
    normalise_spectrally(layer, nn.Linear)
    exact, rounded = copy.deepcopy(layer), layer
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(rounded.weight, exact.weight)
