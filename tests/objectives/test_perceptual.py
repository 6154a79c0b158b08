"""Distances in maps of a network."""

import pytest
import torch

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.objectives.feature_matching import layer_matching_loss
from ganvas.objectives.perceptual import perceptual_distance


def net(side=32):
    return FeatureNet(3, side, side, 10, torch.Generator().manual_seed(0)).requires_grad_(False)


def test_equal_maps_are_no_distance_apart_and_opposite_ones_four():
    maps = [torch.randn(2, 5, 4, 4), torch.randn(2, 3, 2, 2)]
    assert perceptual_distance(maps, maps).tolist() == [0, 0]
    torch.testing.assert_close(perceptual_distance(maps, [-m for m in maps]), torch.full((2,), 4.0))


def test_orthogonal_features_are_two_apart_and_their_strength_does_not_matter():
    a, b = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    a[:, 0], b[:, 1] = 7.0, 0.3
    torch.testing.assert_close(perceptual_distance([a], [b]), torch.tensor([2.0]))
    torch.testing.assert_close(perceptual_distance([a], [0.01 * a]), torch.tensor([0.0]), atol=1e-4, rtol=0)


def test_layers_count_alike():
    a, zero = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 2, 2)
    torch.testing.assert_close(perceptual_distance([a, zero], [-a, zero]), torch.tensor([2.0]))
    with pytest.raises(ValueError, match="at least one layer"):
        perceptual_distance([], [])


def test_dead_features_have_a_gradient_that_is_a_number():
    dead = torch.zeros(1, 4, 3, 3, requires_grad=True)
    perceptual_distance([dead], [torch.rand(1, 4, 3, 3)]).sum().backward()
    assert dead.grad.isfinite().all()


def test_the_network_of_the_judge_sees_pictures_and_parts_of_them():
    network = net()
    images = torch.rand(2, 3, 48, 20) * 2 - 1
    maps = network.maps(images)
    assert [tuple(m.shape[1:]) for m in maps] == [(32, 48, 20), (32, 24, 10), (64, 24, 10), (64, 12, 5)]
    square = torch.rand(2, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(network.features(network.maps(square)[-1].flatten(1)).relu(), network(square))


def test_a_stronger_blur_is_further_away():
    network = net()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    maps = network.maps(images)
    distances = []
    for size in (3, 7):
        blurred = torch.nn.functional.avg_pool2d(images, size, 1, size // 2, count_include_pad=False)
        distances.append(perceptual_distance(network.maps(blurred), maps))
    assert (distances[1] > distances[0]).all()
    assert (distances[0] > 0).all()


def test_layer_matching_is_the_mean_absolute_difference_of_each_layer_added_up():
    real = [torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 2, 2, requires_grad=True)]
    fake = [torch.full((2, 3, 4, 4), 0.5), torch.full((2, 1, 2, 2), -2.0, requires_grad=True)]
    loss = layer_matching_loss(real, fake)
    assert loss.tolist() == [2.5, 2.5]
    loss.sum().backward()
    assert real[1].grad is None
    assert fake[1].grad.flatten().tolist() == [-0.25] * 8
    with pytest.raises(ValueError, match="at least one layer"):
        layer_matching_loss([], [])
