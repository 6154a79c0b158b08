"""The distance of feature maps by hand, and the diversity of sets by it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.evaluation.metrics.feature_diversity import feature_diversity, map_distance, maps_of


def two_channels(x: float, y: float) -> torch.Tensor:
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, 3, 3)


def test_features_are_compared_by_their_direction_alone():
    assert map_distance([two_channels(3, 4)], [two_channels(30, 40)]).item() == pytest.approx(0, abs=1e-12)
    assert map_distance([two_channels(1, 0)], [two_channels(0, 5)]).item() == pytest.approx(2)


def test_layers_add_up_and_weights_scale_the_channels():
    a, b = [two_channels(1, 0)] * 2, [two_channels(0, 1)] * 2
    assert map_distance(a, b).item() == pytest.approx(4)
    weights = [torch.tensor([0.5, 0.25]), torch.tensor([0.0, 1.0])]
    assert map_distance(a, b, weights).item() == pytest.approx(0.75 + 1)


def test_places_are_averaged():
    a = two_channels(1, 0).clone()
    b = a.clone()
    b[:, :, 0] = two_channels(0, 1)[:, :, 0]  # one row of three
    assert map_distance([a], [b]).item() == pytest.approx(2 / 3)


def test_features_that_never_fire_are_no_obstacle():
    assert map_distance([torch.zeros(1, 4, 2, 2)], [torch.zeros(1, 4, 2, 2)]).item() == 0


def test_a_set_of_one_picture_repeated_has_no_diversity_and_noise_has():
    net = FeatureNet(1, 12, 12, 3, torch.Generator().manual_seed(0))
    noise = np.random.default_rng(0).integers(0, 256, (30, 1, 12, 12), dtype=np.uint8)
    assert feature_diversity(noise[:1].repeat(30, axis=0), maps_of(net)).value == 0
    assert feature_diversity(noise, maps_of(net)).value > 0.01


def test_the_maps_are_those_after_each_relu():
    net = FeatureNet(1, 12, 12, 3, torch.Generator().manual_seed(0)).requires_grad_(False)
    maps = maps_of(net)(torch.rand(2, 1, 12, 12))
    assert [tuple(each.shape[1:]) for each in maps] == [(32, 12, 12), (32, 6, 6), (64, 6, 6), (64, 3, 3)]
    assert all(float(each.min()) >= 0 for each in maps)


def test_classes_are_looked_at_one_by_one():
    images = np.random.default_rng(0).integers(0, 256, (10, 1, 12, 12), dtype=np.uint8)
    images[:5] = images[0]

    def maps(x: torch.Tensor) -> list[torch.Tensor]:
        return [torch.cat([x, 1 - x], dim=1)]

    found = feature_diversity(images, maps, np.arange(10) // 5)
    assert found.per_class[0] == 0
    assert found.value == found.per_class[1] / 2


def test_maps_that_do_not_fit_or_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="use one network for both"):
        map_distance([torch.zeros(1, 2, 3, 3)], [torch.zeros(1, 2, 4, 4)])
    with pytest.raises(ValueError, match="1 and 2 feature maps"):
        map_distance([two_channels(1, 0)], [two_channels(1, 0)] * 2)
    with pytest.raises(ValueError, match="1 and 1 feature maps with 2 weights"):
        map_distance([two_channels(1, 0)], [two_channels(1, 0)], [torch.ones(2)] * 2)
    with pytest.raises(ValueError, match="no feature maps"):
        map_distance([], [])
    with pytest.raises(ValueError, match="hold NaN"):
        map_distance([two_channels(math.nan, 0)], [two_channels(1, 0)])
