"""Adaptive discriminator augmentation: what each transform does, how often, and that it does not leak."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganvas.games.ada import ada, band_gains, colour_matrix, geometry_matrix
from ganvas.games.noise import Draws, Rows
from ganvas.objectives.adversarial import minimax_d_loss, non_saturating_g_loss
from ganvas.objectives.penalties import r1_penalty
from ganvas.training.ema import ema_update

GROUPS = ("blit", "geometry", "colour", "filter", "noise", "cutout")


def random(*counters):
    return Draws("cpu", counters)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("shape", [(6, 1, 9, 12), (6, 3, 8, 8), (6, 4, 16, 11)])
def test_a_group_keeps_the_shape_lets_gradients_through_and_varies(group, shape):
    images = torch.rand(1, *shape[1:]).repeat(shape[0], 1, 1, 1).requires_grad_(True)
    out = ada(images, 1.0, random(0), (group,))
    assert out.shape == shape
    assert torch.isfinite(out).all()
    (gradient,) = torch.autograd.grad(out.square().sum(), images)
    assert gradient.abs().sum() > 0
    assert not torch.equal(out[0], out[1])


def test_at_p_0_pictures_come_back_bit_by_bit():
    images = torch.randn(4, 3, 8, 10)
    assert ada(images, 0.0, random(0), GROUPS) is images
    assert torch.equal(ada(images, torch.tensor(0.0), random(0), GROUPS), images)


@pytest.mark.parametrize("group", ["filter", "noise", "cutout"])
def test_a_share_p_of_the_pictures_is_changed_and_the_others_are_kept_bit_by_bit(group):
    images = torch.randn(1000, 1, 4, 4)
    changed = (ada(images, 0.3, random(0), (group,)) != images).flatten(1).any(dim=1).float().mean()
    expected = {"filter": 1 - 0.7**4, "noise": 0.3, "cutout": 0.3}[group]  # a filter has a chance per band
    assert abs(changed - expected) < 0.05


def test_p_may_be_a_tensor():
    images = torch.randn(8, 3, 8, 8)
    of_a_number, of_a_tensor = (ada(images, p, random(0), GROUPS) for p in (0.5, torch.tensor(0.5)))
    assert torch.equal(of_a_number, of_a_tensor)


def test_the_same_counters_give_the_same_pictures_and_a_part_of_a_batch_gets_what_the_whole_would():
    images = torch.randn(6, 3, 8, 8)
    whole = ada(images, 0.7, Draws("cpu", (1, 2), Rows(6)), GROUPS)
    part = ada(images[4:], 0.7, Draws("cpu", (1, 2), Rows(6, 4)), GROUPS)
    torch.testing.assert_close(part, whole[4:])


def test_blitting_gives_one_of_eight_positions_shifted_by_whole_pixels():
    image = torch.randn(1, 8, 8)
    positions = [torch.rot90(side, k, (1, 2)) for side in (image, image.flip(2)) for k in range(4)]
    padded = F.pad(torch.stack(positions), (1, 1, 1, 1), mode="reflect")  # an eighth of 8
    shifted = torch.stack([padded[..., y : y + 8, x : x + 8] for y in range(3) for x in range(3)])  # [9, 8, 1, 8, 8]
    candidates = shifted.flatten(0, 1)
    out = ada(image.expand(64, 1, 8, 8), 1.0, random(0), ("blit",))
    errors = (out[:, None] - candidates).abs().amax(dim=(2, 3, 4))
    assert errors.min(dim=1).values.max() < 1e-4
    assert len(errors.argmin(dim=1).unique()) > 20


def test_scales_and_turns_are_spread_as_in_the_paper():
    matrix = geometry_matrix(20_000, 8, 8, 0.5, random(0))
    area = matrix[:, :2, :2].det().log2()
    scaled = area.abs() > 1e-5
    assert abs(scaled.float().mean() - 0.5) < 0.02
    assert abs(area[scaled].std() - 2 * 0.2) < 0.02
    turned = (matrix[:, 0, 1] != 0) | (matrix[:, 1, 0] != 0)  # by one of two turns, with probability p
    assert abs(turned.float().mean() - 0.5) < 0.02


def test_colours_are_spread_as_in_the_paper():
    matrix = colour_matrix(20_000, 1.0, random(0)).double()
    linear, added = matrix[:, :3, :3], matrix[:, :3, 3]
    luma = linear.sum(dim=2)  # what grey becomes
    torch.testing.assert_close(luma, luma[:, :1].expand(-1, 3), atol=1e-5, rtol=1e-5)  # grey
    assert abs(luma[:, 0].abs().log2().std() - 0.5) < 0.02
    assert abs((luma[:, 0] < 0).double().mean() - 0.5) < 0.02
    assert abs((added[:, 0] / luma[:, 0]).std() - 0.2) < 0.01
    across = linear @ torch.tensor([1.0, -1, 0], dtype=torch.float64)  # a colour without luma
    torch.testing.assert_close(across.sum(dim=1), torch.zeros(20_000, dtype=torch.float64), atol=1e-4, rtol=0)
    strength = (across.norm(dim=1) / math.sqrt(2)).log2()
    assert abs(strength.std() - math.hypot(0.5, 1.0)) < 0.03  # contrast and saturation
    beside = (across @ torch.tensor([1.0, 1, -2], dtype=torch.float64)) / math.sqrt(3)
    angle = torch.atan2(beside, across[:, 0] - across[:, 1])
    assert abs(angle.std() - 2 * math.pi / math.sqrt(12)) < 0.03  # any hue is as likely


def test_grey_is_coloured_as_rgb_of_equal_channels():
    grey = torch.randn(8, 1, 4, 4)
    coloured = ada(grey.expand(-1, 3, -1, -1), 0.8, random(0), ("colour",))
    torch.testing.assert_close(ada(grey, 0.8, random(0), ("colour",)), coloured[:, :1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(coloured[:, 1:], coloured[:, :2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("colours", [1, 3])
def test_alpha_moves_with_the_picture_and_is_not_coloured(colours):
    images = torch.randn(16, colours + 1, 8, 8)
    out = ada(images, 0.8, random(0), ("geometry", "colour", "filter", "noise"))
    moved = ada(images, 0.8, random(0), ("geometry",))
    assert torch.equal(out[:, colours:], moved[:, colours:])
    assert not torch.equal(out[:, :colours], moved[:, :colours])


def test_filters_make_each_octave_louder_by_its_gain():
    gains = band_gains(12, 1.0, random(0))
    side = 181  # 128 times the root of 2
    place = (torch.arange(side) + 0.5) / side
    for band, frequency in enumerate((2, 32, 64, 128)):  # in the middle of each octave
        wave = torch.cos(math.pi * frequency * place).expand(12, 1, side, side)  # constant along the other axis
        out = ada(wave, 1.0, random(0), ("filter",))
        expected = wave * (gains[:, band] * gains[:, 0]).view(-1, 1, 1, 1)
        torch.testing.assert_close(out, expected, atol=1e-3, rtol=1e-3)


def test_one_louder_band_keeps_the_power_of_natural_pictures():
    gains = band_gains(2000, 0.1, random(0))
    power = (gains.square() * torch.tensor([10, 1, 1, 1]) / 13).sum(dim=1)
    untouched = (gains == 1).all(dim=1)
    assert abs(untouched.float().mean() - 0.9**4) < 0.03
    torch.testing.assert_close(power.median(), torch.tensor(1.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_under_autocast_the_transforms_are_still_computed_in_float32(dtype):
    images = torch.randn(4, 3, 8, 8)
    expected = ada(images, 0.8, random(0), GROUPS)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ada(images, 0.8, random(0), GROUPS), expected)
    rounded = ada(images.to(dtype), 0.8, random(0), GROUPS)
    assert rounded.dtype == dtype
    torch.testing.assert_close(rounded.float(), expected, atol=0.2, rtol=0.05)


def test_gradients_of_gradients_go_through_every_group():
    images = torch.randn(2, 4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: ada(x, 0.9, random(3), GROUPS).tanh(), (images,))


def test_pictures_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="5 channels"):
        ada(torch.randn(2, 5, 4, 4), 0.5, random(0))


def learned(p_real, p_fake, steps=300, n=256):
    """What a small G draws after it learned pictures of one grey pixel, N(0.6, 0.1), through colours: [512]."""
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Unflatten(1, (1, 1, 1)))
    D = nn.Sequential(
        *(nn.Flatten(), nn.Linear(1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    )
    g_optimizer, d_optimizer = (torch.optim.Adam(net.parameters(), 5e-3, betas=(0.0, 0.99)) for net in (G, D))
    average = copy.deepcopy(G)

    def seen(images, p, chance):
        return D(ada(images, p, chance, ("colour",)))[:, 0]

    for step in range(steps):
        chance = random(0, step)
        real = (0.6 + 0.1 * chance.at(0).normal(n, 1, 1, 1)).requires_grad_(True)
        fake = G(chance.at(1).normal(n, 4))
        real_logits = seen(real, p_real, chance.at(2))
        d_loss = minimax_d_loss(real_logits, seen(fake.detach(), p_fake, chance.at(3)))
        d_optimizer.zero_grad()
        (d_loss + 0.01 * r1_penalty(real, real_logits)).mean().backward()
        d_optimizer.step()
        g_loss = non_saturating_g_loss(real_logits.detach(), seen(fake, p_fake, chance.at(4))).mean()
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        ema_update(average, G, beta=0.98)
    with torch.no_grad():
        return average(random(1).normal(512, 4)).flatten()


def test_at_p_0_8_nothing_leaks_into_what_g_draws():
    drawn = learned(p_real=0.8, p_fake=0.8)
    assert abs(drawn.mean() - 0.6) < 0.05
    assert drawn.std() < 0.15
    assert (drawn < 0).float().mean() < 0.02


def test_augmenting_the_reals_alone_leaks():
    drawn = learned(p_real=0.8, p_fake=0.0)
    assert drawn.std() > 0.5
    assert abs((drawn < 0).float().mean() - 0.4) < 0.15  # inverted luma: 0.8 times a half
