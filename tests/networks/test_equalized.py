"""Layers whose outputs have a stated variance, and the channel that shows D a lack of variety."""

import pytest
import torch

from ganvas.networks.equalized import (
    LEAKY_GAIN,
    EqualizedConv2d,
    EqualizedLinear,
    leaky,
    minibatch_deviation,
    pixel_norm,
)


@pytest.mark.parametrize("gain", [1.0, LEAKY_GAIN])
@pytest.mark.parametrize("inputs", [4, 400])
def test_outputs_have_the_variance_of_the_gain_whatever_the_number_of_inputs(inputs, gain):
    torch.manual_seed(0)
    dense, convolution = EqualizedLinear(inputs, 600, gain=gain), EqualizedConv2d(inputs, 600, 3, gain=gain)
    assert dense(torch.randn(600, inputs)).std().item() == pytest.approx(gain, rel=0.15)
    assert convolution(torch.randn(64, inputs, 3, 3)).std().item() == pytest.approx(gain, rel=0.15)


def test_weights_are_drawn_alike_in_every_layer_and_scaled_when_used():
    torch.manual_seed(0)
    layer = EqualizedLinear(4, 1000)
    assert layer.weight.std().item() == pytest.approx(1.0, rel=0.05)
    torch.testing.assert_close(layer(torch.ones(1, 4)), layer.weight.sum(dim=1)[None] / 2)


def test_through_leaky_layers_the_size_of_activations_stays():
    torch.manual_seed(0)
    x = torch.randn(32, 64, 8, 8)
    for _ in range(10):
        x = leaky(EqualizedConv2d(64, 64, 3, gain=LEAKY_GAIN, padding=1)(x))
    assert 0.3 < x.square().mean().sqrt() < 1.5


def test_a_slow_layer_gives_the_same_and_learns_at_its_rate():
    torch.manual_seed(0)
    x = torch.randn(256, 16)
    moved = {}
    for rate in (1.0, 0.01):
        layer = EqualizedLinear(16, 16, rate=rate)
        before = layer(x).detach()
        assert before.std().item() == pytest.approx(1.0, rel=0.2)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        layer(x).square().sum().backward()
        optimizer.step()
        moved[rate] = (layer(x) - before).std().item()
    assert moved[0.01] == pytest.approx(moved[1.0] / 100, rel=0.3)


def test_a_bias_starts_where_it_is_told():
    layer = EqualizedLinear(3, 2, gain=LEAKY_GAIN, rate=0.01, start=1.0)
    torch.testing.assert_close(layer(torch.zeros(1, 3)), torch.ones(1, 2))


def test_a_gain_before_a_leaky_relu_is_a_gain_after_it():
    torch.manual_seed(0)
    with_gain, without = EqualizedConv2d(3, 4, 3, gain=LEAKY_GAIN), EqualizedConv2d(3, 4, 3)
    torch.nn.init.normal_(with_gain.bias)
    without.load_state_dict(with_gain.state_dict())
    x = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(leaky(with_gain(x)), LEAKY_GAIN * leaky(without(x)))


def test_pixel_norm_gives_every_vector_the_length_of_a_normal_one():
    x = 100 * torch.randn(2, 16, 3, 5)
    torch.testing.assert_close(pixel_norm(x).square().mean(dim=1), torch.ones(2, 3, 5))
    vectors = torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(pixel_norm(vectors), vectors / 12.5**0.5)


def test_equal_pictures_have_no_deviation_and_known_ones_the_known():
    same = torch.randn(1, 3, 2, 2).expand(4, -1, -1, -1)
    assert minibatch_deviation(same).abs().max() < 2e-4
    # In each group of two the values are 0 and 2, which lie 1 from their mean; in the second all lie 3 from it.
    x = torch.tensor([0.0, 2.0, 1.0, 7.0]).view(4, 1, 1, 1).expand(4, 5, 2, 3)
    deviation = minibatch_deviation(x, group=2)
    assert deviation.shape == (4, 1, 2, 3)
    torch.testing.assert_close(deviation[:, 0, 0, 0], torch.tensor([1.0, 1.0, 3.0, 3.0]))


def test_groups_are_neighbours_so_a_batch_shared_out_by_fours_keeps_them():
    x = torch.randn(12, 3, 2, 2)
    whole = minibatch_deviation(x)
    torch.testing.assert_close(torch.cat([minibatch_deviation(x[:8]), minibatch_deviation(x[8:])]), whole)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
def test_any_number_of_pictures_has_a_deviation(n):
    torch.manual_seed(0)
    x = torch.randn(n, 3, 2, 2, requires_grad=True)
    deviation = minibatch_deviation(x)
    assert deviation.shape == (n, 1, 2, 2)
    deviation.sum().backward()
    assert torch.isfinite(x.grad).all()
    if n == 5:  # the last group is the fifth picture and the first three
        torch.testing.assert_close(deviation[4], minibatch_deviation(x[[4, 0, 1, 2]])[0])
