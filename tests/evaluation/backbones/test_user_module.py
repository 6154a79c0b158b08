"""Any network of one's own as a backbone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.backbones.user_module import module_backbone


class Seen(nn.Module):
    """Gives back what it is shown: maps whose average is the mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def level(*channels: int, size: int = 5, dtype: type = np.uint8) -> np.ndarray:
    """One picture of one colour: [1, C, size, size]."""
    return np.full((size, size, 1, len(channels)), channels, dtype).transpose(2, 3, 0, 1)


def test_pictures_arrive_in_minus_one_to_one_and_maps_are_averaged():
    backbone = module_backbone(Seen(), name="seen", size=4)
    assert isinstance(backbone, Backbone)
    assert (backbone.features, backbone.value_range) == (3, "[-1, 1]")
    assert backbone.resize.endswith("to 4x4")
    torch.testing.assert_close(backbone.extract(level(0, 255, 51)), torch.tensor([[-1.0, 1.0, -0.6]]))
    torch.testing.assert_close(backbone.extract(level(51)), torch.tensor([[-0.6, -0.6, -0.6]]))
    torch.testing.assert_close(backbone.extract(level(65535, dtype=np.uint16)), torch.ones(1, 3))
    assert backbone.probabilities(level(0)) is None


def test_mean_and_deviation_are_those_of_pictures_in_zero_to_one():
    backbone = module_backbone(Seen(), name="seen", size=(2, 3), mean=(0.2, 0.5, 0), std=(0.5, 0.5, 1))
    torch.testing.assert_close(backbone.extract(level(51, 255, 0)), torch.tensor([[0.0, 1.0, 0.0]]))
    assert backbone.value_range == "[0, 1] less (0.2, 0.5, 0), over (0.5, 0.5, 1)"
    with pytest.raises(UsageError, match="mean and std go together, with 3 numbers each"):
        module_backbone(Seen(), name="seen", mean=(0.5,))


def test_a_module_for_other_channels_takes_pictures_that_have_them():
    backbone = module_backbone(Seen(), name="bands", size=4, channels=5)
    torch.testing.assert_close(
        backbone.extract(level(0, 255, 0, 255, 51)), torch.tensor([[-1.0, 1.0, -1.0, 1.0, -0.6]])
    )
    with pytest.raises(GanvasError, match="the pictures have 3 channels, bands expects 5"):
        backbone.extract(level(1, 2, 3))


def test_the_module_is_not_trained_and_a_picture_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    backbone = module_backbone(net, name="net", size=16)
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 9, 9), np.uint8)
    together = backbone.extract(images)
    assert together.shape == (5, 16)
    torch.testing.assert_close(backbone.extract(images, batch=2), together)
    torch.testing.assert_close(backbone.extract(images, rows=np.array([4, 0])), together[[4, 0]])
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_the_hash_is_that_of_the_weights():
    first, second = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)
    hashes = [module_backbone(net, name="net", size=2).hash for net in (first, second, first)]
    assert hashes[0] == hashes[2] != hashes[1]
    assert len(hashes[0]) == 12
    second.load_state_dict(first.state_dict())
    assert module_backbone(second, name="other", size=2).hash == hashes[0]


def test_a_module_that_gives_something_else_is_refused():
    with pytest.raises(GanvasError, match=r"net gave \[12\] for 1 pictures, expected a tensor \[1, F\] or maps"):
        module_backbone(nn.Flatten(0), name="net", size=2)


def test_a_module_that_cannot_take_the_pictures_is_named_with_what_to_do():
    with pytest.raises(GanvasError, match=r"grey cannot take pictures \[1, 3, 8, 8\]: .*module_backbone"):
        module_backbone(nn.Conv2d(1, 4, 3), name="grey", size=8)
