from __future__ import annotations

import math

import numpy as np
import torch

from autoregressive import PixelCnn
from baselines import bits_per_pixel, to_levels, to_pictures
from vae import Vae

LEVELS = 4


def small_pixel_cnn() -> PixelCnn:
    torch.manual_seed(0)
    return PixelCnn(LEVELS, width=8, layers=3)


def test_a_pixel_is_predicted_from_those_before_it_alone() -> None:
    net = small_pixel_cnn()
    levels = torch.zeros(1, 28, 28, dtype=torch.int64)
    other = levels.clone()
    other[0, 10, 12] = LEVELS - 1
    change = (net(other) - net(levels)).abs().amax(dim=(0, 1))  # [28, 28]
    assert change.flatten()[: 10 * 28 + 13].max() == 0  # up to the pixel itself
    assert change[10, 13:].max() > 0
    assert change[11:].max() > 0


def test_sampling_pixel_by_pixel_draws_from_what_the_whole_network_says() -> None:
    net = small_pixel_cnn()
    *_, last_weight, last_bias = net.parameters()
    with torch.no_grad():
        for parameter in net.parameters():  # what was drawn so far decides, hardly the biases
            parameter.mul_(3 if parameter.dim() > 1 else 0)
        last_weight.mul_(1e4)  # logits so far apart that the likeliest level is drawn
        last_bias.copy_(100 * torch.arange(LEVELS))
    drawn = net.sample(2, torch.Generator().manual_seed(0)).long()
    assert int((torch.bincount(drawn.flatten()) > 50).sum()) > 1
    logits = net(drawn)
    below_the_likeliest = logits.amax(1) - logits.gather(1, drawn[:, None])[:, 0]
    assert below_the_likeliest.max() < 20  # nats: others are drawn once in 500 million times
    assert below_the_likeliest.mean() < 1 < logits.std()


def test_an_indifferent_network_needs_two_bits_for_one_of_four_levels() -> None:
    net = small_pixel_cnn()
    for parameter in net.head[-1].parameters():
        torch.nn.init.zeros_(parameter)
    levels = torch.randint(0, LEVELS, (3, 28, 28), generator=torch.Generator().manual_seed(0))
    assert bits_per_pixel(net, levels, seed=0) == 2.0


def test_the_bound_of_a_vae_whose_encoder_says_nothing_is_the_reconstruction_alone() -> None:
    torch.manual_seed(0)
    net = Vae(LEVELS, z_dim=4, width=4)
    for last in (net.encoder[-1], net.decoder[-1]):
        for parameter in last.parameters():
            torch.nn.init.zeros_(parameter)
    levels = torch.randint(0, LEVELS, (3, 28, 28), generator=torch.Generator().manual_seed(0))
    expected = torch.full((3,), 28 * 28 * math.log(LEVELS))
    torch.testing.assert_close(net.nats(levels, torch.Generator().manual_seed(0)), expected)


def test_levels_keep_black_and_white() -> None:
    pictures = np.array([[[0, 255], [3, 250]]], np.uint8)
    assert to_pictures(to_levels(pictures))[..., 0].tolist() == [[[0, 255], [0, 255]]]
