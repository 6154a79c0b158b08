"""DiffAugment: reals and fakes alike, differentiable, different per picture."""

import pytest
import torch

from ganvas.games.augment import TRANSFORMS, augment, cutout, translation
from ganvas.games.noise import Draws


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("shape", [(5, 1, 9, 12), (5, 3, 16, 16)])
def test_a_transform_keeps_the_shape_lets_gradients_through_and_varies(name, shape):
    images = torch.rand(1, *shape[1:]).repeat(shape[0], 1, 1, 1).requires_grad_(True)
    out = augment(images, (name,), Draws("cpu", (0,)))
    assert out.shape == shape
    out.sum().backward()
    assert images.grad.abs().sum() > 0
    assert not torch.equal(out[0], out[1])


def test_no_transform_is_the_identity():
    images = torch.rand(2, 3, 8, 8)
    assert augment(images, (), Draws("cpu", (0,))) is images


def test_the_same_counters_give_the_same_augmentation():
    images = torch.rand(4, 3, 8, 8)
    first, second = (augment(images, tuple(TRANSFORMS), Draws("cpu", (3, 7))) for _ in range(2))
    assert torch.equal(first, second)


def test_translation_moves_a_dot_by_at_most_an_eighth():
    images = torch.zeros(200, 1, 16, 16)
    images[:, :, 8, 8] = 1
    moved = translation(images, Draws("cpu", (0,)))
    places = moved[:, 0].nonzero()
    assert len(places) == 200
    offsets = places[:, 1:] - 8
    assert offsets.min() == -2
    assert offsets.max() == 2


def test_cutout_greys_a_box_of_at_most_half_the_size():
    out = cutout(torch.ones(100, 1, 16, 16), Draws("cpu", (0,)))
    cut = (out == 0).flatten(1).sum(1)
    assert cut.max() == 64
    assert cut.min() >= 16  # a centre in the corner leaves a quarter of the box
